"""What a restore will ask of IAM follows from its request."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from activities.preflight.accesses import RestoreAccesses
from models.masking import Masking
from models.request import RestoreRequest
from models.snapshots import SnapshotCheckInput
from tests.unit.preflight.test_plan_page import REQUEST


def test_the_masking_key_is_read_like_the_other_secrets() -> None:
    """IAM is asked about it before anything is deleted."""
    request = RestoreRequest.model_validate_json(json.dumps(REQUEST))
    step_input = SnapshotCheckInput(
        operation_id="op-001",
        step_started_at=datetime(2024, 3, 20, tzinfo=UTC),
        source=request.source,
        target=request.target,
        users=(),
        masking=Masking(file="masking.toml", key_secret_id="staging/masking"),
        notification=request.notification,
        copy_needed=True,
    )
    nothing: object = None
    accesses = RestoreAccesses(step_input, nothing, nothing, "op-001")  # type: ignore[arg-type]
    asked = [access.resource for access in accesses._read_secrets()]
    assert f"arn:aws:secretsmanager:eu-central-1:{request.target.account_id}:secret:staging/masking-abcdef" in asked
