"""What exists in a region is listed once for many restores, and decided on only as it is now."""

from __future__ import annotations

from typing import Any

import pytest

from activities.inventory import InventoryActivities
from clients import region_lists
from clients.aws import AwsClients
from models.archive import Archive
from models.drill import drill_cluster
from models.inventory import Inventory, InventoryInput
from models.snapshots import SnapshotCopy
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, TARGET_REGION, session_of


@pytest.fixture
def copies(rig: ActivityRig, monkeypatch: pytest.MonkeyPatch) -> list[SnapshotCopy]:
    """Three, the oldest first; then the worker starts, whose lists are a minute old at most, as shipped."""
    rig.make_source()
    made = [rig.make_copy(rig.make_snapshot(f"daily-{rig.number}-{number}")) for number in range(3)]
    monkeypatch.setattr(region_lists, "MAX_AGE_SECONDS", 60.0)
    rig.aws = AwsClients(session_of(ACCOUNT))
    rig.clear_calls()
    return made


def archive(rig: ActivityRig, copy: SnapshotCopy) -> Any:
    return rig.run(rig.snapshots.archive_snapshot, rig.archive_input(copy, keep=1))


def take_inventory(rig: ActivityRig, copy: str | None) -> Inventory:
    given = InventoryInput(
        operation_id=rig.operation_id, target=rig.target, archive=Archive(keep=1), snapshot_copy_arn=copy
    )
    return rig.run(InventoryActivities(rig.aws, rig.intents).take_inventory, given)


def lists(rig: ActivityRig, operation: str) -> int:
    """How many times everything in the region was listed."""
    calls = [call.parameters for call in rig.calls(operation)]
    return sum("Filters" not in each and not any(name.endswith("Identifier") for name in each) for each in calls)


def test_many_restores_list_the_region_once(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Archive and inventory of each read by name what the list has named."""
    rig.make_target()
    archive(rig, copies[2])
    for _ in range(3):
        take_inventory(rig, copies[2].arn)
    assert (lists(rig, "DescribeDBClusterSnapshots"), lists(rig, "DescribeDBClusters")) == (1, 1)
    assert set(rig.copies()) == {copies[2].identifier}


def test_an_old_copy_whose_owner_takes_the_tag_off_after_the_list_is_kept(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """The list has its name; what is pruned is what it is now."""
    take_inventory(rig, copies[2].arn)
    rig.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    assert archive(rig, copies[2]).pruned == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_a_copy_that_the_list_lacks_is_found_by_name(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """This operation's own, made since; it is kept in place of an older one."""
    take_inventory(rig, copies[2].arn)
    newest = rig.make_copy(rig.make_snapshot(f"newest-{rig.number}"))
    [state] = [each.state for each in take_inventory(rig, newest.arn).resources if each.name == newest.identifier]
    assert state == "available"
    assert archive(rig, newest).kept == (newest.arn,)


def test_after_a_failure_everything_is_listed(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """An operation that does not know its copy may have begun one seconds ago."""
    take_inventory(rig, copies[2].arn)
    newest = rig.make_copy(rig.make_snapshot(f"newest-{rig.number}"))
    assert newest.identifier in {each.name for each in take_inventory(rig, None).resources}


def test_a_target_that_was_renamed_after_the_list_is_found(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """By listing everything again: no name leads to it."""
    outcome = rig.run(rig.clusters.restore_snapshot, rig.restore_input(rig.snapshot_of(copies[2])))
    rig.advance_clock()
    assert outcome.done
    assert take_inventory(rig, copies[2].arn).renamed_clusters == ()
    rig.rename_target(f"{rig.target.cluster}-kept")
    [renamed] = take_inventory(rig, copies[2].arn).renamed_clusters
    assert renamed.name == f"{rig.target.cluster}-kept"


def test_what_a_drill_left_is_found_by_its_name(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A drill in the source's region restores the source's own snapshot, whose name belongs to no target."""
    rig.make_target()
    name = drill_cluster(rig.target.cluster, rig.operation_id)
    tags = {"aurora-restore:operation": rig.operation_tag, "aurora-restore:restored-from": "arn:a:b:c:d:e:daily"}
    rig.make_cluster(TARGET_REGION, name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    rig.begin_next_operation()
    assert [each.identifier for each in take_inventory(rig, copies[2].arn).orphans if "drill" in each.reason] == [name]


def test_without_leave_to_filter_everything_is_listed(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """AWS may refuse a filter that a policy does not foresee."""
    take_inventory(rig, copies[2].arn)
    step_input = rig.archive_input(copies[2], keep=1)
    rig.clear_calls()
    rig.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code="AccessDenied", status=403, skip=1)
    outcome: Any = rig.run(rig.snapshots.archive_snapshot, step_input)
    assert outcome.pruned == (copies[1].arn, copies[0].arn)
    assert lists(rig, "DescribeDBClusterSnapshots") == 1
