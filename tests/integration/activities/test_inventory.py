"""take-inventory: in what state everything is, and what is not known is said so."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest

from activities.inventory import InventoryActivities
from models.inventory import Inventory, InventoryInput, OrphanReason, Resource
from models.request import Archive
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import SOURCE_REGION, TARGET_REGION, Night
from tests.rigs.crash_injector import Death, mortal_clients


def survey(night: Night, copy: str | None = None, **changed: Any) -> Inventory:
    inventory_input = InventoryInput(
        **{
            "operation_id": night.operation_id,
            "target": night.target,
            "archive": Archive(keep=1),
            "snapshot_copy_arn": copy,
            **changed,
        }
    )
    return night.run(InventoryActivities(night.aws).take_inventory, inventory_input)


def states(seen: Inventory) -> dict[str, str]:
    """By what it is and its name."""
    return {f"{of.kind} {of.name}": of.state for of in seen.resources}


@pytest.fixture
def snapshot(night: Night) -> SourceSnapshot:
    night.make_source()
    return night.make_snapshot()


def restore(night: Night, snapshot: SourceSnapshot) -> str:
    """A cluster of this operation, with its instances; its resource id."""
    answer = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    night.until_done(night.restored.check_restore_status, night.check_restore_input(answer.cluster_resource_id))
    return str(answer.cluster_resource_id)


def test_before_there_is_anything(night: Night) -> None:
    """A night that failed at once: no copy, no target, no instances, nothing left over."""
    seen = survey(night)
    assert states(seen) == {f"target cluster {night.target.cluster}": "gone"}
    assert (seen.orphans, seen.renamed_clusters, seen.incomplete_reason, seen.taken_at) == ((), (), None, night.now)


def test_a_target_that_is_not_ours(night: Night) -> None:
    """Its owner's cluster as it was, each instance with its own status."""
    night.make_target()
    name = night.target.cluster
    assert states(survey(night)) == {
        f"target cluster {name}": "available, not restored by this pipeline",
        f"instance {name}-1": "available",
        f"instance {name}-2": "available",
    }
    night.rds().delete_db_instance(DBInstanceIdentifier=f"{name}-2", SkipFinalSnapshot=True)
    assert states(survey(night))[f"instance {name}-2"] == "deleting"


def test_a_copy_at_every_stage(night: Night, snapshot: SourceSnapshot) -> None:
    """Under way with its percentage, available, failed, gone; also one that copy-snapshot never told of."""
    night.run(night.snapshots.copy_snapshot, night.copy_input(snapshot))
    copy = night.copy_of(snapshot)
    named = f"copy {copy.identifier}"
    night.later(timedelta(seconds=50))
    under_way = states(survey(night))[named]  # told by the operation's tag
    assert under_way.startswith("copying ")
    assert under_way.endswith(" %")
    night.later()
    assert states(survey(night, copy.arn))[named] == "available"
    night.force_status(copy.arn, "failed")
    failed = survey(night, copy.arn)
    assert states(failed)[named] == "failed"
    assert failed.orphans == (), "tonight's copy is not what an earlier night left"
    night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    night.later()
    assert states(survey(night, copy.arn))[named] == "gone"


def test_a_half_restored_target(night: Night, snapshot: SourceSnapshot) -> None:
    """Whose it is, whether it has instances, and that it is on its way out."""
    night.make_copy(snapshot)
    night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    name = night.target.cluster
    seen = states(survey(night))
    assert seen[f"target cluster {name}"] == "available, restored by this operation"
    assert seen[f"instances of {name}"] == "none"
    others = states(survey(night, operation_id="op-000"))
    assert others[f"target cluster {name}"] == f"available, restored by {night.operation_id}"
    night.rds().delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    assert states(survey(night))[f"target cluster {name}"] == "deleting, restored by this operation"


def test_a_night_without_a_copy(night: Night, snapshot: SourceSnapshot) -> None:
    """In one region the snapshot is the source's own, and is called that; an automated one is found by its type."""
    night.target = night.target.model_copy(update={"region": SOURCE_REGION})
    assert states(survey(night, snapshot.arn))[f"snapshot {snapshot.identifier}"] == "available"
    automated = survey(night, snapshot.arn.replace(snapshot.identifier, "rds:orders-2024-03-20"))
    [seen] = [of for of in automated.resources if of.kind == "snapshot"]
    assert seen.state == "gone"
    assert "--snapshot-type automated" in seen.command


