"""remove-leftovers: this operation's own unfinished copy and half-restored cluster go if asked for, nobody else's ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from audit.rows import AuditRow, Phase
from errors import DeadlinePassed, Refused, StaleRead, TrailUnavailable
from models.leftovers import RemoveLeftoversInput
from models.operation import FinalPoll
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.steps import Status, Step
from tests.rigs.activities import ActivityRig


@pytest.fixture
def copied(rig: ActivityRig) -> tuple[SourceSnapshot, SnapshotCopy]:
    """The night's snapshot and its copy, which has come only part of the way."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    return snapshot, rig.copy_of(snapshot)


@pytest.fixture
def restored(rig: ActivityRig) -> str:
    """A target that this operation restored, with its instances, and whose users nobody set; its resource id."""
    return half_restored(rig)


def half_restored(rig: ActivityRig) -> str:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    answer = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(answer.cluster_resource_id))
    return str(answer.cluster_resource_id)


def asking(rig: ActivityRig, **changed: Any) -> RemoveLeftoversInput:
    return RemoveLeftoversInput(
        **{
            "operation_id": rig.operation_id,
            "step_started_at": rig.now,
            "source": rig.source,
            "target": rig.target,
            "snapshot_arn": None,
            "unfinished_copy": False,
            "cluster_resource_id": None,
            **changed,
        }
    )


def remove(rig: ActivityRig, step_input: RemoveLeftoversInput, intents: Any = None) -> Any:
    return rig.run(LeftoverActivities(rig.aws, intents or rig.intents).remove_leftovers, step_input)


def until_gone(rig: ActivityRig, step_input: RemoveLeftoversInput) -> Any:
    return rig.poll_until_done(LeftoverActivities(rig.aws, rig.intents).remove_leftovers, step_input)


# The copy


