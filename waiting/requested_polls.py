"""Polls that someone asks for while an activity watches, by the signal `poll_now`.

Temporal delivers a signal to a workflow and to no activity. But the workflow's code runs in a worker, and mostly in that which
runs its activity: there the signal is heard, and ends the pause of that run's watch. A watch in another process keeps its
pause. Nothing of this is in a history: what is decided is decided by polls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from temporalio import workflow
from temporalio.worker import HandleSignalInput, WorkflowInboundInterceptor

from models.workflow_names import POLL_NOW_SIGNAL


class RequestedWatch:
    """One watch, and whether a poll was asked of it."""

    def __init__(self) -> None:
        """No poll was asked for yet."""
        self._requested = Event()

    def request(self) -> None:
        """Ask for a poll."""
        self._requested.set()

    @property
    def is_set(self) -> bool:
        """Whether a poll was asked for since `take` was last called."""
        return self._requested.is_set()

    def take(self) -> bool:
        """As `is_set`; from now on it is not."""
        requested = self.is_set
        if requested:
            self._requested.clear()
        return requested


class RequestedPolls:
    """The watches of this process, by the workflow run whose activities they are.

    A run can have two: Temporal starts the next attempt of an activity whose heartbeats were lost, while this one still runs.
    Workflows and activities use it from different threads.
    """

    def __init__(self) -> None:
        """Nothing watches yet."""
        self._lock = Lock()
        self._watches: dict[str, list[RequestedWatch]] = {}

    @contextmanager
    def watch(self, run_id: str) -> Iterator[RequestedWatch]:
        """A watch of this run, for as long as it lasts; nothing is kept of one that has ended."""
        watch = RequestedWatch()
        with self._lock:
            self._watches.setdefault(run_id, []).append(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches[run_id].remove(watch)
                if not self._watches[run_id]:
                    del self._watches[run_id]

    def request(self, run_id: str) -> None:
        """Ask each watch of this run for a poll; without effect if none is here."""
        with self._lock:
            for watch in self._watches.get(run_id, ()):
                watch.request()


class PollNowListener(WorkflowInboundInterceptor):
    """Hears `poll_now` for the watches of this process; `listener_class` makes the class that the SDK wants."""

    requested_polls: RequestedPolls

    async def handle_signal(self, input: HandleSignalInput) -> None:
        """See base class. A signal that is replayed was heard before."""
        if input.signal == POLL_NOW_SIGNAL and not workflow.unsafe.is_replaying():
            self.requested_polls.request(workflow.info().run_id)
        await super().handle_signal(input)


def listener_class(requested_polls: RequestedPolls) -> type[WorkflowInboundInterceptor]:
    """The class of the interceptor that tells these."""

    class Listener(PollNowListener):
        pass

    Listener.requested_polls = requested_polls
    return Listener
