"""The evidence of one operation for an auditor: what the trail says, what it does not say, and the sealed items themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from audit.decisions import is_skip
from audit.digest import canonical_form
from audit.numbers import OpenedOperation
from audit.rows import ADDED_AT, ADDED_BY, AuditRow, Phase, from_item, stamp
from audit.seal_rows import SealLink, SealRow, from_seal_item, is_seal
from limits import shorten
from models.checks import CHECKS_FACT, read_checks
from models.steps import Status
from reports.measures import Objectives
from reports.operations import ReportedOperation, group_by_run, report_operation

FORMAT = 2
MAX_KEY = 200
"""Characters of a sort key that nobody can vouch for."""
MAX_READS = 3
"""An operation has two seals, seconds apart, and one more for each retry."""
NOT_IN_TRAIL = (
    "Proof of who started the operation: it has what they said; Temporal's history has the identity, while it is kept.",
    "Values of the checks that only search for a violation: they are named, with what was expected and none found.",
    "AWS's request ids of attempts whose worker did not report them.",
    "Whether the rows agree with Temporal's history: audit verify compares them, while the history is kept.",
)
"""Said in the evidence, so that nobody takes silence for an answer."""


class Evidence(NamedTuple):
    """One operation, and everything that the trail has of it."""

    operation: ReportedOperation
    rows: Sequence[AuditRow]
    """In chronological order."""
    seals: Sequence[SealRow]
    """Those whose digest is right."""
    items: Sequence[dict[str, Any]]
    """As DynamoDB stores them, seals too."""
    objectives: Objectives
    made_at: datetime
    trail: str
    """The trail's table and region."""
    unreadable_keys: Sequence[str] = ()
    """The sort keys of items that are neither a row nor a seal of this version."""
    chain_head: SealLink | None = None
    """The last seal of the target when the evidence was made, of this operation or of a later one."""


def read_sealed_items(
    opened: OpenedOperation,
    list_items: Callable[[str], list[dict[str, Any]]],
    find_head: Callable[[str], SealLink | None],
) -> tuple[list[dict[str, Any]], SealLink | None]:
    """The operation's items, and the head of its target's chain.

    If the operation is sealed between the two reads, the head is a seal that its items lack: then both are read again, up
    to `MAX_READS` times. A seal that is still missing was deleted.
    """
    for _ in range(MAX_READS):
        items, head = list_items(opened.operation_id), find_head(opened.target_arn)
        keys = [item.get("event_key") for item in items]
        if head is None or head.operation_id != opened.operation_id or {"S": head.event_key} in keys:
            break
    return items, head


def collect_evidence(
    opened: OpenedOperation,
    items: Sequence[dict[str, Any]],
    objectives: Objectives,
    made_at: datetime,
    trail: str,
    chain_head: SealLink | None = None,
) -> Evidence | None:
    """The evidence in an operation's items; None for a cleanup, and if it has not begun a step.

    `items` and `chain_head` are what `read_sealed_items` returns.
    An item that cannot be read is a gap; it is in the evidence as it is stored.
    """
    rows: list[AuditRow] = []
    unreadable: list[str] = []
    for item in items:
        if is_seal(item):
            continue
        try:
            rows.append(from_item(item))
        except (KeyError, TypeError, ValueError):
            unreadable.append(str(item.get("event_key", {}).get("S", "without a key")))
    operation = report_operation(opened, rows)
    if operation is None:
        return None
    seals = [seal for seal in map(from_seal_item, filter(is_seal, items)) if seal is not None]
    seals.sort(key=lambda seal: seal.number)
    return Evidence(operation, rows, seals, items, objectives, made_at, trail, unreadable, chain_head)


def to_document(evidence: Evidence) -> dict[str, Any]:
    """The evidence as an object of JSON. Durations are in seconds, times in UTC; null is what is not known."""
    operation = evidence.operation
    return {
        "format": FORMAT,
        "operation_id": operation.operation_id,
        "made_at": stamp(evidence.made_at),
        "trail": evidence.trail,
        "restore": {
            "outcome": operation.outcome.value,
            "drill": operation.summary.drill,
            "source_arn": operation.source_arn,
            "snapshot_arn": operation.snapshot_arn,
            "started_by": operation.started_by,
            "snapshot_created_at": _stamp(operation.snapshot_created_at),
            "target_arn": operation.target_arn,
            "workflow_id": operation.opened.workflow_id,
            "run_ids": list(dict.fromkeys(row.run_id for row in evidence.rows)),
            "began_at": stamp(operation.began_at),
            "handed_over_at": _stamp(operation.summary.restored_at),
            "users_could_log_in_at": _stamp(operation.ready_at),
            "last_row_at": stamp(operation.summary.at),
            "resource_arns": list(dict.fromkeys(arn for row in evidence.rows for arn in row.resource_arns)),
        },
        "decisions": [_decision(row) for row in evidence.rows if row.phase is Phase.DECISION],
        "steps": [_step(rows) for rows in group_by_run(evidence.rows)],
        "measures": {
            "restore_time": _measure(operation.restore_time, evidence.objectives.rto),
            "data_age": _measure(operation.data_age, evidence.objectives.rpo),
        },
        "gaps": list(find_gaps(evidence)),
        "not_in_trail": list(NOT_IN_TRAIL),
        "seals": [
            {
                "number": seal.number,
                "digest": seal.digest,
                "sealed_at": stamp(seal.sealed_at),
                "sealed_by": seal.sealed_by,
                "row_count": len(seal.covered_rows),
            }
            for seal in evidence.seals
        ],
        "chain_head": _head(evidence.chain_head),
        "items": [json.loads(canonical_form(item)) for item in evidence.items],
    }


