"""check-restore-status turns a bare restored cluster into one that can be used, one change at each poll."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from activities.clusters.restored import RestoredClusterActivities
from activities.rds import bring_up
from errors import Cancelled, DeadlinePassed, Refused, StepFailed
from models.closing import ClosedDatabase, Closing
from models.request import RequestedInstance
from models.step_call import FinalPoll
from models.users import OtherLogins
from models.waits import Change
from tests.rigs.activities import ActivityRig
from tests.rigs.restored_clusters import poll, poll_until_done

TO_CLOSE = Closing(users=("app",), other_logins=OtherLogins.LOCK)


def test_cluster_writer_and_readers_come_in_this_order(rig: ActivityRig, resource_id: str) -> None:
    """Each only when the one before is available, the password beside the writer; then the endpoint and its secret."""
    progress: dict[str, None] = {}
    for _ in range(20):
        outcome = poll(rig, resource_id, closing=TO_CLOSE)
        progress[outcome.details] = None
        if outcome.done:
            break
        rig.advance_clock(timedelta(seconds=20))
    first, second = f"{rig.target.cluster}-1", f"{rig.target.cluster}-2"
    assert [step for step in progress if "master" not in step and "resetting" not in step] == [
        "cluster creating",
        f"instance {first} creating",
        f"instance {second} creating",
        "Restore completed",
    ]
    assert "cluster resetting-master-credentials" in progress
    assert rig.changes() == [
        "CreateDBInstance staging-1",
        "ModifyDBCluster staging",
        "CreateDBInstance staging-2",
    ]
    cluster = rig.cluster()
    assert cluster is not None
    assert (outcome.percent, outcome.resource_arns) == (100, (rig.target.arn,))
    assert outcome.endpoint.host == cluster["Endpoint"]
    assert outcome.endpoint.master_user_secret_id == cluster["MasterUserSecret"]["SecretArn"]
    assert outcome.endpoint.master_username == "boss"
    writers = [member["DBInstanceIdentifier"] for member in cluster["DBClusterMembers"] if member["IsClusterWriter"]]
    assert writers == [first]


@pytest.mark.parametrize("why", [{"in_quarantine": True, "closing": TO_CLOSE}, {"closing": None}])
def test_readers_come_beside_a_writer_that_nobody_else_reaches(
    rig: ActivityRig, resource_id: str, why: dict[str, Any]
) -> None:
    """In quarantine, and where nothing is to be closed; all of them are waited for at the same time."""
    poll(rig, resource_id, **why)
    rig.advance_clock()
    outcome = poll(rig, resource_id, **why)
    assert rig.changes() == ["CreateDBInstance staging-1", "CreateDBInstance staging-2", "ModifyDBCluster staging"]
    assert outcome.in_progress == (Change.WRITER_CREATION, Change.READER_CREATION, Change.MASTER_PASSWORD)
    assert set(poll(rig, resource_id, **why).in_progress) == set(outcome.in_progress)


def test_a_reader_is_in_progress_while_the_step_waits_for_the_password(
    rig: ActivityRig, resource_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its duration would be taken for shorter than it is."""
    poll_until_done(rig, resource_id)
    reader = f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{rig.target.cluster}-2"
    rig.force_status(reader, "creating", "")
    monkeypatch.setattr(RestoredClusterActivities, "_replace_master_password", lambda *_: "master password pending")
    outcome = poll(rig, resource_id, in_quarantine=True)
    assert outcome.in_progress == (Change.MASTER_PASSWORD, Change.READER_CREATION)


