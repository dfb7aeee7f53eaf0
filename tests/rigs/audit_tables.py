"""Rows of the trail for tests, and Hypothesis strategies for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from audit.rows import AuditRow, Phase
from errors import Fault
from models.steps import Status, Step
from tests.rigs.requests import CANONICAL_ID

START = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
"""When the operations of these rows begin."""


def row(**changes: Any) -> AuditRow:
    """The outcome of a step that succeeded, with these changes."""
    fields: dict[str, Any] = {
        "operation_id": "op-001",
        "step": Step.COPY_SNAPSHOT,
        "phase": Phase.OUTCOME,
        "status": Status.SUCCESS,
        "details": "Started copy to target region",
        "timestamp": START,
        "workflow_id": CANONICAL_ID,
        "run_id": "0190e8b0-0000-7000-8000-000000000001",
    }
    fields |= changes
    return AuditRow(**({"step_started_at": fields["timestamp"]} | fields))


MOMENTS = st.integers(0, 2**41).map(lambda since: datetime(1970, 1, 2, tzinfo=UTC) + timedelta(milliseconds=since))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
FAULTS = st.builds(Fault, type=TEXTS, short=TEXTS, message=TEXTS, code=st.none() | TEXTS, request_id=st.none() | TEXTS)
ROWS = st.builds(
    AuditRow,
    operation_id=st.integers(1, 99_999).map(lambda number: f"op-{number:03d}"),
    step=st.sampled_from(Step),
    phase=st.sampled_from(Phase),
    status=st.sampled_from(Status),
    details=TEXTS,
    step_started_at=MOMENTS,
    timestamp=MOMENTS,
    attempt=st.integers(1, 10_000),
    poll=st.integers(1, 10_000),
    workflow_id=TEXTS,
    run_id=TEXTS,
    duration_seconds=st.none() | st.integers(0, 90_000_000).map(lambda milliseconds: milliseconds / 1000),
    request_ids=st.lists(TEXTS, max_size=3).map(tuple),
    resource_arns=st.lists(TEXTS, max_size=3).map(tuple),
    fault=st.none() | FAULTS,
    schema_version=st.just(1),
)


def later(**after: float) -> datetime:
    """A time after `START`, by these parts of a timedelta."""
    return START + timedelta(**after)
