"""The message as plain text, for e-mail and everything else that shows no chat message."""

from __future__ import annotations

from activities.notifications.facts import (
    Pages,
    describe_data,
    describe_outcome,
    describe_target,
    list_facts,
    name_of,
)
from activities.notifications.next_steps import NextStep, list_next_steps
from limits import MAX_NOTIFIED_ORPHANS, MAX_SUBJECT, first_and_more
from models.inventory import Inventory
from models.notifications import NotificationInput
from models.restore_state import RestoreState, StepState
from models.steps import Outcome, Status, Step

CHANGED = "Changed: "
"""How the warning of a difference begins, which the message lists under a heading of its own."""
WHY = {Outcome.CANCELLED: "What happened", Outcome.SKIPPED: "What happened"}
"""The heading above the fault, where nothing went wrong."""
LIST_ORPHANS = NextStep(
    "list them again; with --delete the command removes them", "python starter.py cleanup REQUEST_FILE"
)


def write_subject(step_input: NotificationInput) -> str:
    """The subject, within SNS's limits: ASCII, one line."""
    state = step_input.state
    outcome = "waits for a decision" if state.outcome is Outcome.WAITING else state.outcome
    failed = f" at {step}" if (step := state.failed_step) else ""
    text = f"{step_input.operation_id} {outcome}{failed}: {state.kind} of {name_of(state.target_arn)}"
    return text.encode("ascii", "replace").decode()[:MAX_SUBJECT]


def write_message(step_input: NotificationInput, pages: Pages) -> str:
    """The whole message. It is read at 3 a.m. on a telephone: what is wrong and what to do comes first."""
    state = step_input.state
    succeeded = state.outcome is Outcome.SUCCEEDED
    commands = _block("To read more" if succeeded else "How to continue", _commands(step_input))
    facts = _block("The restore", _fact_lines(step_input, pages))
    return "\n".join(
        [
            *_first_lines(step_input),
            *_block(WHY.get(state.outcome, "What went wrong"), _failure_lines(state, pages)),
            *([*facts, *commands] if succeeded else [*commands, *facts]),
            *_block("What changed", [f"- {difference}" for difference in state.differences]),
            *_block("Warnings", [f"- {warning}" for warning in _other_warnings(state)]),
            *_block("What exists now", _resource_lines(state)),
            *_block("What was done", _step_lines(step_input)),
            *_block("Orphans of earlier restores", _orphan_lines(state.inventory)),
        ]
    )


def _first_lines(step_input: NotificationInput) -> list[str]:
    """What happened, and the one thing to know besides: how old the data is, or whether there is a target."""
    state, at = step_input.state, step_input.step_started_at
    first = f"{describe_outcome(state)}."
    if state.outcome is Outcome.SUCCEEDED:
        data = describe_data(state, at)
        return [first, *([f"Its data is {data}. The {state.kind} took {state.describe_time(at)}."] if data else [])]
    target = describe_target(state)
    return [first, *([f"The target now: {target}."] if target else [])]


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", title.upper(), *lines] if lines else []


def _failure_lines(state: RestoreState, pages: Pages) -> list[str]:
    fault, step = state.fault, state.failed_step
    if fault is None:
        return []
    code = f" ({fault.code}, request {fault.request_id})" if fault.code and fault.request_id else ""
    runbook = [f"What to do: {pages.runbook(step)}"] if step else []
    return [f"{fault.short}{code}", fault.message, *runbook]


def _commands(step_input: NotificationInput) -> list[str]:
    """The commands that fit the state, each on a line of its own."""
    return [_command(step) for step in list_next_steps(step_input.state)]


def _command(step: NextStep) -> str:
    return f"- {step.what}:\n    {step.command}"


def _fact_lines(step_input: NotificationInput, pages: Pages) -> list[str]:
    state, page = step_input.state, pages.operation()
    return [
        *(f"{name}: {fact}" for name, fact in list_facts(step_input).items()),
        *_quarantine_lines(step_input),
        *([f"Web UI: {page}"] if page else []),
        f"Workflow: {step_input.workflow_id}",
        *([f"Seal of the audit trail: {state.seal_digest}"] if state.seal_digest else []),
    ]


def _other_warnings(state: RestoreState) -> list[str]:
    listed = {f"{CHANGED}{difference}" for difference in state.differences}
    return [warning for warning in state.warnings if warning not in listed]


def _resource_lines(state: RestoreState) -> list[str]:
    inventory = state.inventory
    removed = [f"- removed by this operation: {arn}" for arn in state.removed_arns]
    if inventory is None:
        return removed
    lines: list[str] = []
    more = [f"- and {inventory.more_resources} more, which are not listed"] if inventory.more_resources else []
    commands: set[str] = set()
    for resource in (*inventory.resources, *inventory.renamed_clusters):
        lines.append(f"- {resource.kind} {resource.name}: {resource.state}")
        if resource.command not in commands:
            lines.append(f"    {resource.command}")
        commands.add(resource.command)
    unknown = [f"Unknown: {inventory.incomplete_reason}; check in AWS."] if inventory.incomplete_reason else []
    return [f"Read from AWS at {inventory.taken_at:%Y-%m-%d %H:%M:%S} UTC:", *lines, *more, *removed, *unknown]


def _step_lines(step_input: NotificationInput) -> list[str]:
    state = step_input.state
    steps = [step for step in state.steps if step.step is not Step.SNS_NOTIFICATION]
    started = {step.step for step in state.steps}
    missing = [step for step in state.planned_steps if step not in started and step is not Step.SNS_NOTIFICATION]
    return [
        *(f"{_number(state, step)} {step.step}: {step.status}, {step.details}{_skipped(step)}" for step in steps),
        *([f"Not started: {', '.join(missing)}"] if missing else []),
        *(f"{what}: {arn}" for what, arn in _arns(state) if arn),
    ]


def _number(state: RestoreState, step: StepState) -> int:
    return state.planned_steps.index(step.step) + 1


def _quarantine_lines(step_input: NotificationInput) -> list[str]:
    """Who could get in, once there is a restored cluster."""
    state, quarantine = step_input.state, step_input.target.quarantine
    if state.cluster_arn is None:
        return []
    if quarantine is None:
        return ["Quarantine: none; production's logins work from when the writer is up until they are locked"]
    if step_input.target.drills:
        return [f"Quarantine: {', '.join(quarantine.vpc_security_group_ids)}, until the cluster is removed"]
    last = Step.SWAP_CLUSTERS if step_input.target.swaps else Step.ARCHIVE_SNAPSHOT
    left = any(step.step is last and step.status is Status.SUCCESS for step in state.steps)
    groups = ", ".join(quarantine.vpc_security_group_ids)
    return [f"Quarantine: {groups}, left" if left else f"Quarantine: still in {groups}; only the worker gets in"]


def _arns(state: RestoreState) -> tuple[tuple[str, str | None], ...]:
    return (
        ("Copy", state.snapshot_copy_arn),
        ("Restored cluster", state.cluster_arn),
        ("Its new resource id", state.cluster_resource_id),
    )


def _skipped(step: StepState) -> str:
    return f" (skipped by {step.skipped_by})" if step.skipped_by else ""


def _orphan_lines(inventory: Inventory | None) -> list[str]:
    if inventory is None or not inventory.orphans:
        return []
    orphans = [orphan.text for orphan in inventory.orphans]
    return [
        *(f"- {text}" for text in first_and_more(orphans, MAX_NOTIFIED_ORPHANS, inventory.more_orphans)),
        _command(LIST_ORPHANS),
    ]
