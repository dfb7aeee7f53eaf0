"""What `audit verify` reads grows with the number of operations, not with its square."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from audit.verify import verifier
from audit.verify.findings import Verification
from audit.verify.history import OperationHistory
from audit.verify.verifier import Verifier
from audit.verify.workflow_runs import WorkflowRuns
from tests.rigs.audit_tables import START
from tests.rigs.sealed_operations import OPERATIONS, SealedOperations
from tests.rigs.verification import Tables

MAX_READS = 3
"""Of DynamoDB, for one operation: its record, its rows, and the seal before its first one."""


@pytest.fixture(autouse=True)
def _no_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_nothing(*_: object) -> OperationHistory:
        return OperationHistory((), frozenset())

    monkeypatch.setattr(verifier, "read_history", read_nothing)


def verify(tables: Tables, *operation_ids: str) -> list[Verification]:
    """Verify these operations, or all of them, together."""
    verifying = Verifier(cast("Client", None), tables.trail, tables.numbers, tables.chains)
    operations = [verifying.find(each) for each in operation_ids] or tables.numbers.list_opened_since(START)
    return asyncio.run(verifying.verify_all(operations))


def test_reads_are_linear_in_the_operations_of_a_target(tables: Tables) -> None:
    """The chain is walked once, not from its head for each operation."""
    SealedOperations(tables, count=12)
    reads: list[str] = []
    tables.dynamodb.meta.events.register("provide-client-params.dynamodb", lambda model, **_: reads.append(model.name))
    verifications = verify(tables)
    assert [verification.ok for verification in verifications] == [True] * 12
    assert len(reads) <= 12 * MAX_READS + 2  # the counter and the head of the chain


@pytest.mark.parametrize("tampered", [1, 4])
def test_operations_that_are_verified_together_have_the_findings_that_each_has_alone(
    tables: Tables, tampered: int
) -> None:
    """Wherever the chain is broken, although they share the walk along it; in the order in which they are given."""
    operations = SealedOperations(tables)
    operation, index = divmod(tampered, 2)
    tables.delete(operations.seal_item(OPERATIONS[operation], index))
    together = verify(tables, *OPERATIONS)
    assert together == [verification for each in OPERATIONS for verification in verify(tables, each)]
    assert not all(verification.ok for verification in together)


def test_a_seal_that_is_written_during_the_walk_is_reached(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head moved after it was read: it is read again, and nothing is wrong."""
    operations = SealedOperations(tables)
    head, chains = tables.chains.find_head, operations.chains
    last = operations.seal_row("op-003", 1).previous_seal
    heads = iter([last])
    monkeypatch.setattr(chains, "find_head", lambda arn: next(heads, None) or head(arn))
    assert operations.check("op-003").findings == []


def test_each_run_of_a_target_is_described_once_for_all_its_operations() -> None:
    """All operations of a target have one workflow id, and so each of them would describe the runs of all."""
    described: list[str | None] = []

    async def describe(run_id: str | None) -> Any:
        if run_id is None:
            raise RPCError("none", RPCStatusCode.NOT_FOUND, b"")
        described.append(run_id)
        info = SimpleNamespace(first_run_id=run_id)
        return SimpleNamespace(
            raw_description=SimpleNamespace(
                workflow_execution_info=info, workflow_extended_info=SimpleNamespace(reset_run_id="")
            )
        )

    class Temporal:
        def get_workflow_handle(self, _: str, run_id: str | None = None) -> Any:
            return SimpleNamespace(describe=lambda: describe(run_id))

        async def list_workflows(self, _: str) -> Any:
            for number in range(20):
                yield SimpleNamespace(run_id=f"run-{number}")

    async def read() -> None:
        runs = WorkflowRuns(cast("Client", Temporal()), "workflow")
        for number in range(20):
            for run_id in dict.fromkeys(await runs.list_ids(f"run-{number}")):
                await runs.describe_links(run_id)

    asyncio.run(read())
    assert len(described) <= 2 * 20
