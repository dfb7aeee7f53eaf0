"""What must be true after every restore, with any faults; checked from the outside only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from audit.rows import Phase
from devstack.aws import RecordedCall
from devstack.demo_environment import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION
from models.identifiers import DEFAULT_ENVIRONMENT, is_copy_name
from models.steps import Status, Step
from tests.chaos.aws_operations import AWS_OPERATIONS, ONLY_AFTER_A_FAILURE
from tests.chaos.observation import Observation

READS = ("Describe", "List", "Get", "Query", "Simulate")
CHANGES = {
    "CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster", "RestoreDBClusterFromSnapshot", "CreateDBInstance",
    "ModifyDBCluster", "AddTagsToResource", "DeleteDBClusterSnapshot", "Publish", "PutItem", "TransactWriteItems",
}  # fmt: skip
"""Every operation with which a restore may change something."""
CODE_ERRORS = {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
               WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE}  # fmt: skip
"""Causes that are an error of the workflow's code; Temporal would repeat such a workflow task without end."""


def broken_promises(observation: Observation, allowed: frozenset[str], *, message_promised: bool = True) -> list[str]:
    """Every promise that the restore broke, one sentence each."""
    broken = [f"anomaly: {each}" for each in observation.anomalies]
    if observation.outcome not in allowed:
        broken.append(
            f"outcome: {observation.outcome}, expected {' or '.join(sorted(allowed))}: {_failure_message(observation)}"
        )
    broken += [f"{name}: {text}" for name, check in PROMISES.items() for text in check(observation)]
    if message_promised:
        broken += [f"message: {text}" for text in _message(observation)]
    return broken


def _failure_message(observation: Observation) -> str:
    last = observation.history[-1]
    return last.workflow_execution_failed_event_attributes.failure.message


def _effective_calls(observation: Observation, operation: str) -> list[RecordedCall]:
    return [call for call in observation.calls if call.operation == operation and call.carried_out]


def _effects(observation: Observation) -> Iterator[str]:
    """One copy, one deletion, one restore; no deletion after the restore."""
    order = [call.operation for call in observation.calls if call.carried_out]
    for operation, name in (
        ("CopyDBClusterSnapshot", "TargetDBClusterSnapshotIdentifier"),
        ("DeleteDBInstance", "DBInstanceIdentifier"),
        ("DeleteDBCluster", "DBClusterIdentifier"),
        ("RestoreDBClusterFromSnapshot", "DBClusterIdentifier"),
        ("CreateDBInstance", "DBInstanceIdentifier"),
    ):
        counts = Counter(call.parameters[name] for call in _effective_calls(observation, operation))
        yield from (
            f"{operation} of {identifier} took effect {times} times"
            for identifier, times in counts.items()
            if times > 1
        )
    if "RestoreDBClusterFromSnapshot" in order:
        later = order[order.index("RestoreDBClusterFromSnapshot") :]
        yield from (f"{each} after the restore" for each in later if each in ("DeleteDBCluster", "DeleteDBInstance"))
    succeeded = {step for step, status, _ in _step_outcomes(observation.history) if status == "SUCCESS"}
    for step, operation in (
        ("copy-snapshot", "CopyDBClusterSnapshot"), ("restore-snapshot", "RestoreDBClusterFromSnapshot"),
    ):  # fmt: skip
        effects = len(_effective_calls(observation, operation))
        if step in succeeded and effects != 1:
            yield f"{step} succeeded with {effects} effects"
    deletions = len(_effective_calls(observation, "DeleteDBCluster"))
    if "delete-rds" in succeeded and observation.before.target and deletions != 1:
        yield f"delete-rds succeeded with {deletions} deletions"
    if observation.outcome == "succeeded":
        yield from _replaced(observation)


def _replaced(observation: Observation) -> Iterator[str]:
    old, new = observation.before.target, observation.after.target
    if new is None or new["Status"] != "available":
        yield f"the restore succeeded, but the target is {new['Status'] if new else 'missing'}"
    elif old is not None and old["DbClusterResourceId"] == new["DbClusterResourceId"]:
        yield "the restore succeeded, but the target is the old one"
    if not observation.users_read_new_row:
        yield "the restore succeeded, but its users do not read the newest row of the source"


