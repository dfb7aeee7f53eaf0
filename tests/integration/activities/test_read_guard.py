"""The worker sends a call that deletes or changes something only if the read it is based on is fresh."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from botocore.exceptions import ClientError

from clients import read_guard
from clients.aws import AwsClients
from errors import StaleRead
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, session_of

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster", "DeleteDBClusterSnapshot")
TOO_LONG = read_guard.MAX_READ_AGE_SECONDS + 1


class Clocks:
    """Both clocks of the machine, which a test moves forward as a frozen machine's clocks would move."""

    def __init__(self) -> None:
        self.since_boot, self.wall = 0.0, 0.0

    def advance(self, *, since_boot: float = 0.0, wall: float = 0.0) -> None:
        self.since_boot += since_boot
        self.wall += wall

    def read(self) -> read_guard.ClockReadings:
        return read_guard.ClockReadings(self.since_boot, self.wall)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(read_guard, "_read_clocks", clocks.read)
    return clocks


def do_once_before(rig: ActivityRig, call: str, action: Callable[[], Any]) -> None:
    """Run an action once, just before the worker under test sends this call."""
    session, pending = session_of(ACCOUNT), [action]
    session.register(f"before-call.{call}", lambda **_: pending.pop()() if pending else None)
    rig.aws = AwsClients(session)


def run_in_own_context(activity: Callable[[], Any]) -> Any:
    """As the worker runs an activity: its reads count for this activity only."""
    return copy_context().run(activity)


@pytest.mark.parametrize("clock", ["since_boot", "wall"])
@pytest.mark.parametrize("call", ["rds.DeleteDBInstance", "rds.DeleteDBCluster"])
def test_a_worker_that_froze_before_a_deletion_does_not_send_it(
    rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks, call: str, clock: str
) -> None:
    """Whichever clock went on meanwhile, the deletion is not sent; the next attempt reads again and deletes."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=1))
    do_once_before(rig, call, lambda: clocks.advance(**{clock: TOO_LONG}))
    rig.clear_calls()
    with pytest.raises(StaleRead) as failure:
        run_in_own_context(lambda: rig.run(rig.clusters.delete_rds, step_input))
    operation = call.removeprefix("rds.")
    assert operation not in [sent.operation for sent in rig.emulator.calls]
    assert failure.value.fault.message == (
        f"{operation} was not sent: the last DescribeDBClusters was 11 s ago, expected at most 10 s ago. Nothing was "
        "changed; the next attempt reads again. If this happens often, check why the worker's machine freezes."
    )
    rig.poll_until_done(rig.clusters.delete_rds, step_input)
    assert rig.cluster() is None


@pytest.mark.parametrize("call", ["CreateDBInstance", "ModifyDBCluster"])
def test_a_worker_that_froze_before_a_change_does_not_send_it(
    rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks, call: str
) -> None:
    """By then the name may be another cluster's: that cluster gets no instance and no password."""
    restored = run_in_own_context(lambda: rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot)))
    step_input = rig.check_restore_input(restored.cluster_resource_id)
    do_once_before(rig, f"rds.{call}", lambda: clocks.advance(since_boot=TOO_LONG))
    rig.clear_calls()
    with pytest.raises(StaleRead):
        run_in_own_context(lambda: rig.poll_until_done(rig.restored.check_restore_status, step_input))
    assert rig.calls(call) == []
    rig.poll_until_done(rig.restored.check_restore_status, step_input)


def test_a_worker_that_froze_before_the_restore_does_not_send_it(
    rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks
) -> None:
    """The name was free; by now another restore may be between its deletion and its restore."""
    do_once_before(rig, "rds.RestoreDBClusterFromSnapshot", lambda: clocks.advance(wall=TOO_LONG))
    with pytest.raises(StaleRead):
        run_in_own_context(lambda: rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot)))
    assert rig.cluster() is None


def test_botocore_does_not_repeat_a_deletion_whose_read_became_stale(
    rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks
) -> None:
    """Botocore sends a lost call again by itself; the guard checks the repetition like the first call."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=0))
    session = session_of(ACCOUNT)
    session.register("before-send.rds.DeleteDBCluster", lambda **_: clocks.advance(since_boot=TOO_LONG / 2))
    rig.aws = AwsClients(session)
    rig.emulator.faults.add("rds", "DeleteDBCluster", "reset-before", count=3)
    rig.clear_calls()
    with pytest.raises(StaleRead):
        run_in_own_context(lambda: rig.run(rig.clusters.delete_rds, step_input))
    assert len(rig.calls("DeleteDBCluster")) == 1
    assert rig.cluster() is not None


def test_a_deletion_without_its_own_kind_of_read_is_never_sent(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The guard also catches code that forgot to read: each kind of deletion needs its own kind of read."""
    rig.make_target(instances=1)
    rds = AwsClients(session_of(ACCOUNT)).rds(rig.target, "op-001")
    copy = rig.copy_of(snapshot).identifier
    deletions: list[Callable[[], Any]] = [
        lambda: rds.delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True),
        lambda: rds.delete_db_instance(DBInstanceIdentifier=f"{rig.target.cluster}-1"),
        lambda: rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy),
    ]
    rig.clear_calls()
    for delete in deletions:
        read_guard._reads_started_at.set(None)  # the test has read; the activity has not
        with pytest.raises(StaleRead, match="was not sent: this attempt has not called DescribeDBCluster"):
            run_in_own_context(delete)
    assert rig.calls(*DELETIONS) == []


