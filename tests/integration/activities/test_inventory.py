"""take-inventory reports the state of everything, and what AWS does not answer as unknown."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest

from activities.inventory import InventoryActivities
from activities.rds.region_search import RegionSearch
from models.archive import Archive
from models.inventory import Inventory, InventoryInput, OrphanReason, Resource
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.steps import Replacement
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import SOURCE_REGION, TARGET_REGION
from tests.rigs.crash_injector import WorkerCrash, crashing_clients


def take_inventory(rig: ActivityRig, copy: str | None = None, **changed: Any) -> Inventory:
    inventory_input = InventoryInput(
        **{
            "operation_id": rig.operation_id,
            "target": rig.target,
            "archive": Archive(keep=1),
            "snapshot_copy_arn": copy,
            **changed,
        }
    )
    return rig.run(InventoryActivities(rig.aws, rig.intents).take_inventory, inventory_input)


def states(inventory: Inventory) -> dict[str, str]:
    """The state of each resource, by its kind and name."""
    return {f"{resource.kind} {resource.name}": resource.state for resource in inventory.resources}


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    rig.make_source()
    return rig.make_snapshot()


def restore(rig: ActivityRig, snapshot: SourceSnapshot) -> str:
    """Restore a cluster with its instances; returns its resource id."""
    outcome = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(outcome.cluster_resource_id))
    return str(outcome.cluster_resource_id)


def test_a_restore_that_failed_at_once_left_nothing(rig: ActivityRig) -> None:
    """No copy, no target, no instances, no orphans."""
    inventory = take_inventory(rig)
    assert states(inventory) == {f"target cluster {rig.target.cluster}": "gone"}
    assert (inventory.orphans, inventory.renamed_clusters, inventory.incomplete_reason, inventory.taken_at) == (
        (),
        (),
        None,
        rig.now,
    )


def test_a_target_that_no_operation_restored_is_reported_as_such(rig: ActivityRig) -> None:
    """And each instance with its own status."""
    rig.make_target()
    name = rig.target.cluster
    assert states(take_inventory(rig)) == {
        f"target cluster {name}": "available, not restored by this pipeline",
        f"instance {name}-1": "available",
        f"instance {name}-2": "available",
    }
    rig.rds().delete_db_instance(DBInstanceIdentifier=f"{name}-2", SkipFinalSnapshot=True)
    assert states(take_inventory(rig))[f"instance {name}-2"] == "deleting"


def test_the_copys_state_is_reported_at_every_stage(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Copying with its percentage, available, failed, gone; also a copy whose ARN the workflow never got."""
    rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    copy = rig.copy_of(snapshot)
    name_of_copy = f"copy {copy.identifier}"
    rig.advance_clock(timedelta(seconds=50))
    under_way = states(take_inventory(rig))[name_of_copy]  # found by the operation's tag
    assert under_way.startswith("copying ")
    assert under_way.endswith(" %")
    rig.advance_clock()
    assert states(take_inventory(rig, copy.arn))[name_of_copy] == "available"
    rig.force_status(copy.arn, "failed")
    failed = take_inventory(rig, copy.arn)
    assert states(failed)[name_of_copy] == "failed"
    assert failed.orphans == (), "a failed copy of this operation is no orphan"
    rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    rig.advance_clock()
    assert states(take_inventory(rig, copy.arn))[name_of_copy] == "gone"


