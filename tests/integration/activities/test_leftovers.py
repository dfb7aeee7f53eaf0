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
from tests.rigs.activities import Night


@pytest.fixture
def copied(night: Night) -> tuple[SourceSnapshot, SnapshotCopy]:
    """The night's snapshot and its copy, which has come only part of the way."""
    night.make_source()
    snapshot = night.make_snapshot()
    night.run(night.snapshots.copy_snapshot, night.copy_input(snapshot))
    return snapshot, night.copy_of(snapshot)


@pytest.fixture
def restored(night: Night) -> str:
    """A target that this operation restored, with its instances, and whose users nobody set; its resource id."""
    return half_restored(night)


def half_restored(night: Night) -> str:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    answer = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    night.until_done(night.restored.check_restore_status, night.check_restore_input(answer.cluster_resource_id))
    return str(answer.cluster_resource_id)


def asking(night: Night, **changed: Any) -> RemoveLeftoversInput:
    return RemoveLeftoversInput(
        **{
            "operation_id": night.operation_id,
            "step_started_at": night.now,
            "source": night.source,
            "target": night.target,
            "snapshot_arn": None,
            "unfinished_copy": False,
            "cluster_resource_id": None,
            **changed,
        }
    )


def remove(night: Night, step_input: RemoveLeftoversInput, intents: Any = None) -> Any:
    return night.run(LeftoverActivities(night.aws, intents or night.intents).remove_leftovers, step_input)


def until_gone(night: Night, step_input: RemoveLeftoversInput) -> Any:
    return night.until_done(LeftoverActivities(night.aws, night.intents).remove_leftovers, step_input)


# The copy


