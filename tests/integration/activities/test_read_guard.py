"""A call that changes what has a name leaves the worker only while the look that led to it is fresh."""

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
from tests.rigs.activities import ACCOUNT, Night, session_of

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster", "DeleteDBClusterSnapshot")
ENOUGH = read_guard.MAX_READ_AGE_SECONDS + 1


class Clocks:
    """Both clocks of the machine, which a test lets jump as a machine that stood still does."""

    def __init__(self) -> None:
        self.boot, self.wall = 0.0, 0.0

    def jump(self, *, boot: float = 0.0, wall: float = 0.0) -> None:
        self.boot += boot
        self.wall += wall

    def now(self) -> read_guard.Moment:
        return self.boot, self.wall


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr(read_guard, "_now", made.now)
    return made


@pytest.fixture
def snapshot(night: Night) -> SourceSnapshot:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    return snapshot


def watched(night: Night, before: str, happens: Callable[[], Any]) -> None:
    """Let something happen once, just before the worker under test sends a call."""
    session, left = session_of(ACCOUNT), [happens]
    session.register(f"before-call.{before}", lambda **_: left.pop()() if left else None)
    night.aws = AwsClients(session)


def in_a_thread_of_its_own(activity: Callable[[], Any]) -> Any:
    """As the worker runs it: what an activity has looked at is its own."""
    return copy_context().run(activity)


@pytest.mark.parametrize("clock", ["boot", "wall"])
@pytest.mark.parametrize("before", ["rds.DeleteDBInstance", "rds.DeleteDBCluster"])
def test_a_worker_that_stood_still_deletes_nothing(
    night: Night, snapshot: SourceSnapshot, clocks: Clocks, before: str, clock: str
) -> None:
    """Whichever clock went on meanwhile, the call is not sent; the next attempt looks again and deletes."""
    of = night.delete_input(snapshot, night.make_target(instances=1))
    watched(night, before, lambda: clocks.jump(**{clock: ENOUGH}))
    night.forget_calls()
    with pytest.raises(StaleRead) as held_back:
        in_a_thread_of_its_own(lambda: night.run(night.clusters.delete_rds, of))
    assert before.removeprefix("rds.") not in [call.operation for call in night.emulator.calls]
    assert "wanted within 10 s. Nothing was sent" in held_back.value.fault.message
    night.until_done(night.clusters.delete_rds, of)
    assert night.cluster() is None


@pytest.mark.parametrize("call", ["CreateDBInstance", "ModifyDBCluster"])
def test_a_worker_that_stood_still_changes_nothing(
    night: Night, snapshot: SourceSnapshot, clocks: Clocks, call: str
) -> None:
    """By the time that it wakes the name may be another cluster's: no instance is added there, no password set."""
    restored = in_a_thread_of_its_own(lambda: night.run(night.clusters.restore_snapshot, night.restore_input(snapshot)))
    of = night.check_restore_input(restored.cluster_resource_id)
    watched(night, f"rds.{call}", lambda: clocks.jump(boot=ENOUGH))
    night.forget_calls()
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(lambda: night.until_done(night.restored.check_restore_status, of))
    assert night.calls(call) == []
    night.until_done(night.restored.check_restore_status, of)


def test_a_restore_is_held_back_too(night: Night, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """The name that was free may be the gap in which the next night restores."""
    watched(night, "rds.RestoreDBClusterFromSnapshot", lambda: clocks.jump(wall=ENOUGH))
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(lambda: night.run(night.clusters.restore_snapshot, night.restore_input(snapshot)))
    assert night.cluster() is None


def test_a_deletion_is_not_sent_again_when_its_look_has_grown_old(
    night: Night, snapshot: SourceSnapshot, clocks: Clocks
) -> None:
    """Botocore's own repetition of a lost call is held back like the first."""
    of = night.delete_input(snapshot, night.make_target(instances=0))
    session = session_of(ACCOUNT)
    session.register("before-send.rds.DeleteDBCluster", lambda **_: clocks.jump(boot=ENOUGH / 2))
    night.aws = AwsClients(session)
    night.emulator.faults.add("rds", "DeleteDBCluster", "reset-before", count=3)
    night.forget_calls()
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(lambda: night.run(night.clusters.delete_rds, of))
    assert len(night.calls("DeleteDBCluster")) == 1
    assert night.cluster() is not None


def test_a_deletion_without_a_look_is_never_sent(night: Night, snapshot: SourceSnapshot) -> None:
    """Code that forgot to look is held back too: each kind of deletion needs the look of its own kind."""
    night.make_target(instances=1)
    rds = AwsClients(session_of(ACCOUNT)).rds(night.target, "op-001")
    copy = night.copy_of(snapshot).identifier
    deletions: list[Callable[[], Any]] = [
        lambda: rds.delete_db_cluster(DBClusterIdentifier=night.target.cluster, SkipFinalSnapshot=True),
        lambda: rds.delete_db_instance(DBInstanceIdentifier=f"{night.target.cluster}-1"),
        lambda: rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy),
    ]
    night.forget_calls()
    for delete in deletions:
        read_guard._begun.set(None)  # the test has looked; the activity has not
        with pytest.raises(StaleRead, match="was asked never"):
            in_a_thread_of_its_own(delete)
    assert night.calls(*DELETIONS) == []


