"""What must be true after every night, whatever came into it; seen from the outside only."""

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
from models.identifiers import COPY_NAME
from models.steps import Status, Step
from tests.chaos.observed_restore import Seen
from tests.chaos.operations import OPERATIONS

READS = ("Describe", "List", "Get", "Query")
CHANGES = {
    "CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster", "RestoreDBClusterFromSnapshot", "CreateDBInstance",
    "ModifyDBCluster", "AddTagsToResource", "DeleteDBClusterSnapshot", "Publish", "PutItem", "TransactWriteItems",
}  # fmt: skip
"""Everything that a night may change."""
SUCCEEDED = frozenset({"succeeded"})
OURS = {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE}  # fmt: skip
"""Workflow tasks that fail so are an error of the workflow's code; Temporal would repeat them for ever."""


def broken(seen: Seen, allowed: frozenset[str], *, message_promised: bool = True) -> list[str]:
    """Every promise that this night broke, a sentence each."""
    found = [f"strange: {each}" for each in seen.strange]
    if seen.outcome not in allowed:
        found.append(f"ending: {seen.outcome}, expected {' or '.join(sorted(allowed))}: {_failure_text(seen)}")
    found += [f"{name}: {text}" for name, promise in PROMISES.items() for text in promise(seen)]
    if message_promised:
        found += [f"message: {text}" for text in _message(seen)]
    return found


def _failure_text(seen: Seen) -> str:
    last = seen.history[-1]
    return last.workflow_execution_failed_event_attributes.failure.message


def _done(seen: Seen, name: str) -> list[RecordedCall]:
    return [call for call in seen.calls if call.operation == name and call.carried_out]


def _effects(seen: Seen) -> Iterator[str]:
    """One copy, one deletion, one restore; the deletion before the restore, and never of what was restored."""
    order = [call.operation for call in seen.calls if call.carried_out]
    for operation, name in (
        ("CopyDBClusterSnapshot", "TargetDBClusterSnapshotIdentifier"),
        ("DeleteDBInstance", "DBInstanceIdentifier"),
        ("DeleteDBCluster", "DBClusterIdentifier"),
        ("RestoreDBClusterFromSnapshot", "DBClusterIdentifier"),
        ("CreateDBInstance", "DBInstanceIdentifier"),
    ):
        counted = Counter(call.parameters[name] for call in _done(seen, operation))
        yield from (
            f"{operation} of {which} took effect {times} times" for which, times in counted.items() if times > 1
        )
    if "RestoreDBClusterFromSnapshot" in order:
        later = order[order.index("RestoreDBClusterFromSnapshot") :]
        yield from (f"{each} after the restore" for each in later if each in ("DeleteDBCluster", "DeleteDBInstance"))
    done = {step for step, status, _ in _outcomes(seen.history) if status == "SUCCESS"}
    for step, operation in (
        ("copy-snapshot", "CopyDBClusterSnapshot"), ("restore-snapshot", "RestoreDBClusterFromSnapshot"),
    ):  # fmt: skip
        if step in done and len(_done(seen, operation)) != 1:
            yield f"{step} succeeded with {len(_done(seen, operation))} effects"
    if "delete-rds" in done and seen.targets[0] and len(_done(seen, "DeleteDBCluster")) != 1:
        yield "delete-rds succeeded without a deletion"
    if seen.outcome == "succeeded":
        yield from _replaced(seen)


def _replaced(seen: Seen) -> Iterator[str]:
    old, new = seen.targets
    if new is None or new["Status"] != "available":
        yield f"the night succeeded, and the target is {new['Status'] if new else 'gone'}"
    elif old is not None and old["DbClusterResourceId"] == new["DbClusterResourceId"]:
        yield "the night succeeded, and the target is the old one"
    if not seen.users_see:
        yield "the night succeeded, and its users do not see tonight's data"


def _nothing_else(seen: Seen) -> Iterator[str]:
    """The source and the bystander are as before, and no call changed anything but the target and its copies."""
    before, after = seen.pictures
    yield from (
        f"{name} changed: {before[name]} became {after[name]}" for name in before if before[name] != after[name]
    )
    for call in seen.calls:
        if call.operation.startswith(READS):
            continue
        if call.operation not in CHANGES or call.region != TARGET_REGION:
            yield f"{call.service} {call.operation} in {call.region}"
        elif call.service == "rds" and not _is_targets(call):
            yield f"{call.operation} of {dict(call.parameters)}"


def _is_targets(call: RecordedCall) -> bool:
    of = call.parameters
    if call.operation == "CopyDBClusterSnapshot":
        source = of["SourceDBClusterSnapshotIdentifier"]
        ours = COPY_NAME.fullmatch(of["TargetDBClusterSnapshotIdentifier"])
        return ours is not None and f":{SOURCE_REGION}:" in source and f"rds:{SOURCE}-" in source
    if call.operation == "DeleteDBClusterSnapshot":
        return COPY_NAME.fullmatch(of["DBClusterSnapshotIdentifier"]) is not None
    if call.operation == "AddTagsToResource":
        return COPY_NAME.fullmatch(of["ResourceName"].rpartition(":")[2]) is not None
    if call.operation in ("DeleteDBInstance", "CreateDBInstance"):
        return of["DBInstanceIdentifier"] in (f"{TARGET}-1", f"{TARGET}-2")
    return bool(of["DBClusterIdentifier"] == TARGET)


