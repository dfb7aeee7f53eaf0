"""One row of the trail and the key that makes writing it twice the same as writing it once."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import AwareDatetime, Field

from errors import Fault
from models.model import Model
from models.steps import AuditedStep, Status, audited_step

SCHEMA_VERSION = 1

SEAL = "seal"
"""The phase of an item that is no fact about a step, but a seal over such facts (`audit.seal`)."""

ADDED_BY, ADDED_AT = "added_by", "added_at"
"""The facts that mark a row which was not written when it happened, but added from Temporal's history."""

LONGEST_TEXT, LONGEST_MESSAGE = 1_000, 20_000
"""Characters. DynamoDB refuses an item of more than 400 KB for ever, and a row is written until it is taken."""


class Phase(StrEnum):
    """Which fact about a step a row holds."""

    STARTED = "started"
    """The step began."""
    INTENT = "intent"
    """What is about to be deleted, written before the first call that does it."""
    ATTEMPT = "attempt"
    """An attempt failed; Temporal may have made another."""
    OUTCOME = "outcome"
    """How the step ended, as Temporal knows it."""
    DECISION = "decision"
    """What an operator decided of a failed step: retry, skip or abort. See audit/decisions.py."""


class AuditRow(Model):
    """A row; immutable, as the table is append-only."""

    operation_id: str
    step: AuditedStep
    phase: Phase
    status: Status
    details: str
    step_started_at: AwareDatetime
    """When the workflow came to the step, as Temporal's history keeps it in the activity's input."""
    timestamp: AwareDatetime
    """When it happened, on the Temporal server's clock."""
    attempt: int = 1
    """0 of an outcome that failed: Temporal does not tell a workflow how often it tried; the attempts' rows do.

    Of an intent it is the number of the declaration within its look: a later attempt may have found more to delete.
    """
    poll: int = 1
    workflow_id: str
    run_id: str
    duration_seconds: float | None = None
    request_ids: tuple[str, ...] = ()
    resource_arns: tuple[str, ...] = ()
    fault: Fault | None = None
    facts: dict[str, str] = Field(default={})
    """What else an auditor will ask for: the configuration of a cluster that is deleted, the digest of a file that ran."""
    schema_version: int = SCHEMA_VERSION

    @property
    def event_key(self) -> str:
        """The sort key: chronological, and the same however often the same fact is written.

        Made only of what the history holds. `timestamp` is not in it: a workflow task that is repeated, because its
        worker was killed after the write, tells the same failure at a later time. The run is in it because a reset
        workflow may end the same step differently; of a success it is the run that asked, which a reset does not change.
        """
        began, order = stamp(self.step_started_at), list(Phase).index(self.phase) + 1
        which = f"{self.poll:05d}.{self.attempt:05d}"
        return f"{began}#{self.step.number}-{self.step}#{order}-{self.phase}#{which}#{self.run_id}"

    @property
    def date(self) -> str:
        """The day (UTC), which the index for "the past ten days" has as its key."""
        return self.timestamp.astimezone(UTC).date().isoformat()


def stamp(moment: datetime) -> str:
    """A time in UTC to the millisecond, in a form that sorts as it passes."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_item(row: AuditRow) -> dict[str, Any]:
    """The row as DynamoDB stores it."""
    plain = row.model_dump(mode="json", exclude_none=True, exclude={"duration_seconds"})
    plain |= {"event_key": row.event_key, "date": row.date, "details": _cut(row.details, LONGEST_TEXT)}
    plain |= {"timestamp": stamp(row.timestamp), "step_started_at": stamp(row.step_started_at)}
    if row.fault is not None:
        plain["fault"] |= {
            "short": _cut(row.fault.short, LONGEST_TEXT),
            "message": _cut(row.fault.message, LONGEST_MESSAGE),
        }
    if row.duration_seconds is not None:
        # DynamoDB's numbers are decimals; milliseconds as a whole number are exact everywhere.
        plain["duration_ms"] = round(row.duration_seconds * 1000)
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}


def from_item(item: dict[str, Any]) -> AuditRow:
    """The row that an item of the table holds."""
    plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    milliseconds = plain.get("duration_ms")
    return AuditRow(
        operation_id=plain["operation_id"],
        step=_recorded(plain["step"]),
        phase=Phase(plain["phase"]),
        status=Status(plain["status"]),
        details=plain["details"],
        step_started_at=datetime.fromisoformat(plain["step_started_at"]),
        timestamp=datetime.fromisoformat(plain["timestamp"]),
        attempt=int(plain["attempt"]),
        poll=int(plain["poll"]),
        workflow_id=plain["workflow_id"],
        run_id=plain["run_id"],
        duration_seconds=float(milliseconds) / 1000 if milliseconds is not None else None,
        request_ids=tuple(plain["request_ids"]),
        resource_arns=tuple(plain["resource_arns"]),
        fault=Fault.model_validate(plain["fault"]) if "fault" in plain else None,
        facts=plain.get("facts", {}),
        schema_version=int(plain["schema_version"]),
    )


def _recorded(name: str) -> AuditedStep:
    if (found := audited_step(name)) is None:
        raise ValueError(f"{name} is nothing that the trail has rows of")
    return found


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… [cut, {len(text)} characters]"
