"""What must be true after every restore, with any faults; checked from the outside only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from activities.rds.tags import OPERATION, operation_tag
from audit.decisions import is_rollback
from devstack.aws import RecordedCall
from devstack.demo_environment import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION
from models.identifiers import DEFAULT_ENVIRONMENT, is_copy_name
from models.steps import Step
from models.swap import NEXT, OLD
from tests.chaos.aws_operations import AWS_OPERATIONS, ONLY_AFTER_A_FAILURE, ONLY_IN_A_SWAP
from tests.chaos.observation import Observation
from tests.chaos.operations import ObservedRun
from tests.chaos.run_invariants import failure_of, one_at_a_time, resets, step_outcomes, trail, verify
from tests.chaos.swap_invariants import SWAP_CHANGES, deletions, swap

READS = ("Describe", "List", "Get", "Query", "Simulate")
CHANGES = {
    "CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster", "RestoreDBClusterFromSnapshot", "CreateDBInstance",
    "ModifyDBCluster", "AddTagsToResource", "DeleteDBClusterSnapshot", "Publish", "PutItem", "TransactWriteItems",
}  # fmt: skip
"""Every operation with which a restore may change something."""
INSTANCE = re.compile(rf"{TARGET}(-op-[0-9]+)?-[12]")
"""The target's instances: a swap puts the operation into their names."""
CODE_ERRORS = {WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
               WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE}  # fmt: skip
"""Causes that are an error of the workflow's code; Temporal would repeat such a workflow task without end."""


def broken_promises(observation: Observation, allowed: frozenset[str], *, message_promised: bool = True) -> list[str]:
    """Every promise that the restore broke, one sentence each."""
    broken = [f"anomaly: {each}" for each in observation.anomalies]
    if observation.outcome not in allowed:
        broken.append(
            f"outcome: {observation.outcome}, expected {' or '.join(sorted(allowed))}: {failure_message(observation)}"
        )
    broken += [f"{name}: {text}" for name, check in PROMISES.items() for text in check(observation)]
    if message_promised:
        broken += [f"message: {text}" for text in _message(observation)]
    return broken


def failure_message(observation: Observation) -> str:
    """The error of the newest run; empty if it did not fail."""
    return failure_of(observation.operation.newest)


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
        counts = Counter(call.parameters[name] for call in observation.effective_calls(operation))
        yield from (
            f"{operation} of {identifier} took effect {times} times"
            for identifier, times in counts.items()
            if times > 1
        )
    if observation.watch is not None:
        yield from deletions(observation)
    elif "RestoreDBClusterFromSnapshot" in order:
        later = order[order.index("RestoreDBClusterFromSnapshot") :]
        yield from (f"{each} after the restore" for each in later if each in ("DeleteDBCluster", "DeleteDBInstance"))
    if len(observation.operations) == 1:
        yield from _effects_of_one_operation(observation)
    if observation.outcome == "succeeded":
        yield from _replaced(observation)


def _effects_of_one_operation(observation: Observation) -> Iterator[str]:
    """Each step that succeeded has had its effect, once."""
    succeeded = {
        step for history in observation.histories for step, status, _ in step_outcomes(history) if status == "SUCCESS"
    }
    for step, operation in (
        ("copy-snapshot", "CopyDBClusterSnapshot"), ("restore-snapshot", "RestoreDBClusterFromSnapshot"),
    ):  # fmt: skip
        effects = len(observation.effective_calls(operation))
        if step in succeeded and effects != 1:
            yield f"{step} succeeded with {effects} effects"
    deletions = len(observation.effective_calls("DeleteDBCluster"))
    if "delete-rds" in succeeded and observation.before.target and deletions != 1:
        yield f"delete-rds succeeded with {deletions} deletions"