def test_an_unfinished_copy_goes(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """It is ended and removed, after the intent; the answer names it."""
    snapshot, copy = copied
    night.forget_calls()
    answer = until_gone(night, asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.details, answer.resource_arns) == ("Leftovers removed", (copy.arn,))
    assert night.copies() == {}
    order = [call.operation for call in night.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    assert night.rows() == ["remove-leftovers intent"]


def test_a_failed_copy_goes(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """Nothing can be restored from it."""
    snapshot, copy = copied
    night.force_status(copy.arn, "failed")
    until_gone(night, asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert night.copies() == {}


def test_a_copy_that_rds_holds_on_to_is_waited_for(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """RDS deletes none in a status like this; each look asks again and says how it stands."""
    snapshot, copy = copied
    night.force_status(copy.arn, "incompatible-restore")
    answer = remove(night, asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.done, answer.details) == (False, f"removing {copy.identifier} (incompatible-restore)")


def test_a_copy_that_has_come_stays(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """It may have become available since the night gave up: then it is what the next night adopts."""
    snapshot, copy = copied
    night.later()
    answer = remove(night, asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True))
    assert (answer.done, answer.details, answer.resource_arns) == (True, "Nothing to remove", ())
    assert copy.identifier in night.copies()
    assert night.rows() == []


def test_a_copy_that_comes_at_the_last_moment_stays(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """What is removed is looked at once more after the intent, and is not told as removed."""
    snapshot, copy = copied
    of = asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True)
    remove(night, of, Meanwhile(night, night.later))
    answer = remove(night, of)
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in night.copies()


@pytest.mark.parametrize("changed", ["operation", "snapshot", "nothing asked for"])
def test_only_this_operations_own_copy_goes(
    night: Night, copied: tuple[SourceSnapshot, SnapshotCopy], changed: str
) -> None:
    """Not one of another operation, which may have been adopted, nor of another snapshot, nor one nobody asked about."""
    snapshot, copy = copied
    asked: dict[str, dict[str, Any]] = {
        "operation": {"operation_id": f"{night.operation_id}0", "snapshot_arn": snapshot.arn, "unfinished_copy": True},
        "snapshot": {"snapshot_arn": f"{snapshot.arn}-2", "unfinished_copy": True},
        "nothing asked for": {"snapshot_arn": snapshot.arn},
    }
    night.forget_calls()
    assert remove(night, asking(night, **asked[changed])).details == "Nothing to remove"
    assert night.changes() == []
    assert copy.identifier in night.copies()


def test_a_strangers_copy_with_our_tags_stays(night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]) -> None:
    """The name tells too: a colleague's copy, made with CopyTags, is not ours, and failed it is theirs to look at."""
    snapshot, copy = copied
    night.later()
    evidence = f"evidence-{night.number}"
    made = night.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copy.arn, TargetDBClusterSnapshotIdentifier=evidence, CopyTags=True
    )
    night.force_status(made["DBClusterSnapshot"]["DBClusterSnapshotArn"], "failed")
    assert remove(night, asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True)).details == "Nothing to remove"
    assert evidence in night.copies()


# The cluster


def test_a_half_restored_cluster_goes(night: Night, restored: str) -> None:
    """Instances and cluster, after the intent, until RDS no longer knows it; the copy stays."""
    copies = night.copies()
    night.forget_calls()
    answer = until_gone(night, asking(night, cluster_resource_id=restored))
    assert (answer.details, answer.resource_arns) == ("Leftovers removed", (night.target.arn,))
    assert (night.cluster(), night.instances()) == (None, {})
    assert night.copies() == copies
    order = [call.operation for call in night.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBInstance") < order.index("DeleteDBCluster")
    assert night.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]


def test_run_twice_it_is_removed_once(night: Night, restored: str) -> None:
    """Run twice: what is being deleted is left to go, what is gone is success with the same answer; one intent."""
    of = asking(night, cluster_resource_id=restored)
    night.forget_calls()
    assert not remove(night, of).done
    assert not remove(night, of).done
    first = until_gone(night, of)
    again = remove(night, of)
    assert (again.details, again.resource_arns) == (first.details, first.resource_arns)
    assert night.changes().count("DeleteDBCluster staging") == 1
    assert night.rows() == ["remove-leftovers intent"]


@pytest.mark.parametrize("marks", ["the operation's tag", "the restore's tag"])
def test_a_cluster_without_our_marks_stays(night: Night, restored: str, marks: str) -> None:
    """Who takes our tag off a cluster, or puts another operation's on it, takes it away from us."""
    if marks == "the operation's tag":
        tag = {"Key": "aurora-restore:operation", "Value": "op-000"}
        night.rds().add_tags_to_resource(ResourceName=night.target.arn, Tags=[tag])
    else:
        night.rds().remove_tags_from_resource(ResourceName=night.target.arn, TagKeys=["aurora-restore:restored-from"])
    stays(night, asking(night, cluster_resource_id=restored))


def test_a_cluster_that_was_made_since_stays(night: Night, restored: str) -> None:
    """Under the target's name, with the opt-in, even with our tags: the resource id is another."""
    night.until_done(
        LeftoverActivities(night.aws, night.intents).remove_leftovers, asking(night, cluster_resource_id=restored)
    )
    tags = [
        {"Key": "aurora-restore:replaced-by", "Value": night.source.arn},
        {"Key": "aurora-restore:operation", "Value": night.operation_id},
        {"Key": "aurora-restore:restored-from", "Value": "x"},
    ]
    night.make_target(Tags=tags)
    stays(night, asking(night, cluster_resource_id=restored))


def test_the_old_target_stays(night: Night) -> None:
    """A night that failed before its restore has no cluster of its own: the one that is there is left alone."""
    night.make_target()
    stays(night, asking(night, unfinished_copy=True))


def test_a_cluster_that_was_renamed_stays(night: Night, restored: str) -> None:
    """Whoever renames it wants to keep it: refused, and nothing of it goes."""
    kept = f"kept-{night.number}"
    night.rds().modify_db_cluster(
        DBClusterIdentifier=night.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    night.later()
    night.forget_calls()
    with pytest.raises(Refused, match=f"Half-restored cluster was renamed: .* is {kept} now"):
        remove(night, asking(night, cluster_resource_id=restored))
    assert night.changes() == []
    assert night.rows() == []


@pytest.mark.parametrize("guard", ["protection", "opt-in"])
def test_a_guard_refuses_a_removal(night: Night, restored: str, guard: str) -> None:
    """Every guard of delete-rds holds here too; a refusal is no intent."""
    if guard == "protection":
        night.rds().modify_db_cluster(
            DBClusterIdentifier=night.target.cluster, DeletionProtection=True, ApplyImmediately=True
        )
        night.later()
    else:
        night.rds().remove_tags_from_resource(ResourceName=night.target.arn, TagKeys=["aurora-restore:replaced-by"])
    wanted = {"protection": "Deletion protection is on", "opt-in": "Target has not opted in"}[guard]
    night.forget_calls()
    with pytest.raises(Refused, match=wanted):
        remove(night, asking(night, cluster_resource_id=restored))
    assert night.changes() == []
    assert night.rows() == []


def test_a_cluster_whose_users_were_set_stays(night: Night, restored: str) -> None:
    """Also if the operation forgot: after a retry from an earlier step the trail says that they were set."""
    set_up(night, night.now)
    stays(night, asking(night, cluster_resource_id=restored))


def test_users_that_were_set_on_the_cluster_before_do_not_count(night: Night) -> None:
    """A retry restored anew: the users of the cluster that went are not those of this one."""
    set_up(night, night.now)
    night.later()
    of = asking(night, cluster_resource_id=half_restored(night))
    assert until_gone(night, of).resource_arns == (night.target.arn,)


def set_up(night: Night, at: Any) -> None:
    """The trail says that this operation set the users."""
    night.shared.table.put(
        AuditRow(
            operation_id=night.operation_id,
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


def test_what_a_retry_restores_anew_is_declared_anew(night: Night, restored: str) -> None:
    """Under the same name and ARN it is another cluster: its removal has an intent of its own."""
    until_gone(night, asking(night, cluster_resource_id=restored))
    snapshot = night.snapshot_named(f"nightly-{night.number}")
    again = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    assert again.cluster_resource_id != restored
    until_gone(night, asking(night, cluster_resource_id=again.cluster_resource_id))
    assert night.rows() == ["remove-leftovers intent"] * 2
    assert night.cluster() is None


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_no_leftover_goes(night: Night, restored: str, operation: str) -> None:
    """No trail, no deletion."""
    night.emulator.faults.add("dynamodb", operation, "http500", count=None)
    night.forget_calls()
    with pytest.raises(TrailUnavailable):
        remove(night, asking(night, cluster_resource_id=restored))
    assert night.changes() == []


def take_over(night: Night) -> None:
    """Somebody wants to keep the cluster, and takes a mark of the restore off it."""
    night.rds().remove_tags_from_resource(ResourceName=night.target.arn, TagKeys=["aurora-restore:restored-from"])


def rename(night: Night) -> None:
    night.rds().modify_db_cluster(
        DBClusterIdentifier=night.target.cluster,
        NewDBClusterIdentifier=f"{night.target.cluster}-kept",
        ApplyImmediately=True,
    )
    night.later()


@pytest.mark.parametrize("also_renamed", [False, True])
def test_a_cluster_that_changed_hands_during_the_intent_stays(night: Night, restored: str, also_renamed: bool) -> None:
    """The guards and the trail take their time: what is removed is looked at once more; nor is it called removed."""

    def taken_over() -> None:
        take_over(night)
        if also_renamed:
            rename(night)

    of = asking(night, cluster_resource_id=restored)
    night.forget_calls()
    remove(night, of, Meanwhile(night, taken_over))
    answer = remove(night, of)
    assert [change for change in night.changes() if change.startswith("Delete")] == []
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())


def test_a_cluster_on_its_way_out_is_waited_for_whatever_its_marks(night: Night, restored: str) -> None:
    """Taken over too late it goes all the same: it is neither kept nor called removed before it has gone."""
    of = asking(night, cluster_resource_id=restored)
    remove(night, of)
    take_over(night)
    assert not remove(night, of).done
    assert until_gone(night, of).resource_arns == (night.target.arn,)
    assert night.cluster() is None


def test_a_copy_that_changed_hands_during_the_intent_is_not_called_removed(
    night: Night, copied: tuple[SourceSnapshot, SnapshotCopy]
) -> None:
    """Who takes our tag off it keeps it."""
    snapshot, copy = copied
    of = asking(night, snapshot_arn=snapshot.arn, unfinished_copy=True)

    def taken() -> None:
        night.rds().remove_tags_from_resource(ResourceName=copy.arn, TagKeys=["aurora-restore:copy-for"])

    remove(night, of, Meanwhile(night, taken))
    answer = remove(night, of)
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())
    assert copy.identifier in night.copies()


def test_a_worker_that_stood_still_deletes_nothing(
    night: Night, restored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion on an old look never leaves the worker, here as in delete-rds."""
    monkeypatch.setattr("clients.read_guard.MAX_READ_AGE_SECONDS", -1.0)
    night.forget_calls()
    with pytest.raises(StaleRead):
        remove(night, asking(night, cluster_resource_id=restored))
    assert night.changes() == []


def test_the_deadline_ends_it(night: Night, restored: str) -> None:
    """The last look says what is left and in which state, and deletes nothing more."""
    of = asking(night, cluster_resource_id=restored, final_poll=FinalPoll.DEADLINE)
    night.later(timedelta(hours=1))
    night.forget_calls()
    left = rf"Leftovers not removed: {night.target.cluster} \(available\)"
    with pytest.raises(DeadlinePassed, match=left):
        remove(night, of)
    assert night.changes() == []


class Meanwhile:
    """A trail during whose writing something happens."""

    def __init__(self, night: Night, happening: Any) -> None:
        self._night = night
        self._happening = happening

    def __getattr__(self, name: str) -> Any:
        return getattr(self._night.intents, name)

    def declare(self, *args: Any) -> None:
        self._night.intents.declare(*args)
        self._happening()


def stays(night: Night, step_input: RemoveLeftoversInput) -> None:
    """Nothing is removed, and nothing is declared."""
    rows = night.rows()
    night.forget_calls()
    answer = remove(night, step_input)
    assert (answer.done, answer.details, answer.resource_arns) == (True, "Nothing to remove", ())
    assert night.changes() == []
    assert night.rows() == rows
    cluster = night.cluster()
    assert cluster is not None
    assert cluster["Status"] == "available"
