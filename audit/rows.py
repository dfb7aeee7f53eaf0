"""One row of the trail, its sort key, and its form in DynamoDB."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import AwareDatetime, Field

from errors import Fault
from limits import MAX_DETAILS, shorten
from models.drill import DRILL_FACT
from models.model import Model
from models.steps import AuditedStep, Status, audited_step

SCHEMA_VERSION = 1

SEAL = "seal"
"""The phase of an item that is a seal, see `audit.seal_rows`."""
EXPIRES_AT = "expires_at"
"""The attribute with an item's time to live: seconds since 1970 after which DynamoDB may delete it."""

ADDED_BY, ADDED_AT = "added_by", "added_at"
"""The facts of a row that `audit verify --repair` added from Temporal's history: by what, and when."""


class Phase(StrEnum):
    """What a row records of a step."""

    STARTED = "started"
    """The step began."""
    INTENT = "intent"
    """What the step is about to delete; written before the first call that deletes."""
    ATTEMPT = "attempt"
    """An attempt of the step's activity failed; Temporal may have made another."""
    OUTCOME = "outcome"
    """How the step ended, as Temporal's history records it."""
    DECISION = "decision"
    """What an operator decided about a failed step: retry, skip or abort. See `audit.decisions`."""


class AuditRow(Model):
    """One row. Immutable, because the table is append-only."""

    operation_id: str
    step: AuditedStep
    phase: Phase
    status: Status
    details: str
    step_started_at: AwareDatetime
    """When the workflow began the step, on the Temporal server's clock; recorded in the activity's input."""
    timestamp: AwareDatetime
    """When the recorded event happened, on the Temporal server's clock."""
    attempt: int = 1
    """The attempt of the step's activity. 0 for an outcome FAILED, because Temporal does not report it to the workflow.

    For an intent: the number of the declaration within its poll, because a later attempt may find more to delete.
    """
    poll: int = 1
    """The poll within the step; 1 is its first activity."""
    workflow_id: str
    run_id: str
    duration_seconds: float | None = None
    request_ids: tuple[str, ...] = ()
    resource_arns: tuple[str, ...] = ()
    fault: Fault | None = None
    facts: dict[str, str] = Field(default={})
    """Further evidence by name, such as the settings of a deleted cluster or the digest of an SQL file that ran."""
    schema_version: int = SCHEMA_VERSION

    @property
    def drill(self) -> str | None:
        """The name of a drill's cluster, if the row is of a drill and says so."""
        return self.facts.get(DRILL_FACT)

    @property
    def event_key(self) -> str:
        """The sort key: chronological, and equal however often the same fact is written.

        It is made only of what Temporal's history holds. `timestamp` is not part of it: if a worker is killed after the
        write, the repeated workflow task writes the same failure at a later time. The run is part of it, because a reset
        workflow may end the same step differently; for a SUCCESS it is the run that scheduled the activity, which a
        reset does not change.
        """
        started_at, order = stamp(self.step_started_at), list(Phase).index(self.phase) + 1
        count = f"{self.poll:05d}.{self.attempt:05d}"
        return f"{started_at}#{self.step.number}-{self.step}#{order}-{self.phase}#{count}#{self.run_id}"

    @property
    def date(self) -> str:
        """The day of `timestamp` (UTC), which is the partition key of the index by date."""
        return self.timestamp.astimezone(UTC).date().isoformat()


def stamp(moment: datetime) -> str:
    """A time (aware) as text: UTC, cut to milliseconds, so that texts sort chronologically."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_item(row: AuditRow) -> dict[str, Any]:
    """The row as DynamoDB stores it; long texts are cut."""
    plain = row.model_dump(mode="json", exclude_none=True, exclude={"duration_seconds"})
    plain |= {"event_key": row.event_key, "date": row.date, "details": shorten(row.details, MAX_DETAILS)}
    plain |= {"timestamp": stamp(row.timestamp), "step_started_at": stamp(row.step_started_at)}
    if row.duration_seconds is not None:
        # DynamoDB's numbers are decimals; milliseconds as a whole number are exact everywhere.
        plain["duration_ms"] = round(row.duration_seconds * 1000)
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}


def from_item(item: dict[str, Any]) -> AuditRow:
    """The row that an item of the table holds.

    Raises `KeyError`, `TypeError` or `ValueError` if the item is not a row.
    """
    plain = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    milliseconds = plain.get("duration_ms")
    return AuditRow(
        operation_id=plain["operation_id"],
        step=_to_step(plain["step"]),
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


def _to_step(name: str) -> AuditedStep:
    step = audited_step(name)
    if step is None:
        raise ValueError(f"{name!r} is not the name of an audited step")
    return step