def test_what_earlier_nights_left(night: Night, snapshot: SourceSnapshot) -> None:
    """Tonight's copy stays; one of an earlier night that nobody archived is an orphan."""
    earlier, tonight = night.make_copy(snapshot), night.make_copy(night.make_snapshot(f"later-{night.number}"))
    [orphan] = survey(night, tonight.arn, operation_id="op-000").orphans
    assert (orphan.identifier, orphan.reason, orphan.operation_id) == (
        earlier.identifier,
        OrphanReason.UNARCHIVED,
        night.operation_id,
    )
    assert orphan.text == f"{earlier.identifier}: never archived (available), of {night.operation_id}"


def test_a_cluster_that_was_renamed_is_told(night: Night, snapshot: SourceSnapshot) -> None:
    """It was restored for the target and costs money under another name; whoever renamed it keeps it."""
    night.make_copy(snapshot)
    restore(night, snapshot)
    assert survey(night).renamed_clusters == ()
    kept = f"kept-{night.number}"
    night.rds().modify_db_cluster(
        DBClusterIdentifier=night.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    night.later()
    seen = survey(night)
    [stray] = seen.renamed_clusters
    assert (stray.kind, stray.name) == ("cluster", kept)
    assert stray.state == f"available, restored by {night.operation_id} and renamed since"
    assert states(seen) == {
        f"copy {night.copy_of(snapshot).identifier}": "available",
        f"target cluster {night.target.cluster}": "gone",
    }


def test_run_twice_it_only_looks(night: Night, snapshot: SourceSnapshot) -> None:
    """Run twice: the same answer, and not one call that changes anything."""
    copy = night.make_copy(snapshot)
    restore(night, snapshot)
    night.forget_calls()
    assert survey(night, copy.arn) == survey(night, copy.arn)
    assert night.changes() == []


def test_a_death_at_any_moment_changes_nothing(night: Night, snapshot: SourceSnapshot) -> None:
    """The next attempt sees the same."""
    copy = night.make_copy(snapshot)
    restore(night, snapshot)
    wanted = survey(night, copy.arn)
    night.aws, scythe = mortal_clients()
    night.forget_calls()
    scythe.strike_at(None)
    assert survey(night, copy.arn) == wanted
    for moment in range(1, scythe.moments + 1):
        scythe.strike_at(moment)
        with pytest.raises(Death):
            survey(night, copy.arn)
        assert survey(night, copy.arn) == wanted
    assert night.changes() == []


def test_an_aws_that_does_not_answer(night: Night, snapshot: SourceSnapshot) -> None:
    """Everything that the night knows of is not known, with the reason; it is asked once, because each call takes long."""
    copy = night.copy_of(snapshot)
    night.emulator.faults.add("rds", "*", "reset-before", count=None)
    night.forget_calls()
    seen = survey(night, copy.arn)
    assert seen.incomplete_reason == "AWS not reachable"
    assert states(seen) == {
        f"copy {copy.identifier}": "not known: AWS not reachable",
        f"target cluster {night.target.cluster}": "not known: AWS not reachable",
    }
    assert len(night.calls("DescribeDBClusters")) == 0
    assert len(night.calls("DescribeDBClusterSnapshots")) <= 3  # botocore's own attempts


@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("DescribeDBClusterSnapshots", "copy"),
        ("DescribeDBClusters", "target cluster"),
        ("DescribeDBInstances", "instances of"),
    ],
)
def test_each_look_may_fail_by_itself(night: Night, copied: SnapshotCopy, operation: str, unknown: str) -> None:
    """What a role may not see is said to be not known; the rest is told."""
    night.make_target()
    night.emulator.faults.add("rds", operation, "error", code="AccessDenied", count=None)
    seen = survey(night, copied.arn)
    assert seen.incomplete_reason == "Access denied"
    not_known = [of.kind for of in seen.resources if of.state == "not known: Access denied"]
    assert not_known == [unknown]
    assert len(seen.resources) > 1


@pytest.fixture
def copied(night: Night, snapshot: SourceSnapshot) -> SnapshotCopy:
    return night.make_copy(snapshot)


def test_every_resource_has_the_command_that_looks_at_it(night: Night, copied: SnapshotCopy) -> None:
    """AWS's own commands, in the target's region, with the resource's name."""
    night.make_target()
    seen = survey(night, copied.arn)
    assert len(seen.resources) == 4
    for of in seen.resources:
        looks_at(of, night.target.cluster if of.kind == "instance" else of.name)


def looks_at(of: Resource, name: str) -> None:
    words = shlex.split(of.command)
    assert words[:2] == ["aws", "rds"]
    assert words[2] in ("describe-db-clusters", "describe-db-instances", "describe-db-cluster-snapshots")
    assert words[words.index("--region") + 1] == TARGET_REGION
    assert words[-1].endswith(name)
