"""remove-leftovers deletes the cluster that this operation half-restored if asked for, and no other cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from errors import DeadlinePassed, Refused, StaleRead, TrailUnavailable
from models.leftovers import RemoveLeftoversInput
from models.step_call import FinalPoll
from tests.rigs.activities import ActingTrail, ActivityRig


@pytest.fixture
def restored(rig: ActivityRig) -> str:
    """The resource id of a cluster that this operation restored, with instances, and whose users it did not set."""
    return restore_half(rig)


def restore_half(rig: ActivityRig) -> str:
    """Restore a cluster with its instances, without users; returns its resource id."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    outcome = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(outcome.cluster_resource_id))
    return str(outcome.cluster_resource_id)


def remove(rig: ActivityRig, step_input: RemoveLeftoversInput, intents: Any = None) -> Any:
    return rig.run(LeftoverActivities(rig.aws, intents or rig.intents).remove_leftovers, step_input)


def remove_until_done(rig: ActivityRig, step_input: RemoveLeftoversInput) -> Any:
    return rig.poll_until_done(rig.leftovers.remove_leftovers, step_input)


def test_a_half_restored_cluster_is_deleted(rig: ActivityRig, restored: str) -> None:
    """Instances and cluster, after the intent, until RDS no longer knows them; the copy is kept."""
    copies = rig.copies()
    rig.clear_calls()
    outcome = remove_until_done(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert (outcome.details, outcome.resource_arns) == ("Leftovers removed", (rig.target.arn,))
    assert (rig.cluster(), rig.instances()) == (None, {})
    assert rig.copies() == copies
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < min(order.index("DeleteDBInstance"), order.index("DeleteDBCluster"))
    assert rig.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]


def test_a_second_run_deletes_nothing_twice(rig: ActivityRig, restored: str) -> None:
    """Run twice: a deletion under way continues, an absent cluster is success with the same outcome; one intent."""
    step_input = rig.leftovers_input(cluster_resource_id=restored)
    rig.clear_calls()
    assert not remove(rig, step_input).done
    assert not remove(rig, step_input).done
    first = remove_until_done(rig, step_input)
    repeated = remove(rig, step_input)
    assert (repeated.details, repeated.resource_arns) == (first.details, first.resource_arns)
    assert rig.changes().count("DeleteDBCluster staging") == 1
    assert rig.rows() == ["remove-leftovers intent"]


@pytest.mark.parametrize("tag_of", ["the operation's tag", "the restore's tag"])
def test_a_cluster_without_the_tags_of_its_restore_is_kept(rig: ActivityRig, restored: str, tag_of: str) -> None:
    """An owner who removes or replaces one of our tags keeps the cluster."""
    if tag_of == "the operation's tag":
        tag = {"Key": "aurora-restore:operation", "Value": "aurora-restore/op-000"}
        rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=[tag])
    else:
        rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:restored-from"])
    assert_nothing_removed(rig, rig.leftovers_input(cluster_resource_id=restored))


def test_a_cluster_created_since_is_kept(rig: ActivityRig, restored: str) -> None:
    """It has the target's name, the opt-in tag and even our tags, but another resource id."""
    rig.poll_until_done(rig.leftovers.remove_leftovers, rig.leftovers_input(cluster_resource_id=restored))
    tags = [
        {"Key": "aurora-restore:replaced-by", "Value": rig.source.arn},
        {"Key": "aurora-restore:operation", "Value": rig.operation_tag},
        {"Key": "aurora-restore:restored-from", "Value": "x"},
    ]
    rig.make_target(Tags=tags)
    assert_nothing_removed(rig, rig.leftovers_input(cluster_resource_id=restored))


def test_the_old_target_is_kept(rig: ActivityRig) -> None:
    """A restore that failed before restore-snapshot has no cluster of its own."""
    rig.make_target()
    assert_nothing_removed(rig, rig.leftovers_input(unfinished_copy=True))