def _outcomes(history: list[HistoryEvent]) -> list[tuple[str, str, str]]:
    """How each step ended as Temporal knows it: step, status, the text of the trail."""
    names: dict[int, str] = {}
    ended: list[tuple[str, str, str]] = []
    for event in history:
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            answer = json.loads(completed.result.payloads[0].data) if completed.result.payloads else None
            if answer and answer.get("done"):
                ended.append((names[completed.scheduled_event_id], "SUCCESS", answer["details"]))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failed = event.activity_task_failed_event_attributes
            ended.append((names[failed.scheduled_event_id], "FAILED", _short(failed.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            late = event.activity_task_timed_out_event_attributes
            ended.append((names[late.scheduled_event_id], "FAILED", _short(late.failure)))
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            ended.append(
                (names[event.activity_task_canceled_event_attributes.scheduled_event_id], "FAILED", "Cancelled")
            )
    steps = {step.value for step in Step}
    return [outcome for outcome in ended if outcome[0] in steps]


def _short(failure: Failure) -> str:
    """The text that the trail should have; empty for a timeout without a cause, whose text is the trail's own."""
    details = failure.application_failure_info.details.payloads
    if details:
        return str(json.loads(details[0].data)["short"])
    return _short(failure.cause) if failure.HasField("cause") else ""


def _trail(seen: Seen) -> Iterator[str]:
    """The trail says what the history says; after a terminate, nothing that the history does not say."""
    expected = _outcomes(seen.history)
    before_retry = _outcomes(seen.earlier)
    rows = [row for row in seen.rows if row.phase is Phase.OUTCOME]
    found = [(row.step.value, row.status.value, row.details) for row in rows]
    missing = list(expected)
    for step, status, details in found:
        matches = [
            each for each in (*missing, *before_retry) if each[:2] == (step, status) and each[2] in ("", details)
        ]
        if not matches:
            yield f"a row that the history does not know: {step} {status} {details}"
        elif matches[0] in missing:
            missing.remove(matches[0])
    if seen.outcome not in ("terminated", "stuck"):
        yield from (f"no row for {step} {status} {details}" for step, status, details in missing)
    keys = Counter(row.event_key for row in seen.rows)
    yield from (f"two rows under {key}" for key, times in keys.items() if times > 1)
    if _done(seen, "DeleteDBCluster") and not any(
        row.step is Step.DELETE_RDS and row.phase is Phase.INTENT and row.status is Status.IN_PROGRESS
        for row in seen.rows
    ):
        yield "a deletion without its intent"


def _verify(seen: Seen) -> Iterator[str]:
    """`audit verify` finds nothing: rows, history and seals agree; after a terminate, once it has repaired."""
    for of in seen.findings:
        yield f"{of.kind} {of.step or ''} {of.event_key or ''} {of.field or ''}: actual {of.actual}, expected {of.expected}"


def _known(seen: Seen) -> Iterator[str]:
    """The campaign has faults for every operation that a night calls."""
    called = {f"{call.service}.{call.operation}" for call in seen.calls}
    yield from (
        f"{each} is called, and the campaign has no faults for it" for each in sorted(called - OPERATIONS.keys())
    )


def _numbers(seen: Seen) -> Iterator[str]:
    """op-001, op-002 …, each of one workflow, without gaps."""
    entries = [entry for entry in seen.numbers if entry["record"].startswith("op-")]
    workflows = [entry for entry in seen.numbers if entry["record"].startswith("workflow#")]
    last = next((int(entry["last_number"]) for entry in seen.numbers if entry["record"] == "counter"), 0)
    if sorted(entry["record"] for entry in entries) != sorted(f"op-{number:03d}" for number in range(1, last + 1)):
        yield f"{len(entries)} numbers, and the counter says {last}"
    taken = Counter(entry["operation_id"] for entry in workflows)
    yield from (f"{number} belongs to {times} workflows" for number, times in taken.items() if times > 1)


def _not_stuck(seen: Seen) -> Iterator[str]:
    """The workflow ended, no other goes on, and no workflow task failed by our own doing."""
    if seen.outcome in ("stuck", "timed out"):
        yield f"{seen.outcome}; the last events: {[EventType.Name(event.event_type) for event in seen.history[-6:]]}"
    yield from (f"{each} is still running" for each in seen.running if seen.outcome != "stuck")
    for event in seen.history:
        failed = event.workflow_task_failed_event_attributes
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED and failed.cause in OURS:
            yield f"a workflow task failed: {failed.failure.message}"


def _secrets(seen: Seen) -> Iterator[str]:
    """No password that was planted stands in any place."""
    for place, text in seen.raw.items():
        if any(password in text for password in seen.planted):
            yield f"a password stands in the {place}"
    if not seen.planted:
        yield "no password was planted"


def _message(seen: Seen) -> Iterator[str]:
    """One message at least, and none that tells another ending."""
    told = [message["MessageAttributes"]["outcome"]["Value"] for message in seen.messages if _is_of(message, seen)]
    if seen.outcome in ("terminated", "stuck"):
        return  # terminate runs nothing
    if seen.outcome not in told:
        yield f"none says {seen.outcome}; they say {told}"
    before = {"failed"} if seen.earlier else set()
    yield from (f"one says {other}" for other in sorted(set(told) - {seen.outcome} - before))


def _is_of(message: dict[str, Any], seen: Seen) -> bool:
    return bool(message["MessageAttributes"]["operation_id"]["Value"] == (seen.operation_id or "unnumbered"))


PROMISES: dict[str, Callable[[Seen], Iterator[str]]] = {
    "effects": _effects,
    "nothing else": _nothing_else,
    "trail": _trail,
    "verify": _verify,
    "known": _known,
    "numbers": _numbers,
    "not stuck": _not_stuck,
    "secrets": _secrets,
}
