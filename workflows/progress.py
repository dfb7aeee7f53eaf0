"""The progress of a restore: the state that the query and the result return, and what the Web UI shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from temporalio import workflow

from models import search_attributes

with workflow.unsafe.imports_passed_through():
    from errors import Fault, Skipped
    from limits import MAX_WARNINGS, first_and_more
    from models.inventory import Inventory
    from models.operation import Operation
    from models.request import RestoreRequest
    from models.restore_state import RestoreState, StepState
    from models.step_call import StepOutcome
    from models.steps import STEPS, Outcome, Status, Step
    from models.waits import Durations
    from waiting.usual import expect_end, list_unusual


WITHOUT_WAIT = dict.fromkeys(("deadline", "last_poll_at", "next_poll_at", "unchanged_since", "expected_end_at"))
"""The fields of a `StepState` that it has only while it waits for AWS."""


def static_summary(request: RestoreRequest) -> str:
    """One line for Temporal's lists (at most 200 bytes)."""
    source, target = request.source, request.target
    return f"{target.cluster} ({target.region}) from {source.cluster} ({source.region})"[:200]


def static_details(request: RestoreRequest) -> str:
    """What this workflow does, in Markdown, for a reader who opens it in the Web UI for the first time."""
    return "\n".join(
        [
            f"Replaces **{request.target.arn}**",
            "",
            f"with a snapshot of **{request.source.arn}**.",
            "",
            f"It has {len(STEPS[request.target.replacement])} steps. *Current details* and the query `state` show the current one.",
            "If a step fails, see the section with the step's name in `docs/runbook.md`.",
        ]
    )


