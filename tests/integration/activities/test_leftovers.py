"""remove-leftovers deletes this operation's own unfinished copy if asked for, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from models.leftovers import RemoveLeftoversInput
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ActingTrail, ActivityRig
from tests.rigs.activity_resources import KEY_ALIAS


@pytest.fixture
def copied(rig: ActivityRig) -> tuple[SourceSnapshot, SnapshotCopy]:
    """A snapshot and its copy, which is still copying."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    return snapshot, rig.copy_of(snapshot)


def remove(rig: ActivityRig, step_input: RemoveLeftoversInput, intents: Any = None) -> Any:
    return rig.run(LeftoverActivities(rig.aws, intents or rig.intents).remove_leftovers, step_input)


def remove_until_done(rig: ActivityRig, step_input: RemoveLeftoversInput) -> Any:
    return rig.poll_until_done(rig.leftovers.remove_leftovers, step_input)


def test_an_unfinished_copy_is_deleted(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """After the intent; the outcome names it."""
    snapshot, copy = copied
    rig.clear_calls()
    outcome = remove_until_done(rig, rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (outcome.details, outcome.resource_arns) == ("Leftovers removed", (copy.arn,))
    assert rig.copies() == {}
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    assert rig.rows() == ["remove-leftovers intent"]


def test_a_failed_copy_is_deleted(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """Nothing can be restored from it."""
    snapshot, copy = copied
    rig.force_status(copy.arn, "failed")
    remove_until_done(rig, rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert rig.copies() == {}


def test_a_busy_copy_is_waited_for(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """RDS deletes no copy in this status; each poll tries again and reports the status."""
    snapshot, copy = copied
    rig.force_status(copy.arn, "incompatible-restore")
    outcome = remove(rig, rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (outcome.done, outcome.details) == (False, f"removing {copy.identifier} (incompatible-restore)")


def test_a_copy_that_became_available_is_kept(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """The next restore adopts it."""
    snapshot, copy = copied
    rig.advance_clock()
    outcome = remove(rig, rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (outcome.done, outcome.details, outcome.resource_arns) == (True, "Nothing to remove", ())
    assert copy.identifier in rig.copies()
    assert rig.rows() == []


def test_a_copy_that_becomes_available_during_the_intent_is_kept(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """It is read again after the intent, and not reported as removed."""
    snapshot, copy = copied
    step_input = rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True)
    remove(rig, step_input, ActingTrail(rig.intents, rig.advance_clock))
    outcome = remove(rig, step_input)
    assert (outcome.details, outcome.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in rig.copies()


def test_a_copy_that_appears_during_the_intent_is_not_deleted(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """Only what the trail names is deleted; the next poll declares the rest."""
    snapshot, copy = copied
    last = "0" if copy.identifier[-1] != "0" else "1"
    other_name = f"{copy.identifier[:-1]}{last}"

    def start_other_copy() -> None:
        rig.rds().copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=snapshot.arn,
            TargetDBClusterSnapshotIdentifier=other_name,
            Tags=rig.copies()[copy.identifier]["TagList"],
            KmsKeyId=KEY_ALIAS,
        )

    step_input = rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True)
    remove(rig, step_input, ActingTrail(rig.intents, start_other_copy))
    assert [call.parameters["DBClusterSnapshotIdentifier"] for call in rig.calls("DeleteDBClusterSnapshot")] == [
        copy.identifier
    ]
    outcome = remove_until_done(rig, step_input)
    assert {arn.rpartition(":")[2] for arn in outcome.resource_arns} == {copy.identifier, other_name}


@pytest.mark.parametrize("changed", ["operation", "snapshot", "nothing asked for"])
def test_only_the_unfinished_copy_of_this_operation_and_snapshot_is_deleted(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy], changed: str
) -> None:
    """Not one of another operation, which may be adopted, nor of another snapshot, nor without being asked to."""
    snapshot, copy = copied
    inputs: dict[str, dict[str, Any]] = {
        "operation": {"operation_id": f"{rig.operation_id}0", "snapshot_arn": snapshot.arn, "unfinished_copy": True},
        "snapshot": {"snapshot_arn": f"{snapshot.arn}-2", "unfinished_copy": True},
        "nothing asked for": {"snapshot_arn": snapshot.arn},
    }
    rig.clear_calls()
    assert remove(rig, rig.leftovers_input(**inputs[changed])).details == "Nothing to remove"
    assert rig.changes() == []
    assert copy.identifier in rig.copies()


def test_a_failed_snapshot_with_our_tags_but_another_name_is_kept(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """A copy that a colleague made with CopyTags."""
    snapshot, copy = copied
    rig.advance_clock()
    other_name = f"other-{rig.number}"
    other = rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copy.arn, TargetDBClusterSnapshotIdentifier=other_name, CopyTags=True
    )
    rig.force_status(other["DBClusterSnapshot"]["DBClusterSnapshotArn"], "failed")
    assert (
        remove(rig, rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True)).details == "Nothing to remove"
    )
    assert other_name in rig.copies()


def test_a_copy_untagged_during_the_intent_is_kept_and_not_reported(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """An owner who removes our tag keeps the copy."""
    snapshot, copy = copied
    step_input = rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True)

    def remove_tag() -> None:
        rig.rds().remove_tags_from_resource(ResourceName=copy.arn, TagKeys=["aurora-restore:copy-for"])

    remove(rig, step_input, ActingTrail(rig.intents, remove_tag))
    outcome = remove(rig, step_input)
    assert (outcome.details, outcome.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in rig.copies()
