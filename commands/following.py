"""Showing a night as it goes: a live table on a terminal, lines elsewhere; never silent for more than 2 seconds."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from errors import Fault
from models.decisions import SKIPPABLE
from models.inventory import Inventory
from models.operation import RestoreState, StepState
from models.steps import Outcome, Status, Step
from runs.restores import Ending, NoAnswer, RestoreRun, format_duration, retry_command, summarize

REFRESH_SECONDS = 1.0
"""Between two looks at the clock, and at first between two queries."""
SLOWEST_QUERY_SECONDS = 5.0
"""Between two queries of a night that takes hours: each one is work for the worker and billed by Temporal Cloud."""
SILENCE_SECONDS = 2.0
STYLES = {Status.SUCCESS: "green", Status.FAILED: "bold red", Status.IN_PROGRESS: "yellow"}


async def follow(night: RestoreRun, console: Console, task_queue: str) -> Ending:
    """Show the night on the console until it ends, and say how it ended."""
    seen = _Seen(night, task_queue)
    ending = asyncio.create_task(night.ending())
    looking = asyncio.create_task(seen.keep_looking())
    display: _LiveTable | _Lines = _LiveTable(console) if console.is_terminal else _Lines(console)
    try:
        with display.shown():
            while not ending.done():
                display.refresh(seen)
                await asyncio.wait([ending], timeout=REFRESH_SECONDS / 2)
            ended = await ending
            seen.state = ended.state or seen.state
            display.refresh(seen)
            return ended
    finally:
        looking.cancel()
        ending.cancel()


class _Seen:
    """The newest state that a worker told, and whether one answers."""

    def __init__(self, night: RestoreRun, task_queue: str) -> None:
        self._night = night
        self._task_queue = task_queue
        self.state: RestoreState | None = None
        self.trouble: str | None = None
        self.began = datetime.now(UTC)

    async def keep_looking(self) -> None:
        while True:
            try:
                self.state, self.trouble = await self._night.state(), None
            except NoAnswer:
                self.trouble = f"no worker answers on task queue {self._task_queue}"
            await asyncio.sleep(min(SLOWEST_QUERY_SECONDS, max(REFRESH_SECONDS, self.elapsed.total_seconds() / 120)))

    @property
    def elapsed(self) -> timedelta:
        return datetime.now(UTC) - (self.state.started_at if self.state else self.began)

    @property
    def clock(self) -> str:
        now = datetime.now(UTC)
        return format_duration(now - self.elapsed, now)

    def headline(self) -> str:
        if self.state is None:
            return f"{self.clock}  {self.trouble or 'waiting for a worker to answer'}"
        trouble = f"; {self.trouble}, the workflow goes on when one does" if self.trouble else ""
        return f"{self.clock}  {self.state.operation_id or 'opening the operation'}  {summarize(self.state)}{trouble}"


class _Lines:
    """A line for every change of a step, and one at least every 2 seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[Step, tuple[Status, int | None, str]] = {}
        self._last = datetime.min.replace(tzinfo=UTC)
        self._told_until: datetime | None = None

    def shown(self) -> AbstractContextManager[object]:
        return nullcontext()

    def refresh(self, seen: _Seen) -> None:
        for step in seen.state.steps if seen.state else ():
            news = (step.status, step.percent, step.details)
            if self._shown.get(step.step) != news:
                self._shown[step.step] = news
                self._say(f"{seen.clock}  {_operation(seen.state)}  {_step_line(step)}")
        if seen.state and seen.state.waiting_until not in (None, self._told_until):
            self._told_until = seen.state.waiting_until
            self._say(waiting_text(seen.state))
        # Half a look early, because a look comes late by itself.
        if datetime.now(UTC) - self._last > timedelta(seconds=SILENCE_SECONDS - REFRESH_SECONDS):
            self._say(seen.headline())

    def _say(self, line: str) -> None:
        self._last = datetime.now(UTC)
        self._console.print(Text(line), soft_wrap=True)