def test_an_unfinished_copy_goes(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """It is ended and removed, after the intent; the answer names it."""
    snapshot, copy = copied
    rig.clear_calls()
    answer = until_gone(rig, asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.details, answer.resource_arns) == ("Leftovers removed", (copy.arn,))
    assert rig.copies() == {}
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    assert rig.rows() == ["remove-leftovers intent"]


def test_a_failed_copy_goes(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """Nothing can be restored from it."""
    snapshot, copy = copied
    rig.force_status(copy.arn, "failed")
    until_gone(rig, asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert rig.copies() == {}


def test_a_copy_that_rds_holds_on_to_is_waited_for(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """RDS deletes none in a status like this; each look asks again and says how it stands."""
    snapshot, copy = copied
    rig.force_status(copy.arn, "incompatible-restore")
    answer = remove(rig, asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.done, answer.details) == (False, f"removing {copy.identifier} (incompatible-restore)")


def test_a_copy_that_has_come_stays(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """It may have become available since the night gave up: then it is what the next night adopts."""
    snapshot, copy = copied
    rig.advance_clock()
    answer = remove(rig, asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.done, answer.details, answer.resource_arns) == (True, "Nothing to remove", ())
    assert copy.identifier in rig.copies()
    assert rig.rows() == []


def test_a_copy_that_comes_at_the_last_moment_stays(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """What is removed is looked at once more after the intent, and is not told as removed."""
    snapshot, copy = copied
    of = asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True)
    remove(rig, of, Meanwhile(rig, rig.advance_clock))
    answer = remove(rig, of)
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in rig.copies()


@pytest.mark.parametrize("changed", ["operation", "snapshot", "nothing asked for"])
def test_only_this_operations_own_copy_goes(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy], changed: str
) -> None:
    """Not one of another operation, which may have been adopted, nor of another snapshot, nor one nobody asked about."""
    snapshot, copy = copied
    asked: dict[str, dict[str, Any]] = {
        "operation": {"operation_id": f"{rig.operation_id}0", "snapshot_arn": snapshot.arn, "unfinished_copy": True},
        "snapshot": {"snapshot_arn": f"{snapshot.arn}-2", "unfinished_copy": True},
        "nothing asked for": {"snapshot_arn": snapshot.arn},
    }
    rig.clear_calls()
    assert remove(rig, asking(rig, **asked[changed])).details == "Nothing to remove"
    assert rig.changes() == []
    assert copy.identifier in rig.copies()


def test_a_strangers_copy_with_our_tags_stays(rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """The name tells too: a colleague's copy, made with CopyTags, is not ours, and failed it is theirs to look at."""
    snapshot, copy = copied
    rig.advance_clock()
    evidence = f"evidence-{rig.number}"
    made = rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copy.arn, TargetDBClusterSnapshotIdentifier=evidence, CopyTags=True
    )
    rig.force_status(made["DBClusterSnapshot"]["DBClusterSnapshotArn"], "failed")
    assert remove(rig, asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True)).details == "Nothing to remove"
    assert evidence in rig.copies()


# The cluster


def test_a_half_restored_cluster_goes(rig: ActivityRig, restored: str) -> None:
    """Instances and cluster, after the intent, until RDS no longer knows it; the copy stays."""
    copies = rig.copies()
    rig.clear_calls()
    answer = until_gone(rig, asking(rig, cluster_resource_id=restored))
    assert (answer.details, answer.resource_arns) == ("Leftovers removed", (rig.target.arn,))
    assert (rig.cluster(), rig.instances()) == (None, {})
    assert rig.copies() == copies
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBInstance") < order.index("DeleteDBCluster")
    assert rig.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]


def test_run_twice_it_is_removed_once(rig: ActivityRig, restored: str) -> None:
    """Run twice: what is being deleted is left to go, what is gone is success with the same answer; one intent."""
    of = asking(rig, cluster_resource_id=restored)
    rig.clear_calls()
    assert not remove(rig, of).done
    assert not remove(rig, of).done
    first = until_gone(rig, of)
    again = remove(rig, of)
    assert (again.details, again.resource_arns) == (first.details, first.resource_arns)
    assert rig.changes().count("DeleteDBCluster staging") == 1
    assert rig.rows() == ["remove-leftovers intent"]


@pytest.mark.parametrize("marks", ["the operation's tag", "the restore's tag"])
def test_a_cluster_without_our_marks_stays(rig: ActivityRig, restored: str, marks: str) -> None:
    """Who takes our tag off a cluster, or puts another operation's on it, takes it away from us."""
    if marks == "the operation's tag":
        tag = {"Key": "aurora-restore:operation", "Value": "op-000"}
        rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=[tag])
    else:
        rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:restored-from"])
    stays(rig, asking(rig, cluster_resource_id=restored))


def test_a_cluster_that_was_made_since_stays(rig: ActivityRig, restored: str) -> None:
    """Under the target's name, with the opt-in, even with our tags: the resource id is another."""
    rig.poll_until_done(
        LeftoverActivities(rig.aws, rig.intents).remove_leftovers, asking(rig, cluster_resource_id=restored)
    )
    tags = [
        {"Key": "aurora-restore:replaced-by", "Value": rig.source.arn},
        {"Key": "aurora-restore:operation", "Value": rig.operation_id},
        {"Key": "aurora-restore:restored-from", "Value": "x"},
    ]
    rig.make_target(Tags=tags)
    stays(rig, asking(rig, cluster_resource_id=restored))


def test_the_old_target_stays(rig: ActivityRig) -> None:
    """A night that failed before its restore has no cluster of its own: the one that is there is left alone."""
    rig.make_target()
    stays(rig, asking(rig, unfinished_copy=True))


def test_a_cluster_that_was_renamed_stays(rig: ActivityRig, restored: str) -> None:
    """Whoever renames it wants to keep it: refused, and nothing of it goes."""
    kept = f"kept-{rig.number}"
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match=f"Half-restored cluster was renamed: .* is now named {kept}"):
        remove(rig, asking(rig, cluster_resource_id=restored))
    assert rig.changes() == []
    assert rig.rows() == []


@pytest.mark.parametrize("guard", ["protection", "opt-in"])
def test_a_guard_refuses_a_removal(rig: ActivityRig, restored: str, guard: str) -> None:
    """Every guard of delete-rds holds here too; a refusal is no intent."""
    if guard == "protection":
        rig.rds().modify_db_cluster(
            DBClusterIdentifier=rig.target.cluster, DeletionProtection=True, ApplyImmediately=True
        )
        rig.advance_clock()
    else:
        rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:replaced-by"])
    wanted = {"protection": "Deletion protection is on", "opt-in": "Target has not opted in"}[guard]
    rig.clear_calls()
    with pytest.raises(Refused, match=wanted):
        remove(rig, asking(rig, cluster_resource_id=restored))
    assert rig.changes() == []
    assert rig.rows() == []


def test_a_cluster_whose_users_were_set_stays(rig: ActivityRig, restored: str) -> None:
    """Also if the operation forgot: after a retry from an earlier step the trail says that they were set."""
    set_up(rig, rig.now)
    stays(rig, asking(rig, cluster_resource_id=restored))


def test_users_that_were_set_on_the_cluster_before_do_not_count(rig: ActivityRig) -> None:
    """A retry restored anew: the users of the cluster that went are not those of this one."""
    set_up(rig, rig.now)
    rig.advance_clock()
    of = asking(rig, cluster_resource_id=half_restored(rig))
    assert until_gone(rig, of).resource_arns == (rig.target.arn,)


