"""The message in the schema of Amazon Q Developer in chat applications, which drops an SNS message that is plain text.

Links are bare addresses and nothing is bold, because each chat application has another markup for both.
Source: Amazon Q Developer in chat applications Administrator Guide, "Custom notifications".
"""

from __future__ import annotations

from typing import Any

from activities.notifications.facts import Pages, describe_outcome, describe_target, list_facts, message_id
from activities.notifications.next_steps import NextStep, list_next_steps
from activities.notifications.text import write_subject
from limits import (
    MAX_ATTRIBUTE,
    MAX_CHAT_DESCRIPTION,
    MAX_CHAT_KEYWORD,
    MAX_CHAT_LIST,
    MAX_CHAT_STEP,
    MAX_CHAT_TITLE,
    MAX_DETAILS,
    first_and_more,
    shorten,
)
from models.notifications import NotificationInput
from models.restore_state import RestoreState
from models.steps import Outcome

MARKS = {
    Outcome.SUCCEEDED: "✅",
    Outcome.FAILED: "❌",
    Outcome.WAITING: "✋",
    Outcome.CANCELLED: "🚫",
    Outcome.SKIPPED: "⏭️",
}


def write_chat_message(step_input: NotificationInput, pages: Pages, attributes: dict[str, str]) -> dict[str, Any]:
    """The chat message; every message of an operation is in the same thread."""
    state = step_input.state
    summary = write_subject(step_input)
    mark = MARKS.get(state.outcome, "")
    keywords = (state.outcome.value, attributes["cluster"], attributes["environment"], attributes.get("step"))
    steps = list_next_steps(state)
    return {
        "version": "1.0",
        "source": "custom",
        "id": message_id(),
        "content": {
            "textType": "client-markdown",
            "title": shorten(f"{mark} {_escape(describe_outcome(state))}".strip(), MAX_CHAT_TITLE),
            "description": _description(step_input, pages),
            "nextSteps": [shorten(_next_step(step), MAX_CHAT_STEP) for step in steps[:MAX_CHAT_LIST]],
            "keywords": [shorten(keyword, MAX_CHAT_KEYWORD) for keyword in keywords if keyword],
        },
        "metadata": {
            "threadId": f"{attributes['environment']}/{state.operation_id or step_input.workflow_id}",
            "summary": summary,
            "eventType": f"aurora-restore.{state.outcome}",
            "relatedResources": _resources(state),
            "additionalContext": attributes,
        },
    }


def _description(step_input: NotificationInput, pages: Pages) -> str:
    state, page = step_input.state, pages.operation()
    step, target = state.failed_step, describe_target(state)
    lines = [
        *_fault_lines(state),
        *([f"The target now: {target}."] if target else []),
        *(f"{name}: {fact}" for name, fact in list_facts(step_input).items()),
        *(f"Changed: {difference}" for difference in first_and_more(state.differences, MAX_CHAT_LIST)),
    ]
    links = [
        *([f"Web UI: {page}"] if page else []),
        *([f"Runbook: {pages.runbook(step)}"] if step and state.fault else []),
    ]
    # The links come last and are never cut.
    room = MAX_CHAT_DESCRIPTION - sum(len(link) + 1 for link in links)
    return "\n".join((shorten(_escape("\n".join(lines)), room), *links))


def _fault_lines(state: RestoreState) -> list[str]:
    fault = state.fault
    return [f"{fault.short}: {shorten(fault.message, MAX_DETAILS)}"] if fault else []


def _next_step(step: NextStep) -> str:
    return f"{step.what[0].upper()}{step.what[1:]}: `{step.command}`"


def _resources(state: RestoreState) -> list[str]:
    arns = (state.target_arn, state.source_arn, state.snapshot_arn, state.snapshot_copy_arn)
    return list(dict.fromkeys(shorten(arn, MAX_ATTRIBUTE) for arn in arns if arn))


def _escape(text: str) -> str:
    """The text without the marks that Slack takes for a link or a mention. Source: Slack API, "Formatting text"."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
