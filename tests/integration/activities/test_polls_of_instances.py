"""Polls of check-restore-status that read no cluster, because they wait for nothing but instances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from activities.clusters.restored import RestoredClusterActivities
from errors import StepFailed
from models.closing import ClosedDatabase, Closing
from models.users import OtherLogins
from models.waits import Change
from tests.rigs.activities import ActivityRig
from tests.rigs.restored_clusters import poll, poll_until_done
from waiting.only_reads import last_seen

WRITER, READER = Change.WRITER_CREATION, Change.READER_CREATION
TO_CLOSE = Closing(users=("app",), other_logins=OtherLogins.LOCK)


@contextmanager
def after_seeing(*changes: Change) -> Iterator[None]:
    """The same activity's poll before saw these in progress."""
    token = last_seen.set(frozenset(changes))
    yield
    last_seen.reset(token)


def force_status(rig: ActivityRig, number: int, status: str) -> None:
    arn = f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{rig.target.cluster}-{number}"
    rig.force_status(arn, status, "")


def reads_of(rig: ActivityRig, resource_id: str, *seen: Change, **more: Any) -> tuple[Any, list[str]]:
    """The outcome of a poll after one that saw this, and its first two reads."""
    rig.clear_calls()
    with after_seeing(*seen):
        outcome = poll(rig, resource_id, **more)
    return outcome, [call.operation for call in rig.emulator.calls if call.service == "rds"][:2]


@pytest.mark.parametrize(
    ("numbers", "changes", "more"),
    [
        ((1,), (WRITER,), {"closing": TO_CLOSE}),
        ((1,), (WRITER,), {"closing": TO_CLOSE, "in_quarantine": True}),
        ((1, 2), (WRITER, READER), {"closing": TO_CLOSE, "in_quarantine": True}),
        ((2,), (READER,), {"closed": ClosedDatabase()}),
    ],
)
def test_while_only_instances_are_created_a_poll_is_one_read(
    rig: ActivityRig, resource_id: str, numbers: tuple[int, ...], changes: tuple[Change, ...], more: dict[str, Any]
) -> None:
    """Its outcome is that of a poll that reads the cluster, too; one that sees an instance available reads it."""
    poll_until_done(rig, resource_id)
    for number in numbers:
        force_status(rig, number, "creating")
    complete, reads = reads_of(rig, resource_id, **more)
    assert reads == ["DescribeDBClusters", "DescribeDBInstances"]
    seen = complete.in_progress
    assert seen == changes
    assert reads_of(rig, resource_id, *seen, **more) == (complete, ["DescribeDBInstances"])
    force_status(rig, numbers[0], "available")
    after, reads = reads_of(rig, resource_id, *seen, **more)
    assert reads == ["DescribeDBInstances", "DescribeDBClusters"]
    assert after.in_progress != complete.in_progress


def test_a_database_that_is_not_closed_yet_is_tried_again_beside_the_readers(
    rig: ActivityRig, resource_id: str
) -> None:
    """Production's logins work until it is closed, and its name may not be in the DNS at the first try."""
    tries: list[None] = []

    def try_to_close(*_: Any) -> ClosedDatabase | None:
        tries.append(None)
        return ClosedDatabase() if len(tries) > 1 else None

    poll_until_done(rig, resource_id)
    force_status(rig, 2, "creating")
    closer: Any = SimpleNamespace(try_to_close=try_to_close)
    activities = RestoredClusterActivities(rig.aws, closer)
    step_input = rig.check_restore_input(resource_id, closing=TO_CLOSE)
    first: Any = rig.run(activities.check_restore_status, step_input)
    assert (first.closed, first.in_progress) == (None, (READER,))
    with after_seeing(READER):
        second: Any = rig.run(activities.check_restore_status, step_input)
    assert second.closed is not None


@pytest.mark.parametrize("seen", [(WRITER, Change.MASTER_PASSWORD), (READER,), (WRITER, READER), (Change.OTHER,)])
def test_the_cluster_is_read_if_the_last_poll_saw_something_else(
    rig: ActivityRig, resource_id: str, seen: tuple[Change, ...]
) -> None:
    """The master password is in the cluster, and what has changed has perhaps changed there, too."""
    poll_until_done(rig, resource_id)
    force_status(rig, 1, "creating")
    outcome, reads = reads_of(rig, resource_id, *seen)
    is_worth_a_try = set(seen) <= {WRITER, READER}
    assert reads.index("DescribeDBClusters") == (1 if is_worth_a_try else 0)
    assert WRITER in outcome.in_progress


@pytest.mark.parametrize("number", [1, 2])
def test_the_cluster_is_read_for_a_status_that_needs_it(rig: ActivityRig, resource_id: str, number: int) -> None:
    """A failure and the warning about an unknown status are the same as without, also beside a reader that is created."""
    poll_until_done(rig, resource_id)
    force_status(rig, 2, "creating")
    force_status(rig, number, "unheard-of")
    outcome, reads = reads_of(rig, resource_id, READER)
    assert reads == ["DescribeDBInstances", "DescribeDBClusters"]
    assert "which the pipeline does not know" in outcome.warnings[0]
    force_status(rig, number, "incompatible-network")
    with pytest.raises(StepFailed, match="is incompatible-network"):
        reads_of(rig, resource_id, READER)


def test_the_cluster_is_read_until_the_readers_are_asked_for(rig: ActivityRig, resource_id: str) -> None:
    """It shows whether the first instance is the writer, so that the readers come beside it and not after it."""
    poll(rig, resource_id)
    rig.advance_clock()
    poll(rig, resource_id, closing=TO_CLOSE)
    assert rig.changes()[0] == "CreateDBInstance staging-1"
    _, reads = reads_of(rig, resource_id, WRITER, closing=TO_CLOSE)
    assert reads == ["DescribeDBInstances"], "the readers come after the database is closed"
    reads_of(rig, resource_id, WRITER, in_quarantine=True)
    assert "CreateDBInstance staging-2" in rig.changes()