class _LiveTable:
    """The nine steps, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def shown(self) -> AbstractContextManager[object]:
        return self._live

    def refresh(self, seen: _Seen) -> None:
        headline = Text(seen.headline(), style="bold")
        if seen.state is None:
            self._live.update(headline)
        else:
            waiting = [Text(waiting_text(seen.state))] if seen.state.waiting_until else []
            self._live.update(Group(headline, steps_table(seen.state), *waiting))


def steps_table(state: RestoreState) -> Table:
    """The nine steps: how each one stands, when it began (UTC), how long it took."""
    table = Table("", "Step", "Status", "Details", "Began (UTC)", "Took")
    begun = {step.step: step for step in state.steps}
    for step in Step:
        table.add_row(*(_cells(begun[step]) if step in begun else (Text(str(step.number), "dim"), Text(step, "dim"))))
    return table


def ending_text(ending: Ending, workflow_id: str) -> str:
    """How the night ended, for the operator: what failed, where to read what to do, and how to go on then."""
    state = ending.state
    name = (state.operation_id if state else None) or workflow_id
    lasted = f" after {format_duration(state.started_at, state.ended_at)}" if state and state.ended_at else ""
    if ending.outcome is Outcome.SUCCEEDED:
        where = f": {state.endpoint}:{state.port}" if state and state.endpoint else ""
        lines = [f"{name} succeeded{lasted}{where}"]
    elif ending.outcome is Outcome.CANCELLED:
        lines = [f"{name} was cancelled{lasted}{f' at {ending.step}' if ending.step else ''}"]
    else:
        lines = [
            f"{name} failed{lasted}{f' at {ending.step}' if ending.step else ''}",
            *_explained(ending.fault, ending.step),
        ]
    lines += [f"Warning: {warning}" for warning in (state.warnings if state else ())]
    if ending.outcome is not Outcome.SUCCEEDED and state:
        lines += [f"Removed: {arn}" for arn in state.removed_arns]
        lines += _seen(state.inventory) if state.inventory else []
    if ending.outcome is Outcome.FAILED and state and state.operation_id and state.steps:
        lines.append(f"Once it is mended: {retry_command(state.operation_id, state.retry_from)}")
    return "\n".join(lines)


def _seen(survey: Inventory) -> list[str]:
    """As the notification told it; how it is by now, AWS knows."""
    at = f"Seen {survey.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    unknown = [f"{at}: not known, {survey.incomplete_reason}"] if survey.incomplete_reason else []
    return [*(f"{at}: {of.kind} {of.name}: {of.state}" for of in survey.resources), *unknown]


def waiting_text(state: RestoreState) -> str:
    """What failed, until when an operator may decide, and with which words."""
    name, step = state.operation_id or "The night", state.failed_step
    until = f" until {state.waiting_until:%Y-%m-%d %H:%M} UTC" if state.waiting_until else ""
    words = [f"Take it again:      {retry_command(name)}"]
    if step in SKIPPABLE:
        words.append(f"Go on without it:   python starter.py skip {name}")
    words.append(f"End as failed now:  python starter.py abort {name}")
    return "\n".join([f"{name} waits{until}: {step} failed", *_explained(state.fault, step), *words])


def _explained(fault: Fault | None, step: Step | None) -> list[str]:
    if fault is None:
        return []
    text = fault.message if fault.message.startswith(fault.short) else f"{fault.short}: {fault.message}"
    return [text, f"What to do: docs/runbook.md#{step}" if step else "What to do: docs/runbook.md"]


def _cells(step: StepState) -> tuple[Text, ...]:
    percent = f" {step.percent} %" if step.percent is not None and step.status is Status.IN_PROGRESS else ""
    lasted = format_duration(step.started_at, step.ended_at or datetime.now(UTC))
    return (
        Text(str(step.step.number)),
        Text(step.step),
        Text(step.status + percent, STYLES[step.status]),
        Text(step.details),
        Text(f"{step.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
        Text(lasted),
    )


def _step_line(step: StepState) -> str:
    percent = f" {step.percent} %" if step.percent is not None and step.status is Status.IN_PROGRESS else ""
    return f"{step.step.number}/{len(Step)} {step.step}  {step.status}{percent}  {step.details}"


def _operation(state: RestoreState | None) -> str:
    return (state.operation_id if state else None) or "opening the operation"
