"""How the night stands: the state that queries and the result carry, and what the Web UI shows of it."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

from models import search_attributes

with workflow.unsafe.imports_passed_through():
    from errors import Fault
    from models.inventory import Inventory
    from models.operation import Operation, RestoreState, StepOutcome, StepState
    from models.request import RestoreRequest
    from models.steps import Outcome, Status, Step


def static_summary(request: RestoreRequest) -> str:
    """One line for Temporal's lists (at most 200 bytes)."""
    source, target = request.source, request.target
    return f"{target.cluster} ({target.region}) from {source.cluster} ({source.region})"[:200]


def static_details(request: RestoreRequest) -> str:
    """What this workflow is for, in Markdown, for whoever opens it without knowing."""
    return "\n".join(
        [
            f"Replaces **{request.target.arn}**",
            "",
            f"by a snapshot of **{request.source.arn}**.",
            "",
            "Nine steps; where it stands is under *Current details*, and in the query `state`.",
            "What to do when a step fails stands in `docs/runbook.md` under the step's name.",
        ]
    )


class Progress:
    """Keeps the state and shows it wherever a person may look."""

    def __init__(self, request: RestoreRequest) -> None:
        """The night begins."""
        self.state = RestoreState(
            source_arn=request.source.arn, target_arn=request.target.arn, started_at=workflow.now()
        )
        workflow.upsert_search_attributes([search_attributes.TARGET.value_set(request.target.cluster)])

    @property
    def operation_id(self) -> str:
        """The number, or "unnumbered" until there is one."""
        return self.state.operation_id or "unnumbered"

    def opened(self, operation: Operation) -> None:
        """The operation has its number."""
        self._update(operation_id=operation.operation_id)
        workflow.upsert_search_attributes([search_attributes.OPERATION.value_set(operation.operation_id)])

    def began(self, step: Step) -> datetime:
        """A step begins; returns when."""
        now = workflow.now()
        begun = StepState(step=step, status=Status.IN_PROGRESS, details="Started", started_at=now)
        # A step that is taken again stands once: the trail has both.
        others = tuple(earlier for earlier in self.state.steps if earlier.step is not step)
        self._update(steps=(*others, begun))
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(step.value)])
        return now

    def looked(self, outcome: StepOutcome) -> None:
        """A step answered: it is done, or says how far it is."""
        status = Status.SUCCESS if outcome.done else Status.IN_PROGRESS
        new = tuple(warning for warning in outcome.warnings if warning not in self.state.warnings)
        for warning in new:
            workflow.logger.warning("%s", warning)
        self._update(warnings=(*self.state.warnings, *new))
        self._update_step(status, outcome.details, outcome.percent)

    def found(self, **facts: str | int | tuple[str, ...] | Inventory | None) -> None:
        """What the night works on, what it removed, what was seen at its end: fields of the state by their names."""
        self._update(**facts)

    def failed(self, fault: Fault, cancelled: bool) -> None:
        """The night failed or was cancelled; the step that was under way failed with it."""
        self._fail_step(fault)
        self._update(fault=fault, outcome=Outcome.CANCELLED if cancelled else Outcome.FAILED, waiting_until=None)

    def waits(self, fault: Fault, until: datetime) -> None:
        """A step failed, and an operator may decide until then."""
        self._fail_step(fault)
        self._update(fault=fault, outcome=Outcome.WAITING, waiting_until=until)
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(Outcome.WAITING.value)])

    def skipped(self, step: Step, by: str) -> None:
        """An operator lets the night go on without a step."""
        steps = (of.model_copy(update={"skipped_by": by}) if of.step is step else of for of in self.state.steps)
        self._update(steps=tuple(steps))
        self.warned(f"{step} was skipped by {by}.")

    def goes_on(self) -> None:
        """An operator decided that the night goes on."""
        self._update(fault=None, outcome=Outcome.RUNNING, waiting_until=None)

    def succeeding(self) -> None:
        """Everything but the notification is done: this is the outcome that it tells."""
        self._update(outcome=Outcome.SUCCEEDED)

    def warned(self, warning: str) -> None:
        """Something that did not change the outcome, but that somebody should know."""
        self._update(warnings=(*self.state.warnings, warning))

    def ended(self) -> RestoreState:
        """The night is over; the search attribute says how."""
        self._update(ended_at=workflow.now())
        workflow.upsert_search_attributes([search_attributes.STEP.value_set(self.state.outcome.value)])
        return self.state

    def _fail_step(self, fault: Fault) -> None:
        if self.state.steps and self.state.steps[-1].status is Status.IN_PROGRESS:
            self._update_step(Status.FAILED, fault.short, self.state.steps[-1].percent)

    def _update_step(self, status: Status, details: str, percent: int | None) -> None:
        *before, current = self.state.steps
        ended_at = None if status is Status.IN_PROGRESS else workflow.now()
        changed = {"status": status, "details": details, "percent": percent, "ended_at": ended_at}
        self._update(steps=(*before, current.model_copy(update=changed)))

    def _update(self, **changed: object) -> None:
        self.state = self.state.model_copy(update=changed)
        workflow.set_current_details(current_details(self.state, workflow.now()))


def current_details(state: RestoreState, now: datetime) -> str:
    """The state as Markdown: headline, what went wrong, a line per step."""
    so_far = str((state.ended_at or now) - state.started_at).split(".")[0]
    lines = [f"### {state.operation_id or 'Opening the operation'}: {_headline(state)}, {so_far} so far", ""]
    if state.fault:
        lines += [f"**{state.fault.short}**: {state.fault.message}", ""]
    lines += ["| Step | Status | Details | Began (UTC) | Took |", "|---|---|---|---|---|"]
    lines += [_step_line(step, now) for step in state.steps]
    lines += ["", *(f"- Warning: {warning}" for warning in state.warnings)]
    return "\n".join(lines)


def _headline(state: RestoreState) -> str:
    if state.waiting_until:
        return f"waits until {state.waiting_until:%H:%M} UTC for an operator to retry, skip or abort"
    if state.outcome is not Outcome.RUNNING or not state.steps:
        return f"{state.outcome} at {state.failed_step}" if state.failed_step else str(state.outcome)
    current = state.steps[-1]
    percent = f" {current.percent} %" if current.percent is not None else ""
    return f"step {current.step.number} of {len(Step)}, **{current.step}**{percent}"


def _step_line(step: StepState, now: datetime) -> str:
    took = str((step.ended_at or now) - step.started_at).split(".")[0]
    details = step.details.replace("|", "\\|").replace("\n", " ")
    return f"| {step.step} | {step.status} | {details} | {step.started_at:%H:%M:%S} | {took} |"
