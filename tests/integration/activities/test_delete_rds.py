"""delete-rds deletes nothing but the very target, and deletes it once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from activities.clusters.replacement import ClusterActivities
from errors import Cancelled, DeadlinePassed, Refused, StepFailed, TrailUnavailable
from models.checks import read_checks
from models.snapshots import SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActingTrail, ActivityRig
from tests.rigs.activity_resources import TARGET_REGION
from tests.rigs.deletions import DELETIONS, delete

BUSY = "DbCluster staging is in modifying state"
UNKNOWN = "a reason that AWS has added"


def test_readers_then_writer_then_cluster_are_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Done when RDS no longer knows the cluster, with the seed's text."""
    resource_id = rig.make_target(instances=3)
    rig.clear_calls()
    outcome = rig.poll_until_done(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    assert (outcome.details, outcome.resource_arns) == ("Deleted existing cluster", (rig.target.arn,))
    assert rig.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-3",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]
    assert rig.cluster() is None
    assert rig.instances() == {}


def test_a_cluster_without_instances_is_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A target whose last restore failed has no instances, and is replaced like any other."""
    resource_id = rig.make_target(instances=0)
    rig.poll_until_done(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    assert rig.cluster() is None


def test_a_second_run_of_delete_deletes_nothing_more(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run again during the deletion, and after it: no second call, no second intent, success."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, step_input)
    rig.clear_calls()
    second = rig.run(rig.clusters.delete_rds, step_input, attempt=2)
    assert not second.done
    rig.advance_clock()
    assert rig.run(rig.clusters.delete_rds, step_input, attempt=3).details == "Deleted existing cluster"
    assert rig.calls(*DELETIONS) == []
    assert rig.rows() == ["delete-rds intent"]


def test_the_intent_to_delete_is_written_before_the_first_deletion(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The trail says what will be deleted before anything is."""
    resource_id = rig.make_target()
    rig.clear_calls()
    delete(rig, snapshot, resource_id)
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBInstance")
    (row,) = rig.shared.table.list_rows(rig.operation_id)
    assert row.details == f"Deleting {rig.target.cluster} ({resource_id})"
    assert row.resource_arns == (rig.target.arn,)
    checks = {check.name: check.actual for check in read_checks(row.facts)}
    assert (checks["resource-id"], checks["opt-in-tag"], checks["copy-available"]) == (
        resource_id,
        rig.source.arn,
        "available",
    )


def test_a_cluster_that_takes_the_name_during_the_intent_is_not_deleted(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The cluster is read again after the intent, and its resource id compared."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=1))

    def replace_target() -> None:
        rig.rename_target(f"{rig.target.cluster}-kept")
        rig.make_cluster(TARGET_REGION, rig.target.cluster)
        rig.clear_calls()

    rig.run(ClusterActivities(rig.aws, ActingTrail(rig.intents, replace_target)).delete_rds, step_input)
    assert rig.calls(*DELETIONS) == []


def test_an_instance_that_is_being_deleted_is_not_deleted_again(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The second poll calls DeleteDBCluster alone."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message=BUSY, skip=1)
    rig.run(rig.clusters.delete_rds, step_input)
    assert set(rig.instances().values()) == {"deleting"}
    rig.clear_calls()
    rig.run(rig.clusters.delete_rds, step_input)
    assert [call.operation for call in rig.calls(*DELETIONS)] == ["DeleteDBCluster"]


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_nothing_is_deleted(rig: ActivityRig, snapshot: SourceSnapshot, operation: str) -> None:
    """No trail, no deletion: a DynamoDB that does not answer stops the step before its first call."""
    resource_id = rig.make_target()
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        delete(rig, snapshot, resource_id)
    assert rig.calls(*DELETIONS) == []
    assert set(rig.instances().values()) == {"available"}


# The snapshot's age

DAY = timedelta(hours=24)


def test_a_deletion_that_has_begun_is_not_stopped_by_age(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Half a target is of no use: after the intent the age limit does not count."""
    step_input = rig.delete_input(snapshot, rig.make_target(), max_snapshot_age=DAY)
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message=BUSY, skip=1)
    assert not rig.run(rig.clusters.delete_rds, step_input).done
    rig.advance_clock(3 * DAY)
    assert rig.poll_until_done(rig.clusters.delete_rds, step_input).details == "Deleted existing cluster"


# During the deletion


def test_protection_switched_on_during_the_deletion_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS's own refusal of DeleteDBCluster gets the guard's text."""
    resource_id = rig.make_target(instances=0)
    rig.emulator.faults.add(
        "rds",
        "DeleteDBCluster",
        "error",
        code="InvalidParameterCombination",
        message="Cannot delete protected Cluster, please disable deletion protection and try again.",
    )
    with pytest.raises(Refused, match="Deletion protection is on"):
        delete(rig, snapshot, resource_id)
    assert rig.cluster() is not None


@pytest.mark.parametrize("code", ["InvalidDBClusterStateFault", "AccessDenied"])
def test_a_refusal_of_the_cluster_comes_before_its_instances_are_deleted(
    rig: ActivityRig, snapshot: SourceSnapshot, code: str
) -> None:
    """DeleteDBCluster is called first: what it refuses for good, a missing permission too, strands no instance."""
    resource_id = rig.make_target()
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code=code, message=UNKNOWN)
    rig.clear_calls()
    with pytest.raises((Refused, StepFailed), match=UNKNOWN) as refused:
        delete(rig, snapshot, resource_id)
    assert "retry" not in refused.value.message
    assert rig.calls("DeleteDBInstance") == []


def test_a_refusal_after_the_instances_says_what_is_left_and_how_to_go_on(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """It is waited on while an instance is being deleted, which may be what RDS means; then it ends the step."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    fault = rig.emulator.faults.add(
        "rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message=UNKNOWN, skip=1, count=None
    )
    assert not rig.run(rig.clusters.delete_rds, step_input).done
    rig.advance_clock()
    with pytest.raises(Refused, match=UNKNOWN) as refused:
        rig.run(rig.clusters.delete_rds, step_input)
    assert f"{rig.target.arn} has no instances now, but its data is still there." in refused.value.message
    rig.emulator.faults.remove(fault)
    assert rig.poll_until_done(rig.clusters.delete_rds, step_input).details == "Deleted existing cluster"


def test_a_refusal_half_way_names_the_instances_that_are_left(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The reader is being deleted when RDS refuses the writer."""
    resource_id = rig.make_target()
    rig.emulator.faults.add("rds", "DeleteDBInstance", "error", code="AccessDenied", message=UNKNOWN, skip=1)
    with pytest.raises(StepFailed, match=UNKNOWN) as failed:
        delete(rig, snapshot, resource_id)
    assert (
        f"has only the instances {rig.target.cluster}-1 left. When the cause is removed, retry" in failed.value.message
    )


def test_a_blocker_made_during_the_deletion_is_reported_with_what_is_left(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The guards run in every poll; the target is not whole any more when they refuse."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message=BUSY, skip=1)
    assert not rig.run(rig.clusters.delete_rds, step_input).done
    rig.rds().create_db_shard_group(
        DBShardGroupIdentifier=f"shards-{rig.number}", DBClusterIdentifier=rig.target.cluster, MaxACU=16
    )
    with pytest.raises(Refused, match="has no instances now"):
        rig.run(rig.clusters.delete_rds, step_input)


@pytest.mark.parametrize("operation", ["DescribeIntegrations", "DescribeBlueGreenDeployments", "DescribeDBShardGroups"])
def test_a_region_without_such_resources_is_no_obstacle(
    rig: ActivityRig, snapshot: SourceSnapshot, operation: str
) -> None:
    """RDS answers InvalidAction where it does not know the operation; where the role may not ask, nothing is deleted."""
    resource_id = rig.make_target()
    rig.clear_calls()
    rig.emulator.faults.add("rds", operation, "error", code="AccessDenied")
    with pytest.raises(StepFailed, match="Access denied"):
        delete(rig, snapshot, resource_id)
    assert rig.calls(*DELETIONS) == []
    rig.emulator.faults.add("rds", operation, "error", code="InvalidAction")
    assert not delete(rig, snapshot, resource_id).done


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_the_final_poll_reports_a_deletion_under_way(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """With what becomes of it."""
    resource_id = rig.make_target()
    delete(rig, snapshot, resource_id)
    rig.clear_calls()
    with pytest.raises(error, match="(?i)deletion under way.*retry when the target is gone"):
        delete(rig, snapshot, resource_id, final_poll=final_poll)
    assert rig.calls(*DELETIONS) == []


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_the_final_poll_starts_no_deletion(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """An operator who cancels to save the target keeps it: nothing is deleted that was not being deleted."""
    resource_id = rig.make_target()
    rig.clear_calls()
    with pytest.raises(error, match="(?i)not deleted"):
        delete(rig, snapshot, resource_id, final_poll=final_poll)
    assert rig.calls(*DELETIONS) == []
    assert set(rig.instances().values()) == {"available"}


def test_a_final_poll_that_finds_the_target_gone_succeeds(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also when the wait was cancelled."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, step_input)
    rig.advance_clock()
    final_input = step_input.model_copy(update={"final_poll": FinalPoll.CANCELLED})
    assert rig.run(rig.clusters.delete_rds, final_input).done