class Progress:
    """Keeps the state, and shows each change in the search attributes and the current details."""

    def __init__(self, request: RestoreRequest) -> None:
        """The restore begins."""
        self.state = RestoreState(
            replacement=request.target.replacement,
            keeps_old=request.target.swap_limits.keeps_old,
            source_arn=request.source.arn,
            target_arn=request.target.arn,
            started_at=workflow.now(),
        )
        self._operation_opened_at: datetime | None = None
        self._last_run_id = workflow.info().first_execution_run_id
        """The run of the last activity that ended; a reset run begins with results of earlier runs."""
        self.earlier_durations: Durations = {}
        self._warnings: tuple[str, ...] = ()
        workflow.upsert_search_attributes([search_attributes.TARGET.value_set(request.target.cluster)])

    @property
    def operation_opened_at(self) -> datetime:
        """When the operation got its number; a reset run has the number of its first run, and so this time too."""
        return self._operation_opened_at or self.state.started_at

    @property
    def operation_id(self) -> str:
        """The operation number, or "unnumbered" until it is allocated."""
        return self.state.operation_id or "unnumbered"

    def set_operation(self, operation: Operation) -> None:
        """Record the operation number."""
        self._operation_opened_at, self.earlier_durations = operation.opened_at, operation.earlier_durations
        usual = operation.usual_seconds.get(self.state.replacement, {})
        self._update(operation_id=operation.operation_id, usual_seconds=usual)
        workflow.upsert_search_attributes([search_attributes.OPERATION.value_set(operation.operation_id)])

    def begin_step(self, step: Step) -> datetime:
        """Record that a step begins; returns the time."""
        now = workflow.now()
        self._count_time_before_reset(now)
        begun = StepState(step=step, status=Status.IN_PROGRESS, details="Started", started_at=now)
        # A step that runs again is listed once; the trail keeps every run of it.
        others = tuple(earlier for earlier in self.state.steps if earlier.step is not step)
        self._update(steps=(*others, begun))
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(step.value)])
        return now

    def _count_time_before_reset(self, now: datetime) -> None:
        """Count the time until somebody retried: what was before is of the run that was reset, this step is not."""
        current_run = workflow.info().run_id
        before = self.state.steps[-1].ended_at if self.state.steps else self.state.started_at
        # A reset run has kept the old cluster as its first run did.
        before = max(filter(None, (before, self.state.old_kept_to)), default=None)
        if before is not None and self._last_run_id != current_run:
            self._add_waited(max(now - before, timedelta(0)))
        self._last_run_id = current_run

    def _end_waiting(self) -> None:
        """Count the wait for a decision that ends now, if there is one."""
        self._add_waited(self.state.time_waited(workflow.now()) - timedelta(seconds=self.state.waited_seconds))

    def _add_waited(self, waited: timedelta) -> None:
        self._update(waited_seconds=self.state.waited_seconds + round(waited.total_seconds()))

    def record_poll(self, outcome: StepOutcome) -> None:
        """Record what the current step's activity returned: that the step is done, or how far it is."""
        self._last_run_id = outcome.run_id or self._last_run_id
        status = Status.SUCCESS if outcome.done else Status.IN_PROGRESS
        unusual = list_unusual(self.state.steps[-1].step, outcome, self.earlier_durations, workflow.now())
        new_warnings = tuple(each for each in (*outcome.warnings, *unusual) if each not in self._warnings)
        for warning in new_warnings:
            workflow.logger.warning("%s", warning)
        self._add_warnings(new_warnings)
        # A reset run learns of the end of an earlier run's step only when it begins.
        wait = {} if outcome.done else self._describe_wait(outcome)
        self._update_step(status, outcome.details, outcome.percent, outcome.ended_at, wait)

    def begin_wait(self, deadline: datetime) -> None:
        """Record until when the current step waits for AWS."""
        *before, current = self.state.steps
        self._update(steps=(*before, current.model_copy(update={"deadline": deadline})))

    def _describe_wait(self, outcome: StepOutcome) -> dict[str, datetime | None]:
        """What a poll that was not done says of the wait, by fields of `StepState`."""
        current, polled_at = self.state.steps[-1], outcome.ended_at or workflow.now()
        next_poll_at = polled_at + outcome.plan.pause if outcome.plan else None
        if next_poll_at and current.deadline:
            next_poll_at = min(next_poll_at, current.deadline)
        is_same = (current.details, current.percent) == (outcome.details, outcome.percent)
        return {
            "deadline": current.deadline,
            "last_poll_at": polled_at,
            "next_poll_at": next_poll_at,
            "unchanged_since": (current.unchanged_since if is_same else None) or polled_at,
            "expected_end_at": expect_end(outcome.plan.since if outcome.plan else {}, self.earlier_durations),
        }

    def record(self, **facts: str | int | datetime | tuple[str, ...] | Inventory | None) -> None:
        """Record facts about the resources; the names are fields of `RestoreState`."""
        self._update(**facts)

    def fail(self, fault: Fault, *, cancelled: bool) -> None:
        """Record that the restore failed or was cancelled, and that the current step failed with it."""
        self._end_waiting()
        self.end_keeping_old()
        self._fail_step(fault)
        outcome = Outcome.SKIPPED if fault.type == Skipped.__name__ else Outcome.FAILED
        self._update(fault=fault, outcome=Outcome.CANCELLED if cancelled else outcome, waiting_until=None)

    def wait_for_operator(self, fault: Fault, until: datetime) -> None:
        """Record that the current step failed and that an operator may decide until then."""
        self._fail_step(fault)
        self._update(fault=fault, outcome=Outcome.WAITING, waiting_until=until)
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(Outcome.WAITING.value)])

    def resume(self) -> None:
        """Record that an operator decided to go on."""
        self._end_waiting()
        self._update(fault=None, outcome=Outcome.RUNNING, waiting_until=None)

    def skip_step(self, skipped: Step, decided_by: str) -> None:
        """Record that an operator decided to go on without a step."""
        steps = (
            step.model_copy(update={"skipped_by": decided_by}) if step.step is skipped else step
            for step in self.state.steps
        )
        self._update(steps=tuple(steps))
        self.warn(f"{skipped} was skipped by {decided_by}.")

    def succeed(self) -> None:
        """Record the outcome that the notification reports: every step before it is done."""
        self._update(outcome=Outcome.SUCCEEDED)

    def keep_old(self, until: datetime) -> None:
        """Record until when the old cluster is kept."""
        self._update(old_kept_until=until)

    def begin_keeping_old(self) -> None:
        """Record that everything is done but the deletion of the old cluster, which is kept."""
        self._update(old_kept_from=workflow.now())

    def end_keeping_old(self) -> None:
        """Record that the old cluster is no longer kept, if it was."""
        if self.state.old_kept_from is not None and self.state.old_kept_to is None:
            self._update(old_kept_until=None, old_kept_to=workflow.now())

    def warn(self, warning: str) -> None:
        """Record something that does not change the outcome, but that the operator should know."""
        self._add_warnings((warning,))

    def end(self) -> RestoreState:
        """Record the end; returns the final state, the workflow's result."""
        self._update(ended_at=workflow.now())
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(self.state.outcome.value)])
        return self.state

    def _add_warnings(self, warnings: tuple[str, ...]) -> None:
        self._warnings += warnings
        self._update(warnings=first_and_more(self._warnings, MAX_WARNINGS))

    def _fail_step(self, fault: Fault) -> None:
        if self.state.steps and self.state.steps[-1].status is Status.IN_PROGRESS:
            self._update_step(Status.FAILED, fault.short, self.state.steps[-1].percent)

    def _update_step(
        self,
        status: Status,
        details: str,
        percent: int | None,
        returned_at: datetime | None = None,
        wait: Mapping[str, datetime | None] = WITHOUT_WAIT,
    ) -> None:
        *before, current = self.state.steps
        ended_at = None if status is Status.IN_PROGRESS else returned_at or workflow.now()
        changes = {
            "status": status,
            "details": details,
            "percent": percent,
            "ended_at": ended_at,
            **WITHOUT_WAIT,
            **wait,
        }
        self._update(steps=(*before, current.model_copy(update=changes)))

    def _update(self, **changes: object) -> None:
        self.state = self.state.model_copy(update=changes)
        workflow.set_current_details(current_details(self.state, workflow.now()))