def test_a_reader_is_not_created_before_rds_shows_the_writer(
    rig: ActivityRig, resource_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDS makes the first instance the writer that it creates; of two at the same time it could be either."""
    poll(rig, resource_id, in_quarantine=True)
    rig.advance_clock()
    monkeypatch.setattr(bring_up, "_writers", lambda _: set())
    outcome = poll(rig, resource_id, in_quarantine=True)
    assert rig.changes() == ["CreateDBInstance staging-1", "ModifyDBCluster staging"]
    assert outcome.in_progress == (Change.WRITER_CREATION, Change.MASTER_PASSWORD)


def test_a_cluster_that_is_being_restored_costs_one_read(rig: ActivityRig, resource_id: str) -> None:
    """It has no instances yet."""
    rig.clear_calls()
    assert poll(rig, resource_id).in_progress == (Change.CLUSTER_RESTORE,)
    reads = [call.operation for call in rig.emulator.calls if call.service == "rds"]
    assert reads == ["DescribeDBClusters"]


def test_polls_are_urgent_while_production_can_log_in(rig: ActivityRig, resource_id: str) -> None:
    """From the first instance until the database is closed, if it is to be closed at all and can be reached."""
    closing = TO_CLOSE
    assert not poll(rig, resource_id, closing=closing).urgent, "there is no instance yet"
    rig.advance_clock()
    assert poll(rig, resource_id, closing=closing).details == f"instance {rig.target.cluster}-1 creating"
    assert poll(rig, resource_id, closing=closing).urgent
    assert not poll(rig, resource_id, closing=closing, closed=ClosedDatabase()).urgent
    assert not poll(rig, resource_id).urgent
    assert not poll(rig, resource_id, closing=closing, in_quarantine=True).urgent


def test_a_database_is_closed_only_while_its_cluster_has_the_name(rig: ActivityRig, resource_id: str) -> None:
    """The closer gets the check that it makes when it is connected: by then another cluster may have the name."""
    checks: list[Callable[[], None]] = []

    def try_to_close(*given: Any) -> None:
        checks.append(given[-1])

    closer: Any = SimpleNamespace(try_to_close=try_to_close)
    closing = Closing(users=("app",), other_logins=OtherLogins.LOCK)
    activities = RestoredClusterActivities(rig.aws, closer)
    outcome = rig.poll_until_done(
        activities.check_restore_status, rig.check_restore_input(resource_id, closing=closing)
    )
    assert outcome.closed is None, "the closer has closed nothing"
    checks[-1]()
    for name in rig.instances():
        rig.rds().delete_db_instance(DBInstanceIdentifier=name)
    rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        checks[-1]()
    rig.make_target(instances=0)
    with pytest.raises(Refused, match="restored by this operation"):
        checks[-1]()


def test_an_instance_is_created_with_the_settings_of_the_request(rig: ActivityRig, resource_id: str) -> None:
    """Its class, its promotion tier, the operation's tag, and never publicly accessible."""
    rig.target = rig.target.model_copy(update={"instances": (RequestedInstance(instance_class="db.r6g.xlarge"),)})
    poll_until_done(rig, resource_id)
    (instance,) = rig.rds().describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": [rig.target.cluster]}])[
        "DBInstances"
    ]
    assert instance["DBInstanceClass"] == "db.r6g.xlarge"
    assert instance["PubliclyAccessible"] is False
    assert instance["PromotionTier"] == 0
    assert instance["TagList"] == [{"Key": "aurora-restore:operation", "Value": rig.operation_tag}]


def test_a_poll_after_the_last_one_changes_nothing(rig: ActivityRig, resource_id: str) -> None:
    """Run twice: the same outcome, nothing more is created."""
    done = poll_until_done(rig, resource_id)
    rig.clear_calls()
    assert poll(rig, resource_id) == done
    assert rig.changes() == []


INSUFFICIENT = "The DB cluster can't be created because of insufficient resource limits. No capacity."


def test_a_failure_quotes_the_events_of_the_cluster_or_the_instance(rig: ActivityRig, resource_id: str) -> None:
    """Why it failed, in RDS's own words."""
    poll_until_done(rig, resource_id)
    reader = f"{rig.target.cluster}-2"
    arn = f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{reader}"
    rig.force_status(arn, "incompatible-network", "DB instance put into incompatible-network.")
    with pytest.raises(StepFailed, match=f"RDS reported for {reader}: .*put into incompatible-network"):
        poll(rig, resource_id)
    rig.force_status(rig.target.arn, "restore-failed", INSUFFICIENT)
    with pytest.raises(StepFailed, match=f"RDS reported for {rig.target.cluster}: .*insufficient resource limits"):
        poll(rig, resource_id)