def _head(head: SealLink | None) -> dict[str, Any] | None:
    return head.model_dump(mode="json", exclude={"expires_at"}) if head else None


def find_gaps(evidence: Evidence) -> Iterator[str]:
    """What an auditor may ask about, a sentence each."""
    operation = evidence.operation
    if operation.snapshot_arn is None:
        yield "Which snapshot was restored is not known: the trail has no success of snapshot-check that names one."
    elif operation.snapshot_created_at is None:
        yield "When the snapshot was taken is not known: the trail has no time of it."
    if operation.is_drill:
        if operation.ready_at is None:
            yield f"The drill did not restore its cluster: it is {operation.outcome}, at {operation.summary.step}."
    elif operation.summary.restored_at is None:
        yield f"The target was not handed over: the operation is {operation.outcome}, at {operation.summary.step}."
    for key in evidence.unreadable_keys:
        yield f"The item {shorten(key, MAX_KEY)} cannot be read as a row of the trail: evidence.json has it as it is stored."
    for row in evidence.rows:
        yield from _gaps_of_row(row)
    for run in operation.runs:
        if run.ended_at is None:
            yield f"{run.step}, begun at {stamp(run.started_at)}, has no end in the trail."
    yield from _gaps_of_seals(evidence)


def split_decision(details: str) -> tuple[str, str | None, str | None]:
    """What was decided, by whom and why, as `audit.decisions.decision_text` joins them; None is what is not said."""
    decision, _, who_and_why = details.partition(", decided by ")
    who, _, why = who_and_why.partition(": ")
    return decision, who or None, why or None


def _gaps_of_seals(evidence: Evidence) -> Iterator[str]:
    seal_count = sum(map(is_seal, evidence.items))
    if not seal_count:
        yield "The operation has no seal: nothing shows whether its rows were changed."
        return
    if seal_count > len(evidence.seals):
        yield f"{seal_count - len(evidence.seals)} seals do not match their own digest."
    covered = {each.event_key for seal in evidence.seals for each in seal.covered_rows}
    for row in evidence.rows:
        if row.event_key not in covered:
            yield f"No seal covers the row {row.event_key}."


def _gaps_of_row(row: AuditRow) -> Iterator[str]:
    if row.status is Status.FAILED and row.phase in (Phase.ATTEMPT, Phase.OUTCOME):
        what = f"Attempt {row.attempt} of {row.step}" if row.phase is Phase.ATTEMPT else str(row.step)
        yield f"{what} failed at {stamp(row.timestamp)}: {row.details}"
    if is_skip(row):
        yield f"{row.step} was skipped at {stamp(row.timestamp)}: {row.details}"
    if ADDED_BY in row.facts:
        added_at = row.facts.get(ADDED_AT, "a time that is not known")
        yield f"The row {row.event_key} was added later, by {row.facts[ADDED_BY]} at {added_at}."


def _decision(row: AuditRow) -> dict[str, Any]:
    decision, who, why = split_decision(row.details)
    return {
        "step": row.step.value,
        "decided_at": stamp(row.timestamp),
        "decision": decision,
        "by": who,
        "reason": why,
        "text": row.details,
        "event_key": row.event_key,
    }


def _step(rows: Sequence[AuditRow]) -> dict[str, Any]:
    """One run of a step; after a reset it can have two ends, of which the last one counts."""
    outcomes = [row for row in rows if row.phase is Phase.OUTCOME]
    last = max(outcomes, key=lambda row: row.timestamp) if outcomes else rows[-1]
    return {
        "step": last.step.value,
        "status": (last.status if outcomes else Status.IN_PROGRESS).value,
        "details": last.details,
        "began_at": stamp(last.step_started_at),
        "ended_at": stamp(last.timestamp) if outcomes else None,
        # The trail has 0 for an outcome FAILED: Temporal does not tell the workflow.
        "attempts": (last.attempt or None) if outcomes else None,
        "polls": last.poll,
        "failed_attempts": [
            {"attempt": row.attempt, "poll": row.poll, "at": stamp(row.timestamp), "fault": _fault(row)}
            for row in rows
            if row.phase is Phase.ATTEMPT
        ],
        "request_ids": list(dict.fromkeys(each for row in rows for each in _request_ids(row))),
        "resource_arns": list(dict.fromkeys(arn for row in rows for arn in row.resource_arns)),
        "fault": _fault(last),
        "checks": [each.fields for each in dict.fromkeys(check for row in rows for check in read_checks(row.facts))],
        "facts": {name: fact for name, fact in last.facts.items() if name != CHECKS_FACT},
        "event_keys": [row.event_key for row in rows],
    }


def _request_ids(row: AuditRow) -> Iterator[str]:
    yield from row.request_ids
    if row.fault is not None and row.fault.request_id:
        yield row.fault.request_id


def _fault(row: AuditRow) -> dict[str, Any] | None:
    return row.fault.model_dump(mode="json") if row.fault else None


def _measure(measured: timedelta | None, objective: timedelta | None) -> dict[str, Any]:
    return {
        "measured_seconds": _seconds(measured),
        "objective_seconds": _seconds(objective),
        "met": measured <= objective if measured is not None and objective is not None else None,
    }


def _seconds(span: timedelta | None) -> float | None:
    return span.total_seconds() if span is not None else None


def _stamp(moment: datetime | None) -> str | None:
    return stamp(moment) if moment else None