def test_a_renamed_cluster_is_refused(rig: ActivityRig, restored: str) -> None:
    """A user who renames it wants to keep it: nothing of it is deleted."""
    new_name = f"kept-{rig.number}"
    rig.rename_target(new_name)
    rig.clear_calls()
    with pytest.raises(Refused, match=f"Half-restored cluster was renamed: .* is now named {new_name}"):
        remove(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert rig.changes() == []
    assert rig.rows() == []


def test_a_cluster_whose_rename_has_begun_is_refused(rig: ActivityRig, restored: str) -> None:
    """RDS shows it only among the pending values at first, and would delete its instances."""
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=f"kept-{rig.number}", ApplyImmediately=True
    )
    rig.clear_calls()
    with pytest.raises(Refused, match=rf"Half-restored cluster was renamed: .* {rig.target.cluster} \(renaming\)"):
        remove(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert rig.changes() == []


@pytest.mark.parametrize("guard", ["protection", "opt-in"])
def test_a_guard_refuses_the_removal(rig: ActivityRig, restored: str, guard: str) -> None:
    """Every guard of delete-rds holds here too; a refusal is no intent."""
    if guard == "protection":
        rig.rds().modify_db_cluster(
            DBClusterIdentifier=rig.target.cluster, DeletionProtection=True, ApplyImmediately=True
        )
        rig.advance_clock()
    else:
        rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:replaced-by"])
    expected = {"protection": "Deletion protection is on", "opt-in": "Target has not opted in"}[guard]
    rig.clear_calls()
    with pytest.raises(Refused, match=expected):
        remove(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert rig.changes() == []
    assert rig.rows() == []


def test_a_cluster_whose_users_were_set_is_kept(rig: ActivityRig, restored: str) -> None:
    """Also after a retry from an earlier step: the trail says that they were set."""
    rig.record_users_set(rig.now)
    assert_nothing_removed(rig, rig.leftovers_input(cluster_resource_id=restored))


def test_users_set_on_an_earlier_cluster_do_not_count(rig: ActivityRig) -> None:
    """A retry restored another cluster, whose users are not set."""
    rig.record_users_set(rig.now)
    rig.advance_clock()
    step_input = rig.leftovers_input(cluster_resource_id=restore_half(rig))
    assert remove_until_done(rig, step_input).resource_arns == (rig.target.arn,)


def test_a_cluster_restored_by_a_retry_has_an_intent_of_its_own(rig: ActivityRig, restored: str) -> None:
    """It has the same name and ARN, but is another cluster."""
    remove_until_done(rig, rig.leftovers_input(cluster_resource_id=restored))
    snapshot = rig.snapshot_named(f"nightly-{rig.number}")
    repeated = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    assert repeated.cluster_resource_id != restored
    remove_until_done(rig, rig.leftovers_input(cluster_resource_id=repeated.cluster_resource_id))
    assert rig.rows() == ["remove-leftovers intent"] * 2
    assert rig.cluster() is None


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_no_leftover_is_deleted(rig: ActivityRig, restored: str, operation: str) -> None:
    """No trail, no deletion."""
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        remove(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert rig.changes() == []


def take_over(rig: ActivityRig) -> None:
    """Remove a tag of the restore, as an owner does who wants to keep the cluster."""
    rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:restored-from"])


@pytest.mark.parametrize("also_renamed", [False, True])
def test_a_cluster_taken_over_during_the_intent_is_kept(rig: ActivityRig, restored: str, also_renamed: bool) -> None:
    """It is read again after the intent, and not reported as removed."""

    def take_over_and_rename() -> None:
        take_over(rig)
        if also_renamed:
            rig.rename_target(f"{rig.target.cluster}-kept")

    step_input = rig.leftovers_input(cluster_resource_id=restored)
    rig.clear_calls()
    remove(rig, step_input, ActingTrail(rig.intents, take_over_and_rename))
    outcome = remove(rig, step_input)
    assert [change for change in rig.changes() if change.startswith("Delete")] == []
    assert (outcome.details, outcome.resource_arns) == ("Nothing to remove", ())


def test_a_cluster_taken_over_during_its_deletion_is_waited_for(rig: ActivityRig, restored: str) -> None:
    """It is neither kept nor reported as removed before it is gone."""
    step_input = rig.leftovers_input(cluster_resource_id=restored)
    remove(rig, step_input)
    take_over(rig)
    assert not remove(rig, step_input).done
    assert remove_until_done(rig, step_input).resource_arns == (rig.target.arn,)
    assert rig.cluster() is None


def test_a_stale_read_deletes_no_leftover(rig: ActivityRig, restored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read guard holds here as in delete-rds."""
    monkeypatch.setattr("clients.read_guard.MAX_READ_AGE_SECONDS", -1.0)
    rig.clear_calls()
    with pytest.raises(StaleRead):
        remove(rig, rig.leftovers_input(cluster_resource_id=restored))
    assert rig.changes() == []


def test_the_final_poll_reports_what_is_left(rig: ActivityRig, restored: str) -> None:
    """With its status; it deletes nothing more."""
    step_input = rig.leftovers_input(cluster_resource_id=restored, final_poll=FinalPoll.DEADLINE)
    rig.advance_clock(timedelta(hours=1))
    rig.clear_calls()
    report = rf"Leftovers not removed: {rig.target.cluster} \(available\)"
    with pytest.raises(DeadlinePassed, match=report):
        remove(rig, step_input)
    assert rig.changes() == []


def assert_nothing_removed(rig: ActivityRig, step_input: RemoveLeftoversInput) -> None:
    """Remove, and check that nothing is deleted or declared."""
    rows = rig.rows()
    rig.clear_calls()
    outcome = remove(rig, step_input)
    assert (outcome.done, outcome.details, outcome.resource_arns) == (True, "Nothing to remove", ())
    assert rig.changes() == []
    assert rig.rows() == rows
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["Status"] == "available"