def _replaced(observation: Observation) -> Iterator[str]:
    """The target is another cluster than before, restored by this operation, with everything that it had."""
    is_older = observation.history[0].event_time.ToDatetime(UTC) < observation.started_at
    if is_older and not any(
        step == Step.ARCHIVE_SNAPSHOT for step, *_ in step_outcomes(observation.history, observation.started_at)
    ):
        return  # an older run that was reset to after its last change only sends its notification again
    old, new = observation.before.target, observation.after.target
    if new is None or new["Status"] != "available":
        yield f"the restore succeeded, but the target is {new['Status'] if new else 'missing'}"
        return
    own_tag = {"Key": OPERATION, "Value": operation_tag(DEFAULT_ENVIRONMENT, observation.operation_id or "")}
    if own_tag not in new["TagList"]:
        yield f"the restore succeeded, but the target was restored by another operation: {new['TagList']}"
    if not is_older and old is not None and old["DbClusterResourceId"] == new["DbClusterResourceId"]:
        yield "the restore succeeded, but the target is the old one"
    actual, expected = observation.settings, observation.expected_settings
    yield from (
        f"{name} was {expected.get(name)} and came back as {actual.get(name)}"
        for name in actual.keys() | expected.keys()
        if actual.get(name) != expected.get(name)
    )
    if not is_older and not observation.users_read_new_row:
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
        known = CHANGES | SWAP_CHANGES if observation.watch is not None else CHANGES
        if call.operation not in known or call.region != TARGET_REGION:
            yield f"{call.service} {call.operation} in {call.region}"
        elif call.service == "rds" and not _changes_target_or_copy(call, swaps=observation.watch is not None):
            yield f"{call.operation} of {dict(call.parameters)}"


def _changes_target_or_copy(call: RecordedCall, *, swaps: bool) -> bool:
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
        return INSTANCE.fullmatch(parameters["DBInstanceIdentifier"]) is not None
    suffixes = ("", NEXT, OLD) if swaps else ("",)
    return parameters["DBClusterIdentifier"] in [TARGET + suffix for suffix in suffixes]


def _known(observation: Observation) -> Iterator[str]:
    """The campaign has faults for every AWS operation that a restore calls."""
    called = {f"{call.service}.{call.operation}" for call in observation.calls}
    yield from (
        f"the restore calls {each}, for which the campaign has no faults"
        for each in sorted(called - AWS_OPERATIONS.keys() - ONLY_AFTER_A_FAILURE - ONLY_IN_A_SWAP)
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
    for event in (event for history in observation.histories for event in history):
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
    if observation.outcome in ("terminated", "deleted", "stuck"):
        return  # a terminated workflow runs no code
    if _is_notified_before(observation):
        return  # an older run that was reset to after its notification
    reported = [
        message["MessageAttributes"]["outcome"]["Value"]
        for message in observation.messages
        if _belongs_to(message, observation)
    ]
    if observation.outcome not in reported:
        yield f"no message reports {observation.outcome}; the messages report {reported}"
    earlier = {run.outcome for run in observation.operation.runs}
    if any(_has_begun(run, Step.SNS_NOTIFICATION) for run in observation.operation.runs[:-1]):
        earlier.add("succeeded")  # it was ended by force after it had sent its message
    if any(map(is_rollback, observation.rows)):
        earlier.add("succeeded")  # an operator rolled it back after its message
    others = set(reported) - {observation.outcome} - earlier
    yield from (f"a message reports {other}" for other in sorted(others))


def _has_begun(run: ObservedRun, step: Step) -> bool:
    names = {event.activity_task_scheduled_event_attributes.activity_type.name for event in run.history}
    return step.value in names


def _is_notified_before(observation: Observation) -> bool:
    before = [event for event in observation.history if event.event_time.ToDatetime(UTC) < observation.started_at]
    return any(step == Step.SNS_NOTIFICATION and status == "SUCCESS" for step, status, _ in step_outcomes(before))


def _belongs_to(message: dict[str, Any], observation: Observation) -> bool:
    operation_id = message["MessageAttributes"]["operation_id"]["Value"]
    return bool(operation_id == (observation.operation_id or "unnumbered"))


PROMISES: dict[str, Callable[[Observation], Iterator[str]]] = {
    "effects": _effects,
    "swap": swap,
    "nothing else": _nothing_else,
    "trail": trail,
    "verify": verify,
    "one at a time": one_at_a_time,
    "resets": resets,
    "known": _known,
    "numbers": _numbers,
    "not stuck": _not_stuck,
    "secrets": _secrets,
}
"""The checks by the promise that they check; `message` is apart, because some faults prevent every message."""
