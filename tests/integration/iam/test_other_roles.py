"""Worker, operator and the source's role try what they must not do: change the trail, the source, or become another role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.rigs.iam.deployments import SOURCE_CLUSTER, Deployment
from tests.rigs.iam.refusals import assert_denied_by, assert_not_allowed, refusal_of, role_client

pytestmark = pytest.mark.usefixtures("without_read_guard")

TABLE = "aurora-restore-audit"
KEY = {"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}
WHERE = "WHERE operation_id='op-001' AND event_key='-'"
CHANGES: Mapping[str, Callable[[Any], Any]] = {
    "UpdateItem": lambda dynamodb: dynamodb.update_item(TableName=TABLE, Key=KEY),
    "DeleteItem": lambda dynamodb: dynamodb.delete_item(TableName=TABLE, Key=KEY),
    "BatchWriteItem": lambda dynamodb: dynamodb.batch_write_item(
        RequestItems={TABLE: [{"DeleteRequest": {"Key": KEY}}]}
    ),
    "TransactWriteItems": lambda dynamodb: dynamodb.transact_write_items(
        TransactItems=[{"Delete": {"TableName": TABLE, "Key": KEY}}]
    ),
    "PartiQL DELETE": lambda dynamodb: dynamodb.execute_statement(Statement=f'DELETE FROM "{TABLE}" {WHERE}'),
    "PartiQL UPDATE": lambda dynamodb: dynamodb.execute_statement(
        Statement=f"UPDATE \"{TABLE}\" SET details='-' {WHERE}"
    ),
    "DeleteTable": lambda dynamodb: dynamodb.delete_table(TableName=TABLE),
    "UpdateTable": lambda dynamodb: dynamodb.update_table(TableName=TABLE, DeletionProtectionEnabled=False),
}
"""Every way in which DynamoDB changes or deletes a row or a table."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["worker", "operator"])
def test_no_row_of_the_trail_is_changed_or_deleted(separate_accounts: Deployment, role: str, change: str) -> None:
    """Neither by the worker nor by the operator."""
    dynamodb = role_client(separate_accounts, role, "dynamodb")
    assert_denied_by("NoRowIsChangedOrDeleted", lambda: CHANGES[change](dynamodb))


def test_the_worker_expires_no_row_and_the_operator_writes_none(separate_accounts: Deployment) -> None:
    """Expiry deletes rows too, and a trail that its reader can write proves nothing."""
    worker = role_client(separate_accounts, "worker", "dynamodb")
    operator = role_client(separate_accounts, "operator", "dynamodb")
    expiry = {"Enabled": True, "AttributeName": "date"}
    assert_denied_by(
        "NoRowIsChangedOrDeleted", worker.update_time_to_live, TableName=TABLE, TimeToLiveSpecification=expiry
    )
    assert_not_allowed(operator.put_item, TableName=TABLE, Item=KEY)


def test_the_source_is_only_read(separate_accounts: Deployment) -> None:
    """The source's role changes and deletes nothing, not even with further policies on it."""
    rds = role_client(separate_accounts, "source", "rds")
    sid = "TheSourceIsOnlyRead"
    assert_denied_by(sid, rds.delete_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, SkipFinalSnapshot=True)
    assert_denied_by(sid, rds.modify_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, DeletionProtection=False)
    assert_denied_by(sid, rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier="nightly")


@pytest.mark.parametrize(
    ("caller", "role", "external_id"),
    [
        ("worker", "target", {}),
        ("worker", "target", {"ExternalId": "of-another-customer"}),
        ("operator", "target", {"ExternalId": "aurora-restore-4711"}),
        ("target", "source", {"ExternalId": "aurora-restore-4711"}),
        ("worker", "operator", {"ExternalId": "aurora-restore-4711"}),
    ],
)
def test_only_the_worker_assumes_the_roles_of_source_and_target(
    separate_accounts: Deployment, caller: str, role: str, external_id: dict[str, str]
) -> None:
    """Only with the stack's external id; no role assumes any other role."""
    sts = role_client(separate_accounts, caller, "sts")
    refusal_of(
        sts.assume_role,
        RoleArn=separate_accounts.layout.role_arn(role),
        RoleSessionName="test",
        **external_id,
    )