def test_the_state_of_a_half_restored_target_names_its_operation(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also whether it has instances, and that it is being deleted."""
    rig.make_copy(snapshot)
    rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    name = rig.target.cluster
    seen_by_this = states(take_inventory(rig))
    assert seen_by_this[f"target cluster {name}"] == "available, restored by this operation"
    assert seen_by_this[f"instances of {name}"] == "none"
    seen_by_other = states(take_inventory(rig, operation_id="op-000"))
    assert seen_by_other[f"target cluster {name}"] == f"available, restored by {rig.operation_id}"
    rig.rds().delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    assert states(take_inventory(rig))[f"target cluster {name}"] == "deleting, restored by this operation"


def test_without_a_copy_the_source_snapshot_is_reported(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In one region; an automated snapshot is found only by its type."""
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    assert states(take_inventory(rig, snapshot.arn))[f"snapshot {snapshot.identifier}"] == "available"
    automated = take_inventory(rig, snapshot.arn.replace(snapshot.identifier, "rds:orders-2024-03-20"))
    [resource] = [resource for resource in automated.resources if resource.kind == "snapshot"]
    assert resource.state == "gone"
    assert "--snapshot-type automated" in resource.command


def test_a_copy_of_an_earlier_operation_is_reported_as_an_orphan(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The copy that this operation uses is not."""
    earlier_copy, current_copy = rig.make_copy(snapshot), rig.make_copy(rig.make_snapshot(f"later-{rig.number}"))
    [orphan] = take_inventory(rig, current_copy.arn, operation_id="op-000").orphans
    assert (orphan.identifier, orphan.reason, orphan.operation_id) == (
        earlier_copy.identifier,
        OrphanReason.UNARCHIVED,
        rig.operation_id,
    )
    assert orphan.text == f"{earlier_copy.identifier}: never archived (available), of {rig.operation_id}"


def test_many_orphans_are_counted(rig: ActivityRig, snapshot: SourceSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inventory lists the first; a notification says how many more there are."""
    monkeypatch.setattr("activities.inventory.MAX_INVENTORY", 1)
    rig.make_target()
    for name in ("b", "c", "d"):
        rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}"))
    inventory = take_inventory(rig, operation_id="op-000")
    assert (len(inventory.orphans), inventory.more_orphans) == (1, 1)
    assert (len(inventory.resources), inventory.more_resources) == (1, 2), "the target and its two instances"


def test_a_renamed_restored_cluster_is_reported(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """It was restored for the target and costs money under another name; the user who renamed it keeps it."""
    rig.make_copy(snapshot)
    restore(rig, snapshot)
    assert take_inventory(rig).renamed_clusters == ()
    new_name = f"kept-{rig.number}"
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=new_name, ApplyImmediately=True
    )
    rig.advance_clock()
    inventory = take_inventory(rig)
    [renamed] = inventory.renamed_clusters
    assert (renamed.kind, renamed.name) == ("cluster", new_name)
    assert renamed.state == f"available, restored by {rig.operation_id} and renamed since"
    assert states(inventory) == {
        f"copy {rig.copy_of(snapshot).identifier}": "available",
        f"target cluster {rig.target.cluster}": "gone",
    }


def test_a_renamed_cluster_of_a_drill_is_not_gone(
    rig: ActivityRig, snapshot: SourceSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user who renamed it keeps it, and pays for it. A list that misses the cluster does not say that it is gone."""
    rig.make_target()
    rig.target = rig.target.model_copy(update={"replacement": Replacement.DRILL})
    resource_id = rig.restore_beside(snapshot)
    name, kept = rig.target.restored_as(rig.operation_id).cluster, f"kept-{rig.number}"

    def state() -> str:
        return states(take_inventory(rig, drill_resource_id=resource_id))[f"drill cluster {name}"]

    with monkeypatch.context() as patch:
        patch.setattr(RegionSearch, "find_clusters", lambda self, known: [])
        assert state() == "available, restored by this operation"
    rig.rds().modify_db_cluster(DBClusterIdentifier=name, NewDBClusterIdentifier=kept, ApplyImmediately=True)
    rig.advance_clock()
    assert state() == f"renamed to {kept}, available, restored by this operation"
    for instance in rig.rds().describe_db_clusters(DBClusterIdentifier=kept)["DBClusters"][0]["DBClusterMembers"]:
        rig.rds().delete_db_instance(DBInstanceIdentifier=instance["DBInstanceIdentifier"], SkipFinalSnapshot=True)
    rig.rds().delete_db_cluster(DBClusterIdentifier=kept, SkipFinalSnapshot=True)
    rig.advance_clock()
    assert state() == "gone"


def test_the_inventory_only_reads(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run twice: the same inventory, and not one call that changes anything."""
    copy = rig.make_copy(snapshot)
    restore(rig, snapshot)
    rig.clear_calls()
    assert take_inventory(rig, copy.arn) == take_inventory(rig, copy.arn)
    assert rig.changes() == []


def test_a_crash_after_any_call_changes_no_inventory(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The next attempt reads the same."""
    copy = rig.make_copy(snapshot)
    restore(rig, snapshot)
    expected = take_inventory(rig, copy.arn)
    rig.aws, crash_injector = crashing_clients()
    rig.clear_calls()
    crash_injector.crash_after(None)
    assert take_inventory(rig, copy.arn) == expected
    for call_number in range(1, crash_injector.call_count + 1):
        crash_injector.crash_after(call_number)
        with pytest.raises(WorkerCrash):
            take_inventory(rig, copy.arn)
        assert take_inventory(rig, copy.arn) == expected
    assert rig.changes() == []


def test_everything_is_unknown_if_aws_does_not_answer(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """With the reason; AWS is called once, because each call takes long."""
    copy = rig.copy_of(snapshot)
    rig.emulator.faults.add("rds", "*", "reset-before", count=None)
    rig.clear_calls()
    inventory = take_inventory(rig, copy.arn)
    assert inventory.incomplete_reason == "AWS not reachable"
    assert states(inventory) == {
        f"copy {copy.identifier}": "unknown: AWS not reachable",
        f"target cluster {rig.target.cluster}": "unknown: AWS not reachable",
    }
    assert len(rig.calls("DescribeDBClusters")) == 0
    assert len(rig.calls("DescribeDBClusterSnapshots")) <= 3  # botocore's own attempts


@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("DescribeDBClusterSnapshots", "copy"),
        ("DescribeDBClusters", "target cluster"),
        ("DescribeDBInstances", "instances of"),
    ],
)
def test_a_denied_read_makes_only_its_own_part_unknown(
    rig: ActivityRig, copied: SnapshotCopy, operation: str, unknown: str
) -> None:
    """The rest is reported."""
    rig.make_target()
    rig.emulator.faults.add("rds", operation, "error", code="AccessDenied", count=None)
    inventory = take_inventory(rig, copied.arn)
    assert inventory.incomplete_reason == "Access denied"
    unknown_kinds = [resource.kind for resource in inventory.resources if resource.state == "unknown: Access denied"]
    assert unknown_kinds == [unknown]
    assert len(inventory.resources) > 1


@pytest.fixture
def copied(rig: ActivityRig, snapshot: SourceSnapshot) -> SnapshotCopy:
    return rig.make_copy(snapshot)


def test_every_resource_has_the_command_that_reads_it(rig: ActivityRig, copied: SnapshotCopy) -> None:
    """AWS's own commands, in the target's region, with the resource's name."""
    rig.make_target()
    inventory = take_inventory(rig, copied.arn)
    assert len(inventory.resources) == 4
    for resource in inventory.resources:
        check_command(resource, rig.target.cluster if resource.kind == "instance" else resource.name)


def check_command(resource: Resource, name: str) -> None:
    words = shlex.split(resource.command)
    assert words[:2] == ["aws", "rds"]
    assert words[2] in ("describe-db-clusters", "describe-db-instances", "describe-db-cluster-snapshots")
    assert words[words.index("--region") + 1] == TARGET_REGION
    assert words[-1].endswith(name)