def current_details(state: RestoreState, now: datetime) -> str:
    """The state as Markdown: a headline, the fault, a line for each step, the warnings."""
    duration = state.describe_time(now)
    lines = [f"### {state.operation_id or 'Opening the operation'}: {_headline(state)}, {duration} so far", ""]
    if state.fault:
        lines += [f"**{state.fault.short}**: {state.fault.message}", ""]
    lines += ["| Step | Status | Details | Started (UTC) | Duration |", "|---|---|---|---|---|"]
    lines += [_step_line(step, now) for step in state.steps]
    lines += ["", *(f"- Warning: {warning}" for warning in state.warnings)]
    return "\n".join(lines)


def _headline(state: RestoreState) -> str:
    if state.old_kept_until and state.is_keeping_old:
        return f"swapped, the old cluster is kept until {state.old_kept_until:%Y-%m-%d %H:%M} UTC"
    if state.waiting_until:
        return f"waiting until {state.waiting_until:%H:%M} UTC for an operator to retry, skip or abort"
    if state.outcome is not Outcome.RUNNING or not state.steps:
        return f"{state.outcome} at {state.failed_step}" if state.failed_step else str(state.outcome)
    current = state.steps[-1]
    percent = f" {current.percent} %" if current.percent is not None else ""
    return f"step {state.position_of(current.step)}, **{current.step}**{percent}"


def _step_line(step: StepState, now: datetime) -> str:
    duration = _format_duration((step.ended_at or now) - step.started_at)
    details = step.details.replace("|", "\\|").replace("\n", " ")
    return f"| {step.step} | {step.status} | {details} | {step.started_at:%H:%M:%S} | {duration} |"


def _format_duration(duration: timedelta) -> str:
    """Such as 1:02:03, without fractions of a second."""
    return str(duration).split(".")[0]
