"""The function of deploy/shareable-snapshots.yaml, as the template deploys it, against the emulator."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.rigs.emulated_aws import ACCOUNT, OTHER_ACCOUNT, SOURCE, START, EmulatedAws
from tests.rigs.iam.template import read_template
from tests.rigs.shareable_snapshots import TEMPLATE

DAY = timedelta(days=1)
TAG = "aurora-restore:shareable-of"


@pytest.fixture
def run_pass(aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, dict[str, Any]]]:
    """Runs the function once, as EventBridge does; returns the manual snapshots by their names."""
    loaded: dict[str, Any] = {}
    exec(read_template(TEMPLATE)["Resources"]["Function"]["Properties"]["Code"]["ZipFile"], loaded)
    settings = {"CLUSTER": "orders", "PREFIX": "orders-shareable", "ACCOUNT": OTHER_ACCOUNT, "KEEP": "2"}
    session = {"AWS_DEFAULT_REGION": SOURCE, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x"}
    endpoint = {"AWS_ENDPOINT_URL": aws.emulator.endpoint_url, "KEY": aws.create_key(SOURCE)}
    for name, value in (settings | session | endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # an earlier test's has its account and its region

    def run() -> dict[str, dict[str, Any]]:
        now = datetime.fromtimestamp(aws.emulator.clock.now().timestamp(), UTC)
        loaded["handler"]({"time": now.strftime("%Y-%m-%dT%H:%M:%SZ")})
        answer = aws.client().describe_db_cluster_snapshots(SnapshotType="manual")
        return {each["DBClusterSnapshotIdentifier"]: each for each in answer["DBClusterSnapshots"]}

    return run


def take_automated_snapshot(aws: EmulatedAws) -> None:
    """The snapshot that RDS takes once a day, available."""
    aws.control("rds/automated-snapshot", account=ACCOUNT, region=SOURCE, cluster="orders")
    aws.wait()


def accounts_of(aws: EmulatedAws, snapshot: str) -> list[str]:
    """The accounts that may restore a snapshot."""
    answer = aws.client().describe_db_cluster_snapshot_attributes(DBClusterSnapshotIdentifier=snapshot)
    attributes = answer["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"]
    return [account for each in attributes for account in each["AttributeValues"]]


Pass = Callable[[], dict[str, dict[str, Any]]]


def test_each_automated_snapshot_becomes_a_shared_copy(aws: EmulatedAws, run_pass: Pass) -> None:
    """Under the day's name and the key of the template, shared once it is available; passes in between change nothing."""
    aws.create_cluster("orders", StorageEncrypted=True)
    assert run_pass() == {}
    take_automated_snapshot(aws)
    [(name, copying)] = run_pass().items()
    assert (name, copying["Status"]) == (f"orders-shareable-{START:%Y-%m-%d}", "copying")
    assert copying["TagList"] == [{"Key": TAG, "Value": "orders"}]
    assert copying["KmsKeyId"] == os.environ["KEY"]
    run_pass()
    assert accounts_of(aws, name) == []
    aws.wait()
    assert run_pass().keys() == run_pass().keys() == {name}
    assert accounts_of(aws, name) == [OTHER_ACCOUNT]


def test_older_copies_are_pruned_and_nothing_else(aws: EmulatedAws, run_pass: Pass) -> None:
    """The newest two stay; a snapshot of the owner stays, be it named as ours or a copy that has our tag."""
    aws.create_cluster("orders")
    aws.create_snapshot("orders-shareable-by-hand", "orders")
    aws.create_snapshot("before-the-release", "orders")
    for day in range(4):
        aws.emulator.clock.freeze(START + day * DAY)
        take_automated_snapshot(aws)
        run_pass()
        aws.wait()
        if day == 0:
            name, own = f"orders-shareable-{START:%Y-%m-%d}", "orders-shareable-before-the-release"
            aws.client().copy_db_cluster_snapshot(
                SourceDBClusterSnapshotIdentifier=name, TargetDBClusterSnapshotIdentifier=own, CopyTags=True
            )
    aws.wait()
    run_pass()
    aws.wait()
    copies = {f"orders-shareable-{START + day * DAY:%Y-%m-%d}" for day in (2, 3)}
    assert run_pass().keys() == {"orders-shareable-by-hand", "before-the-release", own, *copies}


def test_a_failed_copy_is_made_again(aws: EmulatedAws, run_pass: Pass) -> None:
    """It is deleted by the next pass, and the day has a copy all the same."""
    aws.create_cluster("orders")
    take_automated_snapshot(aws)
    [(name, copying)] = run_pass().items()
    aws.control("rds/snapshot-status", arn=copying["DBClusterSnapshotArn"], status="failed")
    for _ in range(3):
        run_pass()
        aws.wait()
    assert run_pass()[name]["Status"] == "available"
