"""A target of a kind that no restore brings back is refused while it still exists."""

from __future__ import annotations

from typing import Any

import pytest

from activities.preflight.restorable import find_what_cannot_come_back

ORDINARY: dict[str, Any] = {
    "DBClusterArn": "arn:aws:rds:eu-central-1:111122223333:cluster:staging",
    "EngineMode": "provisioned",
    "ActivityStreamStatus": "stopped",
    "ClusterScalabilityType": "standard",
    "VPCNetworkingEnabled": True,
    "InternetAccessGatewayEnabled": False,
}


def reasons(**members: Any) -> list[str]:
    described: Any = {**ORDINARY, **members}
    return [violation.message for violation in find_what_cannot_come_back(described)]


def test_an_ordinary_cluster_can_come_back() -> None:
    """The other tests of this module change one member."""
    assert reasons() == []


def test_members_that_rds_leaves_out_are_no_reason() -> None:
    """The model requires none of them."""
    described: Any = {"DBClusterArn": ORDINARY["DBClusterArn"]}
    assert list(find_what_cannot_come_back(described)) == []


@pytest.mark.parametrize("status", ["started", "starting", "stopping"])
def test_an_activity_stream_is_a_reason(status: str) -> None:
    """AWS deletes its Kinesis stream with the cluster; the owner stops it first."""
    [reason] = reasons(ActivityStreamStatus=status)
    assert "activity stream" in reason
    assert reason.endswith("Stop the stream first.")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"EngineMode": "serverless"}, "engine mode serverless"),
        ({"DBClusterInstanceClass": "db.m6gd.large"}, "Multi-AZ DB cluster"),
        ({"ClusterScalabilityType": "limitless"}, "scalability type limitless"),
        ({"VPCNetworkingEnabled": False}, "express configuration"),
        ({"InternetAccessGatewayEnabled": True}, "express configuration"),
    ],
)
def test_another_kind_of_cluster_is_a_reason(members: dict[str, Any], text: str) -> None:
    """A restore from a snapshot makes an ordinary Aurora cluster only."""
    [reason] = reasons(**members)
    assert text in reason
    assert reason.endswith("Choose another target.")
