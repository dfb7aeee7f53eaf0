"""remove-drill, and what a cleanup does with a cluster that a drill left: only what this drill restored is deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from activities.clusters.drill import DrillActivities
from activities.rds import tags
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from errors import Cancelled, DeadlinePassed, Refused, ResourceBusy
from models.checks import read_checks
from models.inventory import OrphanReason
from models.leftovers import ListOrphansInput, RemoveDrillInput, RemoveOrphansInput
from models.step_call import FinalPoll, StepOutcome
from models.steps import Housekeeping, Replacement, Step
from tests.integration.activities.test_orphaned_copies import restore_request
from tests.rigs.activities import ActingTrail, ActivityRig, temporal_environment
from tests.rigs.activity_resources import ACCOUNT, session_of


@pytest.fixture
def drill(rig: ActivityRig) -> RemoveDrillInput:
    """A target that nobody may replace, and the cluster of a drill beside it."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.target = rig.target.model_copy(update={"replacement": Replacement.DRILL})
    target_resource_id = rig.make_target(instances=1, Tags=[])
    resource_id = rig.restore_beside(snapshot)
    rig.clear_calls()
    return RemoveDrillInput(
        operation_id=rig.operation_id,
        step_started_at=rig.now,
        source=rig.source,
        target=rig.target,
        cluster_resource_id=resource_id,
        target_resource_id=target_resource_id,
    )


def activities(rig: ActivityRig) -> DrillActivities:
    return DrillActivities(rig.aws, rig.intents)


def names(rig: ActivityRig) -> list[str]:
    """The clusters of this rig's target."""
    described = rig.rds().get_paginator("describe_db_clusters").paginate().search("DBClusters[].DBClusterIdentifier")
    target = rig.target.cluster
    return sorted(rig.normalize(name) for name in described if name == target or name.startswith(f"{target}-"))


