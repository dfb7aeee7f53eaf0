"""sns-notification: what people are told, once the night is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities.step import step_activity
from clients.aws import AwsClients
from models.decisions import SKIPPABLE
from models.inventory import Inventory
from models.notifications import NotificationInput, NotificationOutcome
from models.operation import RestoreState, StepState
from models.steps import Outcome, Step

if TYPE_CHECKING:
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

SUBJECT_LIMIT = 100
"""Characters, ASCII, no line breaks. Source: SNS API Reference, Publish."""
MESSAGE_LIMIT = 200_000
"""Bytes; SNS takes 256 KiB, attributes included."""
FAULT_LIMIT = 20_000
"""Bytes of a fault's message: what comes after it must be told too. The trail has more."""
ORPHANS_SHOWN = 20


class NotificationActivities:
    """Publishes the outcome."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` gives the clients."""
        self._aws = aws

    @step_activity(Step.SNS_NOTIFICATION)
    def sns_notification(self, step_input: NotificationInput) -> NotificationOutcome:
        """Tell the topic how the night ended, or that it waits for its operator.

        Run twice: two messages. SNS delivers at least once and knows no condition; both carry the operation id.
        """
        topic, details = _topic(step_input)
        sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
        published = sns.publish(
            TopicArn=topic,
            Subject=_subject(step_input),
            Message=_message(step_input).encode()[:MESSAGE_LIMIT].decode(errors="ignore"),
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
    outcome = "waits for you" if state.outcome is Outcome.WAITING else state.outcome
    failed = f" at {step}" if (step := state.failed_step) else ""
    text = f"{step_input.operation_id} {outcome}{failed}: restore of {step_input.target.cluster}"
    return text.encode("ascii", "replace").decode()[:SUBJECT_LIMIT]


def _message(step_input: NotificationInput) -> str:
    """Read at 3 a.m., on a telephone: what is wrong and what to do first, what is only to be looked up last."""
    state = step_input.state
    return "\n".join(
        [
            f"{step_input.operation_id}: the restore of {state.target_arn} from {state.source_arn} {_outcome(state)}.",
            *_block("What went wrong", _failure_lines(step_input)),
            *_block("How to go on", _commands(step_input)),
            *_block("What is there now", _resource_lines(state)),
            *_block("What was done", _step_lines(state)),
            *_block("Left over from earlier nights", _leftover_lines(state.inventory)),
            *_block("Warnings", list(state.warnings)),
            "",
            f"Workflow: {step_input.workflow_id}",
            *([f"Seal of the trail: {state.seal_digest}"] if state.seal_digest else []),
        ]
    )


def _outcome(state: RestoreState) -> str:
    until = f" until {state.waiting_until:%Y-%m-%d %H:%M} UTC" if state.waiting_until else ""
    if state.outcome is Outcome.WAITING:
        return f"failed at {state.failed_step} and waits for you{until}"
    if state.outcome is Outcome.CANCELLED:
        return "was cancelled"
    return str(state.outcome)


def _block(title: str, lines: list[str]) -> list[str]:
    return ["", title.upper(), *lines] if lines else []


def _failure_lines(step_input: NotificationInput) -> list[str]:
    fault, step = step_input.state.fault, step_input.state.failed_step
    if fault is None:
        return []
    code = f" ({fault.code}, request {fault.request_id})" if fault.code and fault.request_id else ""
    message = fault.message.encode()[:FAULT_LIMIT].decode(errors="ignore")
    runbook = [f"What to do: docs/runbook.md, section {step}."] if step else []
    return [f"{fault.short}{code}", message, *runbook]


def _commands(step_input: NotificationInput) -> list[str]:
    """The exact commands, of those that fit."""
    state, name = step_input.state, step_input.operation_id
    if state.outcome is Outcome.SUCCEEDED:
        return [_command(f"audit {name}", "the trail")]
    if state.outcome is Outcome.WAITING:
        skip = [_command(f"skip {name}", "go on without it")] if state.failed_step in SKIPPABLE else []
        retry = _command(f"retry {name}", f"once it is mended: take {state.failed_step} again")
        abort = _command(f"abort {name}", "end the night as failed now, as it does by itself when the time is over")
        return [retry, *skip, abort, _command(f"audit {name}", "the trail")]
    return [
        *_retry(state),
        _command(
            "start REQUEST_FILE", "a new night, as the schedule starts the next one; it adopts a copy that is there"
        ),
        *([_command(f"audit {name}", "the trail")] if state.operation_id else []),
    ]


def _retry(state: RestoreState) -> list[str]:
    """From the failed step, or from the one that makes anew what that step needs and what is gone."""
    if state.operation_id is None or state.failed_step is None:
        return []
    if (earlier := state.retry_from) is None:
        return [_command(f"retry {state.operation_id}", f"once it is mended: go on at {state.failed_step}")]
    lost = "the copy" if earlier is Step.COPY_SNAPSHOT else "the restored cluster"
    words = f"retry {state.operation_id} --from {earlier}"
    return [_command(words, f"once it is mended: go on at {earlier}, because {lost} is not there to go on with")]


def _command(words: str, what: str) -> str:
    return f"- {what}:\n    python starter.py {words}"


def _resource_lines(state: RestoreState) -> list[str]:
    survey = state.inventory
    removed = [f"- removed by this operation: {arn}" for arn in state.removed_arns]
    if survey is None:
        return removed
    lines, told = [], set()
    for seen in (*survey.resources, *survey.renamed_clusters):
        lines.append(f"- {seen.kind} {seen.name}: {seen.state}")
        if seen.command not in told:
            lines.append(f"    {seen.command}")
        told.add(seen.command)
    unknown = [f"Not known: {survey.incomplete_reason}. Look yourself."] if survey.incomplete_reason else []
    return [f"Seen {survey.taken_at:%Y-%m-%d %H:%M:%S} UTC:", *lines, *removed, *unknown]


def _step_lines(state: RestoreState) -> list[str]:
    steps = [step for step in state.steps if step.step is not Step.SNS_NOTIFICATION]
    begun = {step.step for step in state.steps}
    missing = [step for step in Step if step not in begun and step is not Step.SNS_NOTIFICATION]
    return [
        *(f"{step.step.number} {step.step}: {step.status}, {step.details}{_skipped(step)}" for step in steps),
        *([f"Not begun: {', '.join(missing)}"] if missing else []),
        *(f"{what}: {arn}" for what, arn in _arns(state) if arn),
    ]


def _arns(state: RestoreState) -> tuple[tuple[str, str | None], ...]:
    return (
        ("Snapshot", state.snapshot_arn),
        ("Copy", state.snapshot_copy_arn),
        ("Restored cluster", state.cluster_arn),
    )


def _skipped(step: StepState) -> str:
    return f" (skipped by {step.skipped_by})" if step.skipped_by else ""


def _leftover_lines(survey: Inventory | None) -> list[str]:
    if survey is None or not survey.orphans:
        return []
    shown = [f"- {orphan.text}" for orphan in survey.orphans[:ORPHANS_SHOWN]]
    more = len(survey.orphans) - len(shown)
    return [
        *shown,
        *([f"- and {more} more"] if more else []),
        _command("cleanup REQUEST_FILE", "look at them again; with --delete it removes them"),
    ]