def test_a_deadline_quotes_the_events(rig: ActivityRig, resource_id: str) -> None:
    """And a denied DescribeEvents hides no failure."""
    rig.force_status(rig.target.arn, "creating", INSUFFICIENT)
    with pytest.raises(DeadlinePassed, match=r"insufficient resource limits.*Retry, or allow a longer wait\."):
        poll(rig, resource_id, final_poll=FinalPoll.DEADLINE)
    rig.emulator.faults.add("rds", "DescribeEvents", "error", code="AccessDenied", status=403)
    with pytest.raises(DeadlinePassed, match="RDS reported no event"):
        poll(rig, resource_id, final_poll=FinalPoll.DEADLINE)


def test_an_unknown_instance_status_is_waited_on_with_a_warning(rig: ActivityRig, resource_id: str) -> None:
    """As a cluster's is."""
    poll_until_done(rig, resource_id)
    reader = f"{rig.target.cluster}-2"
    rig.force_status(f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{reader}", "unheard-of")
    outcome = poll(rig, resource_id)
    assert (outcome.done, outcome.details) == (False, f"instance {reader} unheard-of")
    assert outcome.warnings == (f"The instance {reader} has the status unheard-of, which the pipeline does not know.",)


@pytest.mark.parametrize(
    "status",
    ["incompatible-restore", "restore-error", "restore-failed", "insufficient-capacity", "stopped", "deleting"],
)
def test_a_cluster_in_a_terminal_status_fails_the_step(rig: ActivityRig, resource_id: str, status: str) -> None:
    """No restored cluster leaves such a status by itself."""
    rig.force_status(rig.target.arn, status)
    with pytest.raises(StepFailed, match=f"Restore failed.* is {status}"):
        poll(rig, resource_id)


@pytest.mark.parametrize(
    "status",
    ["failed", "incompatible-credentials", "incompatible-network", "modify-failed", "storage-full", "upgrade-failed"],
)
def test_an_instance_in_a_terminal_status_fails_the_step(rig: ActivityRig, resource_id: str, status: str) -> None:
    """Also a reader: the restore promises all instances."""
    poll_until_done(rig, resource_id)
    reader = f"{rig.target.cluster}-2"
    rig.force_status(f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{reader}", status)
    with pytest.raises(StepFailed, match=f"the instance {reader} is {status}"):
        poll(rig, resource_id)


def test_an_unknown_cluster_status_is_waited_on_with_a_warning(rig: ActivityRig, resource_id: str) -> None:
    """An unknown status never counts as success."""
    rig.force_status(rig.target.arn, "unknown-status")
    outcome = poll(rig, resource_id)
    assert not outcome.done
    assert outcome.warnings == ("The cluster has the status unknown-status, which the pipeline does not know.",)
    assert rig.changes() == []


def test_a_cluster_that_is_not_visible_is_waited_for_five_minutes(rig: ActivityRig) -> None:
    """NotFound just after the restore is expected; later, or after a poll saw the cluster, it is final."""
    within_grace = poll(rig, "cluster-X", step_started_at=rig.now - timedelta(minutes=4))
    assert (within_grace.done, within_grace.details) == (False, "not visible yet")
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        poll(rig, "cluster-X", step_started_at=rig.now - timedelta(minutes=6))
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        poll(rig, "cluster-X", step_started_at=rig.now, resource_seen=True)


def test_a_cluster_that_this_operation_did_not_restore_is_not_changed(rig: ActivityRig) -> None:
    """No instance is created in it, and no password set."""
    rig.make_target(instances=0)
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        poll(rig, "cluster-RESTORED")
    assert rig.changes() == []


@pytest.mark.parametrize("operation", ["CreateDBInstance", "ModifyDBCluster"])
def test_a_busy_cluster_is_called_again_at_the_next_poll(rig: ActivityRig, resource_id: str, operation: str) -> None:
    """InvalidDBClusterStateFault means that the cluster is busy, most often with its own backup."""
    rig.emulator.faults.add("rds", operation, "error", code="InvalidDBClusterStateFault")
    assert poll_until_done(rig, resource_id).done
    assert len(rig.instances()) == 2


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_the_final_poll_reports_what_the_restore_still_waits_for(
    rig: ActivityRig, resource_id: str, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """At a deadline and at a cancellation."""
    with pytest.raises(error, match=r"(?i)restore at: cluster creating"):
        poll(rig, resource_id, final_poll=final_poll)