def test_it_deletes_the_drills_cluster_and_nothing_else(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """Twice is harmless; the intent is in the trail before the first deletion."""
    outcome = rig.poll_until_done(activities(rig).remove_drill, drill)
    assert outcome.details == "Drill removed"
    (row,) = rig.shared.table.list_rows(rig.operation_id)
    checks = {check.name: check.actual for check in read_checks(row.facts)}
    assert (checks["resource-id"], checks["name"]) == (drill.cluster_resource_id, drill.drill.cluster)
    assert outcome.resource_arns == (drill.drill.arn,)
    assert names(rig) == ["staging"]
    assert {change.split()[0] for change in rig.changes()} == {"DeleteDBInstance", "DeleteDBCluster"}
    assert not any(change.endswith(" staging") for change in rig.changes())
    assert "remove-drill intent" in rig.rows()
    assert rig.poll_until_done(activities(rig).remove_drill, drill).done


def remove(rig: ActivityRig, drill: RemoveDrillInput) -> StepOutcome:
    return rig.run(activities(rig).remove_drill, drill)


def remove_after_a_failure(rig: ActivityRig, drill: RemoveDrillInput) -> StepOutcome:
    step_input = rig.leftovers_input(cluster_resource_id=drill.cluster_resource_id, beside=True)
    return rig.run(rig.leftovers.remove_leftovers, step_input)


def remove_in_a_cleanup(rig: ActivityRig, drill: RemoveDrillInput) -> StepOutcome:
    try:
        return rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    except ResourceBusy as busy:
        return StepOutcome(done=False, details=busy.fault.message)


@pytest.mark.parametrize("removal", [remove, remove_after_a_failure, remove_in_a_cleanup])
def test_a_stopped_one_is_started_first(
    rig: ActivityRig, drill: RemoveDrillInput, removal: Callable[[ActivityRig, RemoveDrillInput], StepOutcome]
) -> None:
    """Wherever it is removed and whatever the request says of a stopped target: it is the pipeline's own."""
    rig.rds().stop_db_cluster(DBClusterIdentifier=drill.drill.cluster)
    rig.advance_clock()
    rig.clear_calls()
    assert not removal(rig, drill).done
    assert [change.split()[0] for change in rig.changes()] == ["StartDBCluster"]
    rig.advance_clock()
    removal(rig, drill)
    rig.advance_clock()
    assert names(rig) == ["staging"]


def begin_to_rename(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    name = drill.drill.cluster
    rig.rds().modify_db_cluster(DBClusterIdentifier=name, NewDBClusterIdentifier=f"{name}-kept", ApplyImmediately=True)


def rename(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    begin_to_rename(rig, drill)
    rig.advance_clock()


def take_over(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    rig.rds().remove_tags_from_resource(ResourceName=drill.drill.arn, TagKeys=[tags.OPERATION])


def untag(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    rig.rds().remove_tags_from_resource(ResourceName=drill.drill.arn, TagKeys=[tags.REPLACED_BY])


def protect(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    rig.rds().modify_db_cluster(DBClusterIdentifier=drill.drill.cluster, DeletionProtection=True, ApplyImmediately=True)


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (begin_to_rename, "it is being renamed"),
        (rename, "its name is "),
        (take_over, "its tag aurora-restore:operation is none"),
        (untag, "may not be replaced by"),
        (protect, "has deletion protection"),
    ],
)
def test_it_deletes_nothing_that_someone_has_changed(
    rig: ActivityRig, drill: RemoveDrillInput, action: Callable[[ActivityRig, RemoveDrillInput], None], says: str
) -> None:
    """Name, tags and every guard of delete-rds."""
    action(rig, drill)
    rig.clear_calls()
    with pytest.raises(Refused, match=says):
        rig.run(activities(rig).remove_drill, drill)
    assert rig.changes() == []


@pytest.mark.parametrize("action", [rename, take_over])
def test_it_is_proven_directly_before_each_deletion(
    rig: ActivityRig, drill: RemoveDrillInput, action: Callable[[ActivityRig, RemoveDrillInput], None]
) -> None:
    """Someone takes the cluster when the trail has the intent already."""
    trail = ActingTrail(rig.intents, lambda: action(rig, drill))
    with pytest.raises(Refused, match="Drill cluster is not this operation's"):
        rig.run(DrillActivities(rig.aws, trail).remove_drill, drill)
    assert not [change for change in rig.changes() if change.startswith("Delete")]


def test_it_is_proven_again_before_the_next_instance(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """Someone takes the cluster when one of its two instances is being deleted already: the other one stays."""
    session = session_of(ACCOUNT)
    session.register("after-call.rds.DeleteDBInstance", lambda **_: take_over(rig, drill))
    rig.aws = AwsClients(session)
    with pytest.raises(Refused, match="Drill cluster is not this operation's"):
        rig.run(activities(rig).remove_drill, drill)
    assert [change.split()[0] for change in rig.changes() if change.startswith("Delete")] == ["DeleteDBInstance"]


def test_the_target_itself_is_never_the_drill(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """Not even if an input said so."""
    wrong = drill.model_copy(update={"cluster_resource_id": drill.target_resource_id})
    with pytest.raises(Refused, match="it is the target itself; its name is"):
        rig.run(activities(rig).remove_drill, wrong)
    assert rig.changes() == []


def test_a_cancelled_drill_is_not_deleted_by_its_final_poll(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """remove-leftovers does that, if the request lets it."""
    with pytest.raises(Cancelled, match="Cancelled: drill not removed"):
        rig.run(activities(rig).remove_drill, drill.model_copy(update={"final_poll": FinalPoll.CANCELLED}))
    assert rig.changes() == []


def test_one_that_somebody_else_removed_is_gone_after_a_second_poll(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """An absence is believed after a minute, and said."""
    rig.poll_until_done(activities(rig).remove_drill, drill)
    other = drill.model_copy(update={"operation_id": "op-999998", "step_started_at": rig.now})
    outcome = rig.run(activities(rig).remove_drill, other)
    assert (outcome.done, outcome.details) == (False, "not listed, reading again")
    rig.advance_clock()
    outcome = rig.run(activities(rig).remove_drill, other)
    assert (outcome.done, outcome.details) == (True, "Drill removed by somebody else")
    assert outcome.warnings


@pytest.mark.parametrize("declared", [Step.REMOVE_DRILL, Housekeeping.REMOVE_LEFTOVERS, None])
def test_a_list_that_misses_the_cluster_proves_no_removal(
    rig: ActivityRig, drill: RemoveDrillInput, declared: Step | Housekeeping | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier intent may be for the copy or for a cluster before a retry, and time alone removes nothing."""
    if declared:
        temporal_environment(rig.now).run(rig.intents.declare, declared, drill, "Removing a copy", (rig.source.arn,))
    rig.advance_clock()
    with monkeypatch.context() as patch:
        patch.setattr(TargetCluster, "find_by_resource_id", lambda self, resource_id: None)
        outcome = rig.run(activities(rig).remove_drill, drill)
        assert (outcome.done, outcome.details) == (False, "not listed, reading again")
        with pytest.raises(DeadlinePassed, match="Drill cluster not visible"):
            rig.run(activities(rig).remove_drill, drill.model_copy(update={"final_poll": FinalPoll.DEADLINE}))
    assert rig.poll_until_done(activities(rig).remove_drill, drill).details == "Drill removed"
    assert names(rig) == ["staging"]


def test_a_cleanup_lists_and_removes_what_a_drill_left(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """Not that of the operation that runs; and with another one's tags it is no drill's."""
    request = restore_request(rig)
    running = ListOrphansInput(request=request, operation_id=rig.operation_id)
    left = [each for each in rig.run(rig.leftovers.list_orphans, running).orphans if each.reason is OrphanReason.DRILL]
    assert left == []
    listed = rig.run(rig.leftovers.list_orphans, ListOrphansInput(request=request)).orphans
    [orphan] = [each for each in listed if each.reason is OrphanReason.DRILL]
    assert (orphan.arn, orphan.operation_id) == (drill.drill.arn, rig.operation_id)
    cleanup = cleanup_of(rig)
    outcome = rig.run(rig.leftovers.remove_orphans, cleanup)
    assert drill.drill.arn in outcome.resource_arns
    rig.advance_clock()
    assert names(rig) == ["staging"]


def test_what_one_drill_keeps_stops_no_other_removal(rig: ActivityRig, drill: RemoveDrillInput) -> None:
    """A protected one stays; the copies and the next drill's cluster are gone. A busy copy is tried again before it says so."""
    protect(rig, drill)
    rig.begin_next_operation()
    rig.restore_beside(rig.make_snapshot(f"next-{rig.number}"))
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy, match="Snapshot is busy"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    with pytest.raises(Refused, match="has deletion protection"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    rig.advance_clock()
    assert names(rig) == ["staging", rig.normalize(drill.drill.cluster)]
    assert len(rig.copies()) == 1


def cleanup_of(rig: ActivityRig) -> RemoveOrphansInput:
    return RemoveOrphansInput(
        operation_id="op-999999",
        step_started_at=rig.now,
        target=rig.target.model_copy(update={"replacement": Replacement.DELETE_FIRST}),
        archive=restore_request(rig).archive,
        source=rig.source,
    )
