"""What every form of a notification says of a restore: one sentence, the facts, the machine's attributes, the links."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from temporalio import activity

from limits import MAX_ATTRIBUTE, shorten
from models.notifications import NotificationInput
from models.restore_state import RestoreState
from models.steps import Outcome, Status, Step

RUNBOOK = "docs/runbook.md"


@dataclass(frozen=True)
class Pages:
    """Where people read what a notification links to; None: the worker's settings do not say it."""

    web_ui_url: str | None = None
    runbook_url: str | None = None

    def operation(self) -> str | None:
        """The Web UI's page of the workflow run that the current activity belongs to."""
        info = activity.info()
        if self.web_ui_url is None or info.workflow_id is None:
            return None
        namespace, workflow_id = quote(info.namespace, safe=""), quote(info.workflow_id, safe="")
        base = self.web_ui_url.rstrip("/")
        return f"{base}/namespaces/{namespace}/workflows/{workflow_id}/{info.workflow_run_id}/history"

    def runbook(self, section: str) -> str:
        """The runbook's section: its address, or its file and title."""
        return f"{self.runbook_url}#{section}" if self.runbook_url else f"{RUNBOOK}, section {section}"


def describe_outcome(state: RestoreState) -> str:
    """What happened, in one sentence without its full stop."""
    what = f"The {state.kind} of {name_of(state.target_arn)}"
    at = f" at {step}, step {state.position_of(step)}" if (step := state.failed_step) else ""
    if state.outcome is Outcome.SUCCEEDED:
        return _describe_success(state)
    if state.outcome is Outcome.WAITING:
        until = f" until {state.waiting_until:%Y-%m-%d %H:%M} UTC" if state.waiting_until else ""
        return f"{what} failed{at}, and waits{until} for a decision"
    if state.outcome is Outcome.SKIPPED:
        return f"{what} was skipped, and changed nothing"
    if state.outcome is Outcome.CANCELLED:
        return f"{what} was cancelled{at}"
    return f"{what} {state.outcome}{at}"


def _describe_success(state: RestoreState) -> str:
    target, source = name_of(state.target_arn), name_of(state.source_arn)
    if not state.drills:
        return f"{target} was restored from {source}"
    drill = name_of(state.cluster_arn or "the cluster")
    return f"The drill of {target} succeeded: {drill} was restored from {source}, checked and removed"


def describe_target(state: RestoreState) -> str | None:
    """The target's status, if the restore did not succeed and AWS was asked; None otherwise."""
    if state.outcome is Outcome.SUCCEEDED or state.inventory is None:
        return None
    statuses = [each.state for each in state.inventory.resources if each.kind == "target cluster"]
    return statuses[0] if statuses else None


def list_facts(step_input: NotificationInput) -> dict[str, str]:
    """The facts by their names, as a person reads them."""
    state, at = step_input.state, step_input.step_started_at
    has_endpoint = state.endpoint and state.outcome is Outcome.SUCCEEDED and not state.drills
    endpoint = f"{state.endpoint}:{state.port}" if has_endpoint else None
    facts = {
        "Operation": state.operation_id,
        "Target": state.target_arn,
        "Source": state.source_arn,
        "Snapshot": state.snapshot_arn,
        "Data": describe_data(state, at),
        "Time": state.describe_time(at),
        "Ready for its users after": _describe_ready(state),
        "Endpoint": endpoint,
        "Secret of its master password": None if state.drills else state.master_user_secret_id,
    }
    return {name: fact for name, fact in facts.items() if fact}


def _describe_ready(state: RestoreState) -> str | None:
    """What a drill measures, until setup-db-users had run its checks; None of a restore, whose target stays."""
    ended = [
        step.ended_at for step in state.steps if step.step is Step.SETUP_DB_USERS and step.status is Status.SUCCESS
    ]
    if not state.drills or not ended or ended[-1] is None:
        return None
    return str(ended[-1] - state.started_at).split(".")[0]


def describe_data(state: RestoreState, at: datetime) -> str | None:
    """Of when the data is, and how old it is at this time; None before the snapshot is known."""
    if state.snapshot_created_at is None:
        return None
    return f"of {state.snapshot_created_at:%Y-%m-%d %H:%M} UTC, {_describe_age(at - state.snapshot_created_at)} old"


def _describe_age(age: timedelta) -> str:
    """Such as 2 h 31 min, or 3 days 4 h."""
    minutes = max(round(age.total_seconds() / 60), 0)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} {'day' if days == 1 else 'days'} {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def list_attributes(step_input: NotificationInput, environment: str) -> dict[str, str]:
    """The attributes for filter policies. At most ten: SQS drops a raw message with more.

    Source: Amazon SNS Developer Guide, "Message attributes" and "Raw message delivery".
    """
    state = step_input.state
    attributes = {
        "operation_id": step_input.operation_id,
        "outcome": state.outcome.value,
        "target": state.target_arn,
        "cluster": name_of(state.target_arn),
        "source": state.source_arn,
        "environment": environment,
        "task_queue": activity.info().task_queue,
        "step": state.failed_step.value if state.failed_step else None,
        "fault": state.fault.short if state.fault else None,
    }
    return {name: shorten(value, MAX_ATTRIBUTE) for name, value in attributes.items() if value}


def message_id() -> str:
    """The id of the message, the same for every attempt to deliver it."""
    info = activity.info()
    return f"{info.workflow_run_id}-{info.activity_id}"


def name_of(arn: str) -> str:
    """The name at the end of an ARN of RDS."""
    return arn.rpartition(":")[2]
