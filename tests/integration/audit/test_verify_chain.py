"""`audit verify` follows the chain of a target's seals, and names each seal that was changed, deleted or replaced."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.activities import SEAL_TRAIL
from audit.seal_rows import is_seal, to_seal_item
from audit.verify.findings import FindingKind
from models.seal import SealInput
from tests.rigs.audit_tables import START
from tests.rigs.sealed_operations import OPERATIONS, WORKFLOW_ID, SealedOperations, places
from tests.rigs.verification import TARGET_ARN, Tables, with_texts


@pytest.fixture
def operations(tables: Tables) -> SealedOperations:
    """Three operations that nobody has tampered with."""
    return SealedOperations(tables)


@pytest.mark.parametrize(
    "field", ["covered_rows", "previous_seal", "digest", "number", "sealed_at", "sealed_by", "target_arn", "run_id"]
)
def test_a_changed_field_of_a_seal_is_named(operations: SealedOperations, field: str) -> None:
    """The seal's own digest covers each of its fields."""
    seal = operations.seal_item("op-002", 0)
    replacement = operations.seal_item("op-003", 0)[field] if field not in ("sealed_by", "target_arn") else {"S": "x"}
    operations.tables.overwrite(seal | {field: replacement})
    assert (FindingKind.CHANGED_SEAL, seal["event_key"]["S"]) in places(operations.check())


def test_a_seal_of_another_operation_is_named(operations: SealedOperations) -> None:
    """An unchanged seal that was copied to another operation's number does not belong there."""
    seal = operations.seal_item("op-001", 0)
    operations.tables.overwrite(with_texts(seal, operation_id="op-002"))
    assert (FindingKind.CHANGED_SEAL, seal["event_key"]["S"]) in places(operations.check())


def test_a_seal_of_another_target_is_named(operations: SealedOperations) -> None:
    """Its digest is right, but the operation belongs to another target."""
    seal_input = SealInput(
        operation_id="op-002",
        target_arn="arn:aws:rds:eu-central-1:111122223333:cluster:other",
        workflow_id=WORKFLOW_ID,
        sealed_at=START + timedelta(days=1, minutes=9),
    )
    other = to_seal_item(seal_input, "run-1", SEAL_TRAIL, [], None, None)
    operations.tables.overwrite(other)
    [finding] = operations.check().findings
    assert (finding.kind, finding.event_key) == (FindingKind.CHANGED_SEAL, other["event_key"]["S"])
    assert "cluster:other" in (finding.actual or "")
    assert TARGET_ARN in (finding.expected or "")


def test_a_seal_that_was_computed_again_breaks_the_chain(operations: SealedOperations) -> None:
    """A forger changes a row and computes the seal again: the digest no longer is the one that the chain refers to."""
    outcome = operations.tables.outcome_item("op-002", 1)
    operations.tables.overwrite(with_texts(outcome, details="Notification sent to nobody"))
    last = operations.seal_item("op-002", 1)
    operations.tables.delete(last)
    forged = to_seal_item(
        SealInput(
            operation_id="op-002",
            target_arn=TARGET_ARN,
            workflow_id=WORKFLOW_ID,
            sealed_at=START + timedelta(days=1, minutes=3),
        ),
        "run-1",
        SEAL_TRAIL,
        operations.trail.list_items("op-002"),
        operations.seal_row("op-002", 0).link,
        None,
    )
    assert forged["event_key"] == last["event_key"]
    operations.tables.overwrite(forged)
    broken = (FindingKind.BROKEN_CHAIN, last["event_key"]["S"])
    assert broken in places(operations.check("op-002"))
    assert broken in places(operations.check("op-003"))


@pytest.mark.parametrize("operation_id", OPERATIONS)
@pytest.mark.parametrize("index", [0, 1])
def test_a_deleted_seal_is_named(operations: SealedOperations, operation_id: str, index: int) -> None:
    """The next seal, or the head of the chain, refers to it."""
    seal = operations.seal_item(operation_id, index)
    operations.tables.delete(seal)
    result = operations.check(operation_id)
    assert (FindingKind.DELETED_SEAL, seal["event_key"]["S"]) in places(result)
    # The seal, and the row that it alone covered.
    assert len({finding.event_key for finding in result.findings if finding.event_key}) <= 2


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_that_was_deleted_completely_is_named(operations: SealedOperations, operation_id: str) -> None:
    """No row and no seal is left, but the chain leads to its last seal."""
    last = operations.seal_item(operation_id, 1)
    for item in operations.trail.list_items(operation_id):
        operations.tables.delete(item)
    assert (FindingKind.DELETED_SEAL, last["event_key"]["S"]) in places(operations.check(operation_id))


def test_a_deleted_last_seal_is_named_although_its_rows_are_deleted_too(operations: SealedOperations) -> None:
    """The remaining rows and seals are consistent, but the head of the chain refers to the deleted seal."""
    *_, notification, last = operations.trail.list_items("op-003")
    operations.tables.delete(notification)
    operations.tables.delete(last)
    assert places(operations.check("op-003")) == {(FindingKind.DELETED_SEAL, last["event_key"]["S"])}


def test_a_chain_without_a_head_is_broken(operations: SealedOperations) -> None:
    """Nothing leads to the operation's seals."""
    operations.delete_head()
    assert {kind for kind, _ in places(operations.check())} == {FindingKind.BROKEN_CHAIN}


def test_the_seal_before_the_operations_first_must_exist(operations: SealedOperations) -> None:
    """The last seal of the previous operation was deleted: the chain is broken there, in this operation's report too."""
    previous = operations.seal_item("op-001", 1)
    operations.tables.delete(previous)
    [finding] = operations.check("op-002").findings
    assert (finding.kind, finding.event_key) == (FindingKind.BROKEN_CHAIN, previous["event_key"]["S"])
    assert finding.operation_id == "op-001"


def test_deleted_seals_are_named_from_temporals_history(operations: SealedOperations) -> None:
    """A forger who rewrites both tables does not rewrite Temporal's history, which has the digest of each seal."""
    for operation_id in OPERATIONS:
        for item in operations.trail.list_items(operation_id):
            if is_seal(item):
                operations.tables.delete(item)
    operations.delete_head()
    assert {kind for kind, _ in places(operations.check("op-002"))} == {FindingKind.MISSING_SEAL}
    result = operations.check("op-002", with_history=True)
    deleted = [finding.expected or "" for finding in result.findings if finding.kind is FindingKind.DELETED_SEAL]
    assert [text.rpartition(" ")[2] for text in deleted] == [seal.digest for seal in operations.seals["op-002"]]
