"""Pinging the monitor of a request, if it has one. It never fails a restore, and a cancellation does not stop it."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import FailureError

from workflows.cancellation import shield
from workflows.policies import PING, with_summary
from workflows.progress import Progress

with workflow.unsafe.imports_passed_through():
    from activities.notifications.pings import PingActivities
    from errors import fault_of
    from models.pings import Ping, PingInput, PingOutcome
    from models.request import RestoreRequest


async def ping_monitor(request: RestoreRequest, progress: Progress, ping: Ping) -> None:
    """Ping the dead man's switch; what goes wrong is a warning."""
    secret_id = request.notification.ping_secret_id
    if secret_id is None:
        return
    owner = request.target.location
    step_input = PingInput(operation_id=progress.operation_id, secret_id=secret_id, owner=owner, ping=ping)
    problem = await shield(_ping(step_input))
    if problem is not None:
        progress.warn(f"The monitor was not pinged at the {_moment(ping)}: {problem}.")


async def _ping(ping_input: PingInput) -> str | None:
    """Returns what went wrong; None if the monitor was pinged."""
    summary = f"ping the monitor: {ping_input.ping.name.lower()}"
    try:
        outcome: PingOutcome = await workflow.execute_activity_method(
            PingActivities.ping_monitor, ping_input, **with_summary(PING, summary)
        )
    except FailureError as error:
        return fault_of(error).short
    return outcome.problem


def _moment(ping: Ping) -> str:
    return "start" if ping is Ping.START else "end"
