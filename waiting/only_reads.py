"""Polls that only read: those that an activity makes by itself.

Between two of them nothing enters Temporal's history, so a workflow that was terminated meanwhile has an activity that does
not know of it until its next heartbeat is answered. A change is made only by the poll with which the workflow's own schedule
begins.
"""

from __future__ import annotations

from contextvars import ContextVar

from models.waits import Change

only_reads: ContextVar[bool] = ContextVar("only_reads", default=False)
"""Whether the running poll may change nothing; only an activity that polls by itself sets it."""
last_seen: ContextVar[frozenset[Change]] = ContextVar("last_seen", default=frozenset())
"""What the same activity's poll before this one saw in progress; empty in the first poll, which reads everything."""


class ChangeDue(Exception):
    """A poll that only reads has come to a change: the workflow schedules the poll that makes it."""


def require_leave_to_change() -> None:
    """Raise `ChangeDue` in a poll that only reads."""
    if only_reads.get():
        raise ChangeDue