def _nothing_else(observation: Observation) -> Iterator[str]:
    """The protected clusters are unchanged, and no call changed anything but the target and its copies."""
    before, after = observation.before.protected, observation.after.protected
    yield from (
        f"{name} changed: {before[name]} became {after[name]}" for name in before if before[name] != after[name]
    )
    for call in observation.calls:
        if call.operation.startswith(READS):
            continue
        if call.operation not in CHANGES or call.region != TARGET_REGION:
            yield f"{call.service} {call.operation} in {call.region}"
        elif call.service == "rds" and not _changes_target_or_copy(call):
            yield f"{call.operation} of {dict(call.parameters)}"


def _changes_target_or_copy(call: RecordedCall) -> bool:
    parameters = call.parameters
    if call.operation == "CopyDBClusterSnapshot":
        source = parameters["SourceDBClusterSnapshotIdentifier"]
        named_as_copy = is_copy_name(DEFAULT_ENVIRONMENT, parameters["TargetDBClusterSnapshotIdentifier"])
        return named_as_copy and f":{SOURCE_REGION}:" in source and f"rds:{SOURCE}-" in source
    if call.operation == "DeleteDBClusterSnapshot":
        return is_copy_name(DEFAULT_ENVIRONMENT, parameters["DBClusterSnapshotIdentifier"])
    if call.operation == "AddTagsToResource":
        return is_copy_name(DEFAULT_ENVIRONMENT, parameters["ResourceName"].rpartition(":")[2])
    if call.operation in ("DeleteDBInstance", "CreateDBInstance"):
        return parameters["DBInstanceIdentifier"] in (f"{TARGET}-1", f"{TARGET}-2")
    return bool(parameters["DBClusterIdentifier"] == TARGET)


