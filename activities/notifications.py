"""sns-notification: the message that says how a restore ended, or that it waits for a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.step import step_activity
from clients.aws import AwsClients
from limits import MAX_NOTIFICATION_BYTES, MAX_NOTIFIED_ORPHANS, MAX_SUBJECT, first_and_more, shorten_utf8
from models.cures import START_COMMAND, cure_command, retry_command, retry_step
from models.decisions import SKIPPABLE
from models.inventory import Inventory
from models.notifications import NotificationInput, NotificationOutcome
from models.operation import RestoreState, StepState
from models.steps import Outcome, Status, Step

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


class NotificationActivities:
    """Publishes the outcome."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` has the clients."""
        self._aws = aws

    @step_activity(Step.SNS_NOTIFICATION)
    def sns_notification(self, step_input: NotificationInput) -> NotificationOutcome:
        """Publish how the restore ended, or that it waits for a decision.

        Raises `StepFailed` if the topic does not exist or the role may not publish, `AwsUnavailable` to be retried.
        Run twice: two messages. SNS delivers at least once and has no conditional publish; both carry the operation id.
        """
        topic, details = _topic(step_input)
        sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
        published = sns.publish(
            TopicArn=topic,
            Subject=_subject(step_input),
            Message=shorten_utf8(_message(step_input), MAX_NOTIFICATION_BYTES),
            MessageAttributes={
                "operation_id": _text(step_input.operation_id),
                "outcome": _text(step_input.state.outcome),
                "target": _text(step_input.state.target_arn),
            },
        )
        return NotificationOutcome(details=details, resource_arns=(topic,), message_id=published["MessageId"])


def _topic(step_input: NotificationInput) -> tuple[str, str]:
    if step_input.state.outcome is not Outcome.SUCCEEDED:
        return step_input.notification.topic_arn, "Error notification sent"
    if step_input.notification.success_topic_arn:
        return step_input.notification.success_topic_arn, "Success notification sent"
    return step_input.notification.topic_arn, "Notification sent"


def _text(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}


def _subject(step_input: NotificationInput) -> str:
    state = step_input.state
    outcome = "waits for a decision" if state.outcome is Outcome.WAITING else state.outcome
    failed = f" at {step}" if (step := state.failed_step) else ""
    text = f"{step_input.operation_id} {outcome}{failed}: restore of {step_input.target.cluster}"
    return text.encode("ascii", "replace").decode()[:MAX_SUBJECT]


def _message(step_input: NotificationInput) -> str:
    """The whole message. It is read at 3 a.m. on a telephone: what is wrong and what to do comes first."""
    state = step_input.state
    return "\n".join(
        [
            f"{step_input.operation_id}: the restore of {state.target_arn} from {state.source_arn} {_outcome(state)}.",
            *_block("What went wrong", _failure_lines(step_input)),
            *_block("How to continue", _commands(step_input)),
            *_block("What exists now", _resource_lines(state)),
            *_block("What was done", _step_lines(step_input)),
            *_block("Orphans of earlier restores", _orphan_lines(state.inventory)),
            *_block("Warnings", list(state.warnings)),
            "",
            f"Workflow: {step_input.workflow_id}",
            *([f"Seal of the audit trail: {state.seal_digest}"] if state.seal_digest else []),
        ]
    )


def _outcome(state: RestoreState) -> str:
    until = f" until {state.waiting_until:%Y-%m-%d %H:%M} UTC" if state.waiting_until else ""
    if state.outcome is Outcome.WAITING:
        return f"failed at {state.failed_step} and waits for a decision{until}"
    if state.outcome in (Outcome.CANCELLED, Outcome.SKIPPED):
        return f"was {state.outcome}"
    return str(state.outcome)


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", title.upper(), *lines] if lines else []


def _failure_lines(step_input: NotificationInput) -> list[str]:
    fault, step = step_input.state.fault, step_input.state.failed_step
    if fault is None:
        return []
    code = f" ({fault.code}, request {fault.request_id})" if fault.code and fault.request_id else ""
    runbook = [f"What to do: docs/runbook.md, section {step}."] if step else []
    return [f"{fault.short}{code}", fault.message, *runbook]


def _commands(step_input: NotificationInput) -> list[str]:
    """The commands that fit the state, each on a line of its own."""
    state, name = step_input.state, step_input.operation_id
    trail = [_command("read the audit trail", f"python starter.py audit {name}")] if state.operation_id else []
    if state.outcome is Outcome.SUCCEEDED:
        return trail
    if state.outcome is Outcome.WAITING:
        return [*_decisions(state, name), *trail]
    start = _command("start a new restore, as the schedule does; it adopts an existing copy", START_COMMAND)
    return [*_retry(state), start, *trail]


def _decisions(state: RestoreState, name: str) -> list[str]:
    """What an operator may decide while the restore waits."""
    step = state.failed_step
    abort = f"python starter.py abort {name}"
    if retry_step(state) is not step:
        return [
            _command("end the operation as failed now", abort),
            _command("then, after fixing the cause", cure_command(state)),
        ]
    skip = [_command("continue without the step", f"python starter.py skip {name}")] if step in SKIPPABLE else []
    return [
        _command(f"after fixing the cause, run {step} again", retry_command(name)),
        *skip,
        _command("end the operation as failed now; it ends by itself when the time is over", abort),
    ]


def _retry(state: RestoreState) -> list[str]:
    """The retry, from the failed step or from the one that makes again what that step needs."""
    step = retry_step(state)
    if step is None:
        return []
    lost = {Step.COPY_SNAPSHOT: "the copy cannot be used", Step.RESTORE_SNAPSHOT: "the restored cluster cannot be used"}
    because = f", because {lost[step]}" if step is not state.failed_step and step in lost else ""
    return [_command(f"after fixing the cause, retry from {step}{because}", cure_command(state))]


def _command(what: str, command: str) -> str:
    return f"- {what}:\n    {command}"


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
        f"Time: {state.describe_time(step_input.step_started_at)}",
        *(f"{what}: {arn}" for what, arn in _arns(state) if arn),
        *_quarantine_lines(step_input),
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
    last = Step.SWAP_CLUSTERS if step_input.target.swaps else Step.ARCHIVE_SNAPSHOT
    left = any(step.step is last and step.status is Status.SUCCESS for step in state.steps)
    groups = ", ".join(quarantine.vpc_security_group_ids)
    return [f"Quarantine: {groups}, left" if left else f"Quarantine: still in {groups}; only the worker gets in"]


def _arns(state: RestoreState) -> tuple[tuple[str, str | None], ...]:
    return (
        ("Snapshot", state.snapshot_arn),
        ("Copy", state.snapshot_copy_arn),
        ("Restored cluster", state.cluster_arn),
        ("Its new resource id", state.cluster_resource_id),
        ("Secret of its master password", state.master_user_secret_id),
    )


def _skipped(step: StepState) -> str:
    return f" (skipped by {step.skipped_by})" if step.skipped_by else ""


def _orphan_lines(inventory: Inventory | None) -> list[str]:
    if inventory is None or not inventory.orphans:
        return []
    orphans = [orphan.text for orphan in inventory.orphans]
    return [
        *(f"- {text}" for text in first_and_more(orphans, MAX_NOTIFIED_ORPHANS, inventory.more_orphans)),
        _command("list them again; with --delete the command removes them", "python starter.py cleanup REQUEST_FILE"),
    ]