def test_a_list_is_as_old_as_its_first_page(night: Night, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """A worker that stood still between two pages has an old first one in hand."""
    rds = AwsClients(session_of(ACCOUNT)).rds(night.target, "op-001")
    copy = night.copy_of(snapshot).identifier

    def listed_and_deleted() -> None:
        rds.describe_db_cluster_snapshots()
        clocks.jump(wall=ENOUGH)
        with pytest.raises(ClientError, match="marker"):  # of a page that the emulator has not given; it was asked
            rds.describe_db_cluster_snapshots(Marker="further")
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy)

    night.forget_calls()
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(listed_and_deleted)
    assert len(night.calls("DescribeDBClusterSnapshots")) == 2
    assert night.calls(*DELETIONS) == []


def test_a_pruning_is_held_against_the_list_of_what_goes(
    night: Night, snapshot: SourceSnapshot, clocks: Clocks
) -> None:
    """Whoever takes our tag off an old copy keeps it: no look at tonight's copy makes the list of the old ones younger."""
    old, tonight = night.copy_of(snapshot), night.make_copy(night.make_snapshot(f"tonight-{night.number}"))
    of = night.archive_input(tonight, keep=1)
    session, left = session_of(ACCOUNT), [True]

    def taken(**answered: Any) -> None:
        if len(answered["parsed"]["DBClusterSnapshots"]) > 1 and left:
            left.pop()
            night.rds().remove_tags_from_resource(ResourceName=old.arn, TagKeys=["aurora-restore:copy-for"])
            clocks.jump(wall=ENOUGH)

    session.register("after-call.rds.DescribeDBClusterSnapshots", taken)
    night.aws = AwsClients(session)
    night.forget_calls()
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(lambda: night.run(night.snapshots.archive_snapshot, of))
    assert night.calls(*DELETIONS) == []
    answer = in_a_thread_of_its_own(lambda: night.run(night.snapshots.archive_snapshot, of))
    assert answer.pruned == ()
    assert old.identifier in night.copies()


def test_a_look_counts_from_its_beginning(night: Night, snapshot: SourceSnapshot, clocks: Clocks) -> None:
    """An answer that was long on its way may be as old as its question."""
    of = night.delete_input(snapshot, night.make_target(instances=1))
    session = session_of(ACCOUNT)
    session.register("after-call.rds.DescribeDBClusters", lambda **_: clocks.jump(boot=ENOUGH))
    night.aws = AwsClients(session)
    night.forget_calls()
    with pytest.raises(StaleRead):
        in_a_thread_of_its_own(lambda: night.run(night.clusters.delete_rds, of))
    assert night.calls(*DELETIONS) == []


def test_what_took_the_name_during_the_guards_is_not_deleted(night: Night, snapshot: SourceSnapshot) -> None:
    """Between its guards and its deletion the activity looks once more whether it is still the same cluster."""
    of = night.delete_input(snapshot, night.make_target(instances=0))

    def replaced() -> None:
        night.rds().describe_db_clusters()
        night.rds().delete_db_cluster(DBClusterIdentifier=night.target.cluster, SkipFinalSnapshot=True)
        night.later()
        night.make_target(instances=1)

    watched(night, "dynamodb.PutItem", replaced)
    answer = in_a_thread_of_its_own(lambda: night.run(night.clusters.delete_rds, of))
    assert not answer.done
    assert night.cluster() is not None
    assert set(night.instances().values()) == {"available"}


def test_the_real_clocks_are_read() -> None:
    """Two moments of the real clocks lie a little apart, and in order."""
    before = read_guard._now()
    time.sleep(0.01)
    assert all(0 < later - earlier < 5 for later, earlier in zip(read_guard._now(), before, strict=True))
