"""Showing a restore while it runs: a live table on a terminal, elsewhere a line per change and one a minute."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from commands.terminal import SECONDS_BETWEEN_LINES
from errors import Fault
from models.cures import cure_command, describe_left_old, retry_command, retry_step
from models.decisions import SKIPPABLE
from models.inventory import Inventory
from models.restore_state import RestoreState, StepState
from models.steps import Outcome, Status, Step
from runs.endings import Ending, wait_for_ending
from runs.restores import NoAnswer, RestoreRun
from runs.summaries import describe_end, describe_wait, format_duration, has_no_progress, summarize

REFRESH_SECONDS = 1.0
"""Between two updates of the clock, and at first between two queries."""
SLOWEST_QUERY_SECONDS = 5.0
"""Between two queries of a restore that takes hours: each is work for the worker and billed by Temporal Cloud."""
STYLES = {Status.SUCCESS: "green", Status.FAILED: "bold red", Status.IN_PROGRESS: "yellow"}


async def follow(run: RestoreRun, console: Console, task_queue: str) -> Ending:
    """Show a restore on the console until it ends, and return how it ended."""
    latest = _LatestState(run, task_queue)
    ending = asyncio.create_task(wait_for_ending(run))
    querying = asyncio.create_task(latest.query_repeatedly())
    display: _LiveTable | _Lines = _LiveTable(console) if console.is_terminal else _Lines(console)
    try:
        with display.open():
            while not ending.done():
                display.refresh(latest)
                if (state := latest.state) and state.is_keeping_old:
                    return Ending(state.outcome, state)  # what is left is to delete the old cluster, in hours
                await asyncio.wait([ending], timeout=REFRESH_SECONDS / 2)
            ended = await ending
            latest.state = ended.state or latest.state
            display.refresh(latest)
            return ended
    finally:
        querying.cancel()
        ending.cancel()


class _LatestState:
    """The newest state that a worker reported, and whether a worker answers."""

    def __init__(self, run: RestoreRun, task_queue: str) -> None:
        self._run = run
        self._task_queue = task_queue
        self.state: RestoreState | None = None
        self.problem: str | None = None
        self.began = datetime.now(UTC)

    async def query_repeatedly(self) -> None:
        while True:
            try:
                self.state, self.problem = await self._run.query_state(), None
            except NoAnswer:
                self.problem = f"no worker answers on task queue {self._task_queue}"
            await asyncio.sleep(min(SLOWEST_QUERY_SECONDS, max(REFRESH_SECONDS, self.elapsed.total_seconds() / 120)))

    @property
    def elapsed(self) -> timedelta:
        now = datetime.now(UTC)
        return now - self.state.started_at - self.state.time_kept(now) if self.state else now - self.began

    @property
    def clock(self) -> str:
        now = datetime.now(UTC)
        return format_duration(now - self.elapsed, now)

    def headline(self) -> str:
        if self.state is None:
            return f"{self.clock}  {self.problem or 'waiting for a worker to answer'}"
        problem = f"; {self.problem}, the workflow continues when one does" if self.problem else ""
        end = describe_end(self.state, datetime.now(UTC))
        return f"{self.clock}  {_operation(self.state)}  {summarize(self.state)}{f'; {end}' if end else ''}{problem}"


class _Lines:
    """A line for every change of a step or of what the restore waits for, and at least one a minute."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: dict[Step, tuple[Status, int | None, str]] = {}
        self._last = datetime.min.replace(tzinfo=UTC)
        self._printed_wait: datetime | None = None
        self._printed_facts: tuple[datetime | None, bool] | None = None
        self._printed_problem: str | None = None

    def open(self) -> AbstractContextManager[object]:
        return nullcontext()

    def refresh(self, latest: _LatestState) -> None:
        if latest.state:
            self._print_changed_steps(latest.state, latest.clock)
            self._print_changed_wait(latest.state, latest.clock)
        if latest.state and latest.state.waiting_until not in (None, self._printed_wait):
            self._printed_wait = latest.state.waiting_until
            self._print(waiting_text(latest.state))
        is_silent = datetime.now(UTC) - self._last >= timedelta(seconds=SECONDS_BETWEEN_LINES)
        if is_silent or latest.problem != self._printed_problem:
            self._printed_problem = latest.problem
            wait = describe_wait(latest.state) if latest.state else ""
            self._print(f"{latest.headline()}; {wait}" if wait else latest.headline())

    def _print_changed_steps(self, state: RestoreState, clock: str) -> None:
        for step in state.steps:
            line = (step.status, step.percent, step.details)
            if self._printed.get(step.step) != line:
                self._printed[step.step] = line
                self._print(f"{clock}  {_operation(state)}  {_step_line(state, step)}")

    def _print_changed_wait(self, state: RestoreState, clock: str) -> None:
        """When a wait for AWS begins, and when nothing moves any more."""
        wait = describe_wait(state)
        facts = (state.steps[-1].deadline, has_no_progress(state.steps[-1])) if wait else None
        if facts and facts != self._printed_facts:
            self._printed_facts = facts
            self._print(f"{clock}  {_operation(state)}  {state.steps[-1].step}: {wait}")

    def _print(self, line: str) -> None:
        self._last = datetime.now(UTC)
        self._console.print(Text(line), soft_wrap=True)