def _step_outcomes(history: list[HistoryEvent]) -> list[tuple[str, str, str]]:
    """How each step ended in Temporal's history: step, status, and the details that the trail must have."""
    names: dict[int, str] = {}
    ended: list[tuple[str, str, str]] = []
    for event in history:
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            result = json.loads(completed.result.payloads[0].data) if completed.result.payloads else None
            if result and result.get("done"):
                ended.append((names[completed.scheduled_event_id], "SUCCESS", result["details"]))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failed = event.activity_task_failed_event_attributes
            ended.append((names[failed.scheduled_event_id], "FAILED", _short_text(failed.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            timed_out = event.activity_task_timed_out_event_attributes
            ended.append((names[timed_out.scheduled_event_id], "FAILED", _short_text(timed_out.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            ended.append(
                (names[event.activity_task_canceled_event_attributes.scheduled_event_id], "FAILED", "Cancelled")
            )
    steps = {step.value for step in Step}
    return [outcome for outcome in ended if outcome[0] in steps]


def _short_text(failure: Failure) -> str:
    """The details that the trail must have; empty for a timeout without a cause, whose text the trail chooses."""
    details = failure.application_failure_info.details.payloads
    if details:
        return str(json.loads(details[0].data)["short"])
    return _short_text(failure.cause) if failure.HasField("cause") else ""


def _trail(observation: Observation) -> Iterator[str]:
    """The trail has the outcomes of the history, each once; after a termination it may lack some."""
    missing = _step_outcomes(observation.history)
    from_failed_run = _step_outcomes(observation.failed_run_history)
    rows = [row for row in observation.rows if row.phase is Phase.OUTCOME]
    for step, status, details in ((row.step.value, row.status.value, row.details) for row in rows):
        matches = [
            each for each in (*missing, *from_failed_run) if each[:2] == (step, status) and each[2] in ("", details)
        ]
        if not matches:
            yield f"a row that is not in the history: {step} {status} {details}"
        elif matches[0] in missing:
            missing.remove(matches[0])
    if observation.outcome not in ("terminated", "stuck"):
        yield from (f"no row for {step} {status} {details}" for step, status, details in missing)
    keys = Counter(row.event_key for row in observation.rows)
    yield from (f"two rows under {key}" for key, times in keys.items() if times > 1)
    if _effective_calls(observation, "DeleteDBCluster") and not any(
        row.step is Step.DELETE_RDS and row.phase is Phase.INTENT and row.status is Status.IN_PROGRESS
        for row in observation.rows
    ):
        yield "a deletion without its intent"


def _verify(observation: Observation) -> Iterator[str]:
    """`audit verify` has no finding: rows, history and seals agree; after a termination, once it has repaired them."""
    for finding in observation.findings:
        yield (
            f"{finding.kind} {finding.step or ''} {finding.event_key or ''} {finding.field or ''}: "
            f"actual {finding.actual}, expected {finding.expected}"
        )


def _known(observation: Observation) -> Iterator[str]:
    """The campaign has faults for every AWS operation that a restore calls."""
    called = {f"{call.service}.{call.operation}" for call in observation.calls}
    yield from (
        f"the restore calls {each}, for which the campaign has no faults"
        for each in sorted(called - AWS_OPERATIONS.keys() - ONLY_AFTER_A_FAILURE)
    )


def _numbers(observation: Observation) -> Iterator[str]:
    """The operations are numbered op-001, op-002 … without gaps, each for one workflow."""
    entries = [entry for entry in observation.numbers if entry["record"].startswith("op-")]
    workflows = [entry for entry in observation.numbers if entry["record"].startswith("workflow#")]
    last = next((int(entry["last_number"]) for entry in observation.numbers if entry["record"] == "counter"), 0)
    if sorted(entry["record"] for entry in entries) != sorted(f"op-{number:03d}" for number in range(1, last + 1)):
        yield f"{len(entries)} numbers, but the counter is {last}"
    used = Counter(entry["operation_id"] for entry in workflows)
    yield from (f"{number} belongs to {times} workflows" for number, times in used.items() if times > 1)


def _not_stuck(observation: Observation) -> Iterator[str]:
    """The workflow ended, no other one runs, and no workflow task failed by an error of the workflow's code."""
    if observation.outcome in ("stuck", "timed out"):
        last_events = [EventType.Name(event.event_type) for event in observation.history[-6:]]
        yield f"{observation.outcome}; the last events: {last_events}"
    if observation.outcome != "stuck":
        yield from (f"{workflow_id} still runs" for workflow_id in observation.running)
    for event in observation.history:
        failed = event.workflow_task_failed_event_attributes
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED and failed.cause in CODE_ERRORS:
            yield f"a workflow task failed: {failed.failure.message}"


def _secrets(observation: Observation) -> Iterator[str]:
    """No password is in any history, log, row or message."""
    for place, text in observation.texts.items():
        if any(password in text for password in observation.passwords):
            yield f"a password is in the {place}"
    if not observation.passwords:
        yield "there was no password to search for"


def _message(observation: Observation) -> Iterator[str]:
    """At least one message reports the outcome, and none reports another one."""
    if observation.outcome in ("terminated", "stuck"):
        return  # a terminated workflow runs no code
    reported = [
        message["MessageAttributes"]["outcome"]["Value"]
        for message in observation.messages
        if _belongs_to(message, observation)
    ]
    if observation.outcome not in reported:
        yield f"no message reports {observation.outcome}; the messages report {reported}"
    from_failed_run = {"failed"} if observation.failed_run_history else set()
    others = set(reported) - {observation.outcome} - from_failed_run
    yield from (f"a message reports {other}" for other in sorted(others))


def _belongs_to(message: dict[str, Any], observation: Observation) -> bool:
    operation_id = message["MessageAttributes"]["operation_id"]["Value"]
    return bool(operation_id == (observation.operation_id or "unnumbered"))


PROMISES: dict[str, Callable[[Observation], Iterator[str]]] = {
    "effects": _effects,
    "nothing else": _nothing_else,
    "trail": _trail,
    "verify": _verify,
    "known": _known,
    "numbers": _numbers,
    "not stuck": _not_stuck,
    "secrets": _secrets,
}
"""The checks by the promise that they check; `message` is apart, because some faults prevent every message."""
