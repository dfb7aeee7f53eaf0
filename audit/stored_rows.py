"""The part of a row that the report of days shows: read by the hundred thousand, so only what is shown is read."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer

from audit.rows import Phase
from errors import Fault
from models.drill import DRILL_FACT
from models.steps import AuditedStep, Status, audited_step

STORED_ATTRIBUTES = (
    "operation_id",
    "event_key",
    "step",
    "phase",
    "status",
    "details",
    "timestamp",
    "attempt",
    "fault",
    "workflow_id",
)


class StoredRow(NamedTuple):
    """A row of the trail, without its evidence."""

    operation_id: str
    event_key: str
    step: AuditedStep
    phase: Phase
    status: Status
    details: str
    timestamp: datetime
    attempt: int
    fault: Fault | None
    workflow_id: str
    drill: str | None = None

    @property
    def step_started_at(self) -> datetime:
        """When the workflow began the step; the sort key begins with it."""
        return datetime.fromisoformat(self.event_key.partition("#")[0])

    @property
    def run_id(self) -> str:
        """The workflow run; the sort key ends with it."""
        return self.event_key.rpartition("#")[2]


def from_stored_item(item: dict[str, Any]) -> StoredRow:
    """The row in an item with the `STORED_ATTRIBUTES`.

    Raises `KeyError`, `TypeError` or `ValueError` if the item is not a row.
    """
    fault = item.get("fault")
    return StoredRow(
        operation_id=item["operation_id"]["S"],
        event_key=item["event_key"]["S"],
        step=_to_step(item["step"]["S"]),
        phase=Phase(item["phase"]["S"]),
        status=Status(item["status"]["S"]),
        details=item["details"]["S"],
        timestamp=datetime.fromisoformat(item["timestamp"]["S"]),
        attempt=int(item["attempt"]["N"]),
        fault=Fault.model_validate(TypeDeserializer().deserialize(fault)) if fault else None,
        workflow_id=item["workflow_id"]["S"],
        drill=item.get("facts", {}).get("M", {}).get(DRILL_FACT, {}).get("S"),
    )


@cache
def _to_step(name: str) -> AuditedStep:
    step = audited_step(name)
    if step is None:
        raise ValueError(f"{name!r} is not the name of an audited step")
    return step
