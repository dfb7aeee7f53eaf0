"""Whether a snapshot or a cluster is the one that an earlier step knew, with one difference at a time."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.rds import tags
from activities.rds.provenance import (
    check_not_restored_since,
    check_provenance,
    check_resource_id,
    provenance_mismatch,
)
from errors import Refused
from models.snapshots import SourceSnapshot

CREATED_AT = datetime(2024, 3, 20, 3, 0, tzinfo=UTC)
CHOSEN = SourceSnapshot(
    arn="arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:nightly",
    identifier="nightly",
    created_at=CREATED_AT,
    engine="aurora-postgresql",
    engine_version="16.6",
    encrypted=True,
    cluster_resource_id="cluster-SOURCE",
)
ITSELF: dict[str, Any] = {
    "DBClusterSnapshotArn": CHOSEN.arn,
    "SnapshotCreateTime": CREATED_AT,
    "DbClusterResourceId": "cluster-SOURCE",
}
COPY: dict[str, Any] = {
    "DBClusterSnapshotArn": "arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:copy",
    "SourceDBClusterSnapshotArn": CHOSEN.arn,
}
TAGGED = tags.tag_list({tags.SOURCE_SNAPSHOT: CHOSEN.arn})
OTHER_ARN = f"{CHOSEN.arn}-2"


def mismatch(snapshot: dict[str, Any], **changed: Any) -> str | None:
    actual: Any = snapshot | changed
    return provenance_mismatch(actual, CHOSEN)


def test_the_chosen_snapshot_and_its_copy_match() -> None:
    """The other tests change one thing in these."""
    assert mismatch(ITSELF) is None
    assert mismatch(COPY) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"SnapshotCreateTime": CREATED_AT + timedelta(seconds=1)},
        {"DbClusterResourceId": "cluster-OTHER"},
        {"DbClusterResourceId": None},
    ],
)
def test_a_snapshot_created_again_under_its_name_does_not_match(changed: dict[str, Any]) -> None:
    """Its creation time or its cluster differs."""
    assert "it was deleted and created again" in (mismatch(ITSELF, **changed) or "")


def test_the_origin_that_aws_reports_counts_more_than_our_tag() -> None:
    """Anybody may set a tag."""
    assert mismatch(COPY, SourceDBClusterSnapshotArn=OTHER_ARN, TagList=TAGGED)
    assert mismatch(COPY, TagList=tags.tag_list({tags.SOURCE_SNAPSHOT: OTHER_ARN})) is None


def test_our_tag_identifies_a_copy_whose_origin_aws_does_not_report() -> None:
    """The pipeline wrote it when it started the copy."""
    assert mismatch(COPY, SourceDBClusterSnapshotArn="", TagList=TAGGED) is None
    assert "a copy of an unknown snapshot" in (mismatch(COPY, SourceDBClusterSnapshotArn="") or "")


@pytest.mark.parametrize(
    ("actual", "short"),
    [
        (ITSELF | {"DbClusterResourceId": "cluster-OTHER"}, "Snapshot was replaced"),
        (COPY | {"SourceDBClusterSnapshotArn": OTHER_ARN}, "Copy is of another snapshot"),
    ],
)
def test_a_mismatch_is_refused_with_its_own_text(actual: Any, short: str) -> None:
    """A replaced snapshot needs a new restore, a wrong copy only a new copy."""
    with pytest.raises(Refused) as refused:
        check_provenance(actual, CHOSEN)
    assert refused.value.fault.short == short


@pytest.mark.parametrize(("expected", "text"), [("cluster-OLD", "expected cluster-OLD"), (None, "expected no cluster")])
def test_a_cluster_with_another_resource_id_is_refused(expected: str | None, text: str) -> None:
    """The message has both resource ids and the step that knew the expected one."""
    cluster: Any = {"DBClusterArn": "arn:cluster", "DbClusterResourceId": "cluster-NEW"}
    check_resource_id(cluster, "cluster-NEW", "restored by this operation")
    with pytest.raises(Refused) as refused:
        check_resource_id(cluster, expected, "restored by this operation")
    assert f"arn:cluster has the resource id cluster-NEW, {text} (restored by this operation)" in str(refused.value)


@pytest.mark.parametrize(
    ("restored_by", "created_after", "refused"),
    [
        ("aurora-restore/op-007", timedelta(0), True),
        ("aurora-restore/op-007", timedelta(seconds=-1), False),
        ("aurora-restore/op-008", timedelta(hours=1), True),
        ("aurora-restore/op-1000", None, True),
        ("aurora-restore/op-9", timedelta(hours=-1), False),
        ("theirs", timedelta(hours=1), True),
        ("reporting/op-006", timedelta(hours=1), True),
        ("aurora-restore/op-006", timedelta(hours=1), False),
        ("aurora-restore/op-006", None, False),
        (None, timedelta(hours=1), False),
    ],
)
def test_what_was_restored_since_the_operation_began_is_refused(
    restored_by: str | None, created_after: timedelta | None, refused: bool
) -> None:
    """By the operation itself or a newer one; an older one's may be replaced, also where AWS's clock is ahead."""
    cluster: Any = {"DBClusterArn": "arn:staging"}
    cluster |= {"ClusterCreateTime": CREATED_AT + created_after} if created_after is not None else {}
    cluster |= {"TagList": tags.tag_list({tags.OPERATION: restored_by})} if restored_by else {}
    with pytest.raises(Refused, match="Start a new restore") if refused else nullcontext():
        check_not_restored_since(cluster, "aurora-restore/op-007", CREATED_AT)
    check_not_restored_since(cluster, "aurora-restore/op-007", None)