class _LiveTable:
    """Every step, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def open(self) -> AbstractContextManager[object]:
        return self._live

    def refresh(self, latest: _LatestState) -> None:
        headline = Text(latest.headline(), style="bold")
        if latest.state is None:
            self._live.update(headline)
        else:
            waiting = waiting_text(latest.state) if latest.state.waiting_until else describe_wait(latest.state)
            self._live.update(Group(headline, steps_table(latest.state), *([Text(waiting)] if waiting else [])))


def steps_table(state: RestoreState) -> Table:
    """Every step: status, details, when each one began (UTC) and how long it took."""
    table = Table("", "Step", "Status", "Details", "Began (UTC)", "Took")
    begun = {step.step: step for step in state.steps}
    for number, step in enumerate(state.planned_steps, start=1):
        table.add_row(
            *(_cells(number, begun[step]) if step in begun else (Text(str(number), "dim"), Text(step, "dim")))
        )
    return table


def ending_text(ending: Ending, workflow_id: str) -> str:
    """How the restore ended: what failed, what exists now, and what to do."""
    state = ending.state
    name = (state.operation_id if state else None) or workflow_id
    after = _describe_time(state) if state else ""
    at = f" at {ending.step}" if ending.step else ""
    if ending.outcome is Outcome.SUCCEEDED:
        endpoint = f": {state.endpoint}:{state.port}" if state and state.endpoint else ""
        lines = [f"{name} succeeded{after}{endpoint}"]
        if state and state.is_keeping_old and state.old_kept_until:
            lines.append(f"The old cluster is kept until {state.old_kept_until:%Y-%m-%d %H:%M} UTC.")
    elif ending.outcome is Outcome.CANCELLED:
        lines = [f"{name} was cancelled{after}{at}"]
    elif ending.outcome is Outcome.SKIPPED:
        lines = [f"{name} was skipped", *_explain(ending.fault, ending.step)]
    else:
        lines = [f"{name} failed{after}{at}", *_explain(ending.fault, ending.step)]
    lines += [f"Warning: {warning}" for warning in (state.warnings if state else ())]
    if ending.outcome is not Outcome.SUCCEEDED and state:
        lines += [f"Removed: {arn}" for arn in state.removed_arns]
        lines += _resource_lines(state.inventory) if state.inventory else []
    if state and (left := describe_left_old(state)):
        lines.append(f"{left[0].upper()}{left[1:]}:\n    {cure_command(state)}")
    elif ending.outcome is Outcome.FAILED and state and state.operation_id and state.steps:
        lines.append(f"After fixing the cause:\n    {cure_command(state)}")
    return "\n".join(lines)


def _describe_time(state: RestoreState) -> str:
    """How long it took, if everything is done but the deletion of an old cluster."""
    if state.is_keeping_old:
        return f" after {state.describe_work(datetime.now(UTC))}"
    return f" after {state.describe_time(state.ended_at)}" if state.ended_at else ""


def _resource_lines(inventory: Inventory) -> list[str]:
    """The resources as the notification listed them; AWS has their state of now."""
    at = f"At {inventory.taken_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    unknown = [f"{at}: unknown ({inventory.incomplete_reason}); check in AWS"] if inventory.incomplete_reason else []
    return [*(f"{at}: {each.kind} {each.name}: {each.state}" for each in inventory.resources), *unknown]


def waiting_text(state: RestoreState) -> str:
    """What failed, until when an operator may decide, and the commands to choose from."""
    name, step = state.operation_id or "The operation", state.failed_step
    until = f" until {state.waiting_until:%Y-%m-%d %H:%M} UTC" if state.waiting_until else ""
    abort = f"End the operation as failed now:\n    python starter.py abort {name}"
    if retry_step(state) is step:
        skip = [f"Continue without it:\n    python starter.py skip {name}"] if step in SKIPPABLE else []
        commands = [f"After fixing the cause, run the step again:\n    {retry_command(name)}", *skip, abort]
    else:
        commands = [abort, f"Then, after fixing the cause:\n    {cure_command(state)}"]
    return "\n".join([f"{name} waits for a decision{until}: {step} failed", *_explain(state.fault, step), *commands])


def _explain(fault: Fault | None, step: Step | None) -> list[str]:
    if fault is None:
        return []
    text = fault.message if fault.message.startswith(fault.short) else f"{fault.short}: {fault.message}"
    return [text, f"What to do: docs/runbook.md#{step}" if step else "What to do: docs/runbook.md"]


def _cells(number: int, step: StepState) -> tuple[Text, ...]:
    took = format_duration(step.started_at, step.ended_at or datetime.now(UTC))
    return (
        Text(str(number)),
        Text(step.step),
        Text(step.status + _percent(step), STYLES[step.status]),
        Text(step.details),
        Text(f"{step.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"),
        Text(took),
    )


def _step_line(state: RestoreState, step: StepState) -> str:
    position = state.position_of(step.step).replace(" of ", "/")
    return f"{position} {step.step}  {step.status}{_percent(step)}  {step.details}"


def _percent(step: StepState) -> str:
    return f" {step.percent} %" if step.percent is not None and step.status is Status.IN_PROGRESS else ""


def _operation(state: RestoreState | None) -> str:
    return (state.operation_id if state else None) or "opening the operation"