def set_up(rig: ActivityRig, at: Any) -> None:
    """The trail says that this operation set the users."""
    rig.shared.table.put(
        AuditRow(
            operation_id=rig.operation_id,
            step=Step.SETUP_DB_USERS,
            phase=Phase.OUTCOME,
            status=Status.SUCCESS,
            details="Users configured",
            step_started_at=at,
            timestamp=at,
            workflow_id="aurora-restore:test",
            run_id="run-0",
        )
    )


def test_what_a_retry_restores_anew_is_declared_anew(rig: ActivityRig, restored: str) -> None:
    """Under the same name and ARN it is another cluster: its removal has an intent of its own."""
    until_gone(rig, asking(rig, cluster_resource_id=restored))
    snapshot = rig.snapshot_named(f"nightly-{rig.number}")
    again = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    assert again.cluster_resource_id != restored
    until_gone(rig, asking(rig, cluster_resource_id=again.cluster_resource_id))
    assert rig.rows() == ["remove-leftovers intent"] * 2
    assert rig.cluster() is None


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_no_leftover_goes(rig: ActivityRig, restored: str, operation: str) -> None:
    """No trail, no deletion."""
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        remove(rig, asking(rig, cluster_resource_id=restored))
    assert rig.changes() == []


def take_over(rig: ActivityRig) -> None:
    """Somebody wants to keep the cluster, and takes a mark of the restore off it."""
    rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:restored-from"])


def rename(rig: ActivityRig) -> None:
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster,
        NewDBClusterIdentifier=f"{rig.target.cluster}-kept",
        ApplyImmediately=True,
    )
    rig.advance_clock()


@pytest.mark.parametrize("also_renamed", [False, True])
def test_a_cluster_that_changed_hands_during_the_intent_stays(
    rig: ActivityRig, restored: str, also_renamed: bool
) -> None:
    """The guards and the trail take their time: what is removed is looked at once more; nor is it called removed."""

    def taken_over() -> None:
        take_over(rig)
        if also_renamed:
            rename(rig)

    of = asking(rig, cluster_resource_id=restored)
    rig.clear_calls()
    remove(rig, of, Meanwhile(rig, taken_over))
    answer = remove(rig, of)
    assert [change for change in rig.changes() if change.startswith("Delete")] == []
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())


def test_a_cluster_on_its_way_out_is_waited_for_whatever_its_marks(rig: ActivityRig, restored: str) -> None:
    """Taken over too late it goes all the same: it is neither kept nor called removed before it has gone."""
    of = asking(rig, cluster_resource_id=restored)
    remove(rig, of)
    take_over(rig)
    assert not remove(rig, of).done
    assert until_gone(rig, of).resource_arns == (rig.target.arn,)
    assert rig.cluster() is None


def test_a_copy_that_changed_hands_during_the_intent_is_not_called_removed(
    rig: ActivityRig, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """Who takes our tag off it keeps it."""
    snapshot, copy = copied
    of = asking(rig, snapshot_arn=snapshot.arn, unfinished_copy=True)

    def taken() -> None:
        rig.rds().remove_tags_from_resource(ResourceName=copy.arn, TagKeys=["aurora-restore:copy-for"])

    remove(rig, of, Meanwhile(rig, taken))
    answer = remove(rig, of)
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in rig.copies()


def test_a_worker_that_stood_still_deletes_nothing(
    rig: ActivityRig, restored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion on an old look never leaves the worker, here as in delete-rds."""
    monkeypatch.setattr("clients.read_guard.MAX_READ_AGE_SECONDS", -1.0)
    rig.clear_calls()
    with pytest.raises(StaleRead):
        remove(rig, asking(rig, cluster_resource_id=restored))
    assert rig.changes() == []


def test_the_deadline_ends_it(rig: ActivityRig, restored: str) -> None:
    """The last look says what is left and in which state, and deletes nothing more."""
    of = asking(rig, cluster_resource_id=restored, final_poll=FinalPoll.DEADLINE)
    rig.advance_clock(timedelta(hours=1))
    rig.clear_calls()
    left = rf"Leftovers not removed: {rig.target.cluster} \(available\)"
    with pytest.raises(DeadlinePassed, match=left):
        remove(rig, of)
    assert rig.changes() == []


class Meanwhile:
    """A trail during whose writing something happens."""

    def __init__(self, rig: ActivityRig, happening: Any) -> None:
        self._night = rig
        self._happening = happening

    def __getattr__(self, name: str) -> Any:
        return getattr(self._night.intents, name)

    def declare(self, *args: Any) -> None:
        self._night.intents.declare(*args)
        self._happening()


def stays(rig: ActivityRig, step_input: RemoveLeftoversInput) -> None:
    """Nothing is removed, and nothing is declared."""
    rows = rig.rows()
    rig.clear_calls()
    answer = remove(rig, step_input)
    assert (answer.done, answer.details, answer.resource_arns) == (True, "Nothing to remove", ())
    assert rig.changes() == []
    assert rig.rows() == rows
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["Status"] == "available"
