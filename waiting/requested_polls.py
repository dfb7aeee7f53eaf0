"""Polls that someone asks for while an activity watches, by the signal `poll_now`.

Temporal delivers a signal to a workflow and to no activity. But the workflow's code runs in a worker, and mostly in that which
runs its activity: there the signal is heard, and ends the pause of that run's watch. A watch in another process keeps its
pause. Nothing of this is in a history: what is decided is decided by polls.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.worker import HandleSignalInput, WorkflowInboundInterceptor

from models.workflow_names import POLL_NOW_SIGNAL


class RequestedPolls:
    """The workflow runs whose activities watch in this process, and for which of them a poll was asked.

    Workflows and activities use it from different threads; each operation is one of a dictionary's own.
    """

    def __init__(self) -> None:
        """Nothing watches yet."""
        self._requested: dict[str, bool] = {}

    def begin(self, run_id: str) -> None:
        """A watch of this run begins."""
        self._requested[run_id] = False

    def end(self, run_id: str) -> None:
        """It ends, and with it what was asked of it."""
        self._requested.pop(run_id, None)

    def request(self, run_id: str) -> None:
        """Ask for a poll; without effect if no activity of this run watches here."""
        if run_id in self._requested:
            self._requested[run_id] = True

    def take(self, run_id: str) -> bool:
        """Whether a poll was asked for since this was last called."""
        requested = self._requested.get(run_id, False)
        if requested:
            self._requested[run_id] = False
        return requested


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