def test_a_read_of_exactly_the_maximum_age_is_fresh_enough(rig: ActivityRig, clocks: Clocks) -> None:
    """The limit itself is allowed."""
    rig.make_target(instances=0)
    rds = AwsClients(session_of(ACCOUNT)).rds(rig.target, "op-001")

    def read_and_delete() -> None:
        rds.describe_db_clusters()
        clocks.advance(wall=read_guard.MAX_READ_AGE_SECONDS)
        rds.delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)

    run_in_own_context(read_and_delete)
    assert len(rig.calls("DeleteDBCluster")) == 1


def test_a_read_of_one_activity_does_not_count_for_another(rig: ActivityRig, clocks: Clocks) -> None:
    """Both activities run in copies of one context, in which there was a read before."""
    rig.make_target(instances=0)
    rds = AwsClients(session_of(ACCOUNT)).rds(rig.target, "op-001")

    def read_in_one_and_delete_in_another() -> None:
        rds.describe_db_clusters()
        clocks.advance(wall=TOO_LONG)
        run_in_own_context(rds.describe_db_clusters)
        run_in_own_context(
            lambda: rds.delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
        )

    with pytest.raises(StaleRead):
        run_in_own_context(read_in_one_and_delete_in_another)
    assert rig.calls(*DELETIONS) == []


def test_a_list_is_as_old_as_its_first_page(rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """A worker that froze between two pages has an old first page."""
    rds = AwsClients(session_of(ACCOUNT)).rds(rig.target, "op-001")
    copy = rig.copy_of(snapshot).identifier

    def list_and_delete() -> None:
        rds.describe_db_cluster_snapshots()
        clocks.advance(wall=TOO_LONG)
        with pytest.raises(ClientError, match="marker"):  # the emulator never gave this marker, but the call was sent
            rds.describe_db_cluster_snapshots(Marker="further")
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy)

    rig.clear_calls()
    with pytest.raises(StaleRead):
        run_in_own_context(list_and_delete)
    assert len(rig.calls("DescribeDBClusterSnapshots")) == 2
    assert rig.calls(*DELETIONS) == []


def test_pruning_is_based_on_the_list_of_old_copies(rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """An owner who removes our tag keeps the old copy: reading the current copy does not make that list fresher."""
    old, current = rig.copy_of(snapshot), rig.make_copy(rig.make_snapshot(f"current-{rig.number}"))
    step_input = rig.archive_input(current, keep=1)
    # The first read of several copies only finds their names.
    session, pending = session_of(ACCOUNT), ["names", "copies"]

    def untag_after_the_list(**response: Any) -> None:
        if len(response["parsed"]["DBClusterSnapshots"]) > 1 and pending and pending.pop(0) == "copies":
            rig.rds().remove_tags_from_resource(ResourceName=old.arn, TagKeys=["aurora-restore:copy-for"])
            clocks.advance(wall=TOO_LONG)

    session.register("after-call.rds.DescribeDBClusterSnapshots", untag_after_the_list)
    rig.aws = AwsClients(session)
    rig.clear_calls()
    with pytest.raises(StaleRead):
        run_in_own_context(lambda: rig.run(rig.snapshots.archive_snapshot, step_input))
    assert rig.calls(*DELETIONS) == []
    outcome = run_in_own_context(lambda: rig.run(rig.snapshots.archive_snapshot, step_input))
    assert outcome.pruned == ()
    assert old.identifier in rig.copies()


def test_the_age_of_a_read_counts_from_its_request(rig: ActivityRig, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """A response that took long may describe the state at the time of the request."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=1))
    session = session_of(ACCOUNT)
    session.register("after-call.rds.DescribeDBClusters", lambda **_: clocks.advance(since_boot=TOO_LONG))
    rig.aws = AwsClients(session)
    rig.clear_calls()
    with pytest.raises(StaleRead):
        run_in_own_context(lambda: rig.run(rig.clusters.delete_rds, step_input))
    assert rig.calls(*DELETIONS) == []


def test_a_cluster_that_took_the_name_during_the_guards_is_not_deleted(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """Between its guards and its deletion the activity reads again whether it is still the same cluster."""
    step_input = rig.delete_input(snapshot, rig.make_target(instances=0))

    def replace_target() -> None:
        rig.rds().describe_db_clusters()
        rig.rds().delete_db_cluster(DBClusterIdentifier=rig.target.cluster, SkipFinalSnapshot=True)
        rig.advance_clock()
        rig.make_target(instances=1)

    do_once_before(rig, "dynamodb.PutItem", replace_target)
    outcome = run_in_own_context(lambda: rig.run(rig.clusters.delete_rds, step_input))
    assert not outcome.done
    assert rig.cluster() is not None
    assert set(rig.instances().values()) == {"available"}


def test_the_guard_reads_the_real_clocks() -> None:
    """Two readings of the real clocks are a little apart, and in order."""
    before = read_guard._read_clocks()
    time.sleep(0.01)
    assert all(0 < later - earlier < 5 for later, earlier in zip(read_guard._read_clocks(), before, strict=True))
