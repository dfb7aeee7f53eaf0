"""What a restore will ask of IAM follows from its request."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from activities.preflight.accesses import RestoreAccesses, secret_accesses
from models.archive import Archive, Notification
from models.masking import Masking
from models.request import RestoreRequest
from models.snapshots import SnapshotCheckInput
from tests.unit.preflight.test_plan_page import REQUEST, SNAPSHOT


def test_a_masked_archive_asks_for_its_own_statements() -> None:
    """To share is asked only where the request names accounts, and the copy is not tagged, since it does not stay."""
    request = RestoreRequest.model_validate_json(json.dumps(REQUEST))
    statements = {}
    for accounts in ((), ("555566667777",)):
        step_input = SnapshotCheckInput(
            operation_id="op-001",
            step_started_at=SNAPSHOT.created_at,
            source=request.source,
            target=request.target,
            users=(),
            notification=request.notification,
            archive=Archive(masked=True, share_with=accounts),
            copy_needed=True,
        )
        nothing: object = None
        accesses = RestoreAccesses(step_input, SNAPSHOT, nothing, "aurora-restore/op-001")  # type: ignore[arg-type]
        accesses.__dict__["_restored_tags"] = {}
        statements[accounts] = [(access.action, access.statement) for access in accesses._archive_snapshot()]
    share = ("rds:ModifyDBClusterSnapshotAttribute", "ShareAndPruneMaskedSnapshots")
    assert statements[()] == [
        ("rds:CreateDBClusterSnapshot", "SnapshotTheMaskedTarget"),
        ("rds:CreateDBClusterSnapshot", "CreateTheMaskedSnapshot"),
        ("rds:AddTagsToResource", "CreateTheMaskedSnapshot"),
        ("rds:DeleteDBClusterSnapshot", "ShareAndPruneMaskedSnapshots"),
        ("rds:DeleteDBClusterSnapshot", "RestoreFromAndPruneCopies"),
    ]
    assert set(statements["555566667777",]) - set(statements[()]) == {share}


def test_the_masking_key_and_the_webhook_are_read_like_the_other_secrets() -> None:
    """IAM is asked about it before anything is deleted."""
    request = RestoreRequest.model_validate_json(json.dumps(REQUEST))
    step_input = SnapshotCheckInput(
        operation_id="op-001",
        step_started_at=datetime(2024, 3, 20, tzinfo=UTC),
        source=request.source,
        target=request.target,
        users=(),
        masking=Masking(file="masking.toml", key_secret_id="staging/masking"),
        notification=Notification(webhook_secret_id="staging/webhook"),
        copy_needed=True,
    )
    asked = [access.resource for access in secret_accesses(step_input, request.target)]
    secrets = f"arn:aws:secretsmanager:eu-central-1:{request.target.account_id}:secret:staging"
    assert {f"{secrets}/masking-abcdef", f"{secrets}/webhook-abcdef"} <= set(asked)
