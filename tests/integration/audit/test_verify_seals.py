"""`audit verify` compares the rows with the seals, and names what was changed, deleted or inserted after sealing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.rows import EXPIRES_AT, Phase
from audit.verify.findings import FIND_WRITER, FindingKind
from audit.verify.seal_check import RESOLVE_FIRST, TOO_LATE
from audit.verify.seal_findings import COMPARE_WITH_BACKUP
from models.steps import Step
from tests.rigs.audit_tables import START, later, row
from tests.rigs.sealed_operations import OPERATIONS, SealedOperations, places
from tests.rigs.verification import Tables, with_texts

RETENTION = timedelta(days=30)


@pytest.fixture
def operations(tables: Tables) -> SealedOperations:
    """Three operations that nobody has tampered with."""
    return SealedOperations(tables)


@pytest.fixture
def expiring_operations(tables: Tables) -> SealedOperations:
    """Three operations whose rows and seals expire after 30 days."""
    return SealedOperations(tables, RETENTION)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_untouched_operation_has_no_finding_and_no_note(operations: SealedOperations, operation_id: str) -> None:
    """The first, the middle and the last operation of the chain."""
    result = operations.check(operation_id, with_history=True)
    assert (result.findings, result.notes, result.unsealed_keys) == ([], [], [])


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_changed_row_is_named_with_its_digest(operations: SealedOperations, operation_id: str) -> None:
    """One word in one row differs: the finding has the row's key, its content, and the digest that the seal expects."""
    outcome = operations.tables.outcome_item(operation_id)
    operations.tables.overwrite(with_texts(outcome, details="Started copy 7"))
    [finding] = operations.check(operation_id).findings
    assert (finding.kind, finding.event_key) == (FindingKind.CHANGED_ROW, outcome["event_key"]["S"])
    assert finding.step == Step.COPY_SNAPSHOT
    assert (finding.actual or "").endswith("outcome SUCCESS Started copy 7")
    assert "from seal" in (finding.expected or "")
    assert finding.what_to_do == COMPARE_WITH_BACKUP


@pytest.mark.parametrize("field", [EXPIRES_AT, "another"])
def test_an_added_attribute_is_a_change(operations: SealedOperations, field: str) -> None:
    """Also a time to live, which would make DynamoDB delete the row."""
    outcome = operations.tables.outcome_item("op-002")
    operations.tables.overwrite(outcome | {field: {"N": "1"}})
    assert places(operations.check()) == {(FindingKind.CHANGED_ROW, outcome["event_key"]["S"])}


def test_a_deleted_row_is_named(operations: SealedOperations) -> None:
    """A beginning and an outcome alike."""
    for item in operations.trail.list_items("op-002")[:2]:
        operations.tables.delete(item)
        assert (FindingKind.DELETED_ROW, item["event_key"]["S"]) in places(operations.check())


@pytest.mark.parametrize("phase", [Phase.OUTCOME, Phase.INTENT, Phase.DECISION])
@pytest.mark.parametrize("minutes", [1, 60])
def test_an_inserted_row_is_named(operations: SealedOperations, phase: Phase, minutes: int) -> None:
    """Between the other rows or after them."""
    inserted = row(operation_id="op-002", step=Step.DELETE_RDS, phase=phase, timestamp=later(days=1, minutes=minutes))
    operations.trail.put(inserted)
    result = operations.check()
    assert (FindingKind.UNSEALED_ROW, inserted.event_key) in places(result)
    assert inserted.event_key in result.unsealed_keys


@pytest.mark.parametrize("phase", [Phase.STARTED, Phase.ATTEMPT])
def test_a_late_row_of_a_worker_is_a_note(operations: SealedOperations, phase: Phase) -> None:
    """A worker that was cut off may write a beginning or a failed attempt after the operation was sealed."""
    late = row(operation_id="op-002", step=Step.DELETE_RDS, phase=phase, timestamp=later(days=1, minutes=9))
    operations.trail.put(late)
    result = operations.check()
    assert (result.findings, result.unsealed_keys) == ([], [])
    assert [(note.kind, note.event_key) for note in result.notes] == [(FindingKind.LATE_ROW, late.event_key)]


def test_an_unsealed_row_names_the_one_thing_that_helps(operations: SealedOperations) -> None:
    """A confirmed row is sealed by repair, but only when no other row is unconfirmed; without a history nothing helps."""
    inserted = row(operation_id="op-002", step=Step.DELETE_RDS, timestamp=later(days=1, minutes=9))
    operations.trail.put(inserted)
    [confirmed] = operations.check(confirmed_keys={inserted.event_key}).findings
    assert (confirmed.what_to_do or "").splitlines()[-1] == "python starter.py audit verify op-002 --repair"
    [unconfirmed] = operations.check(confirmed_keys=set()).findings
    assert unconfirmed.what_to_do == FIND_WRITER
    [without_history] = operations.check(confirmed_keys=None).findings
    assert without_history.what_to_do == FIND_WRITER
    other = row(operation_id="op-002", step=Step.RESTORE_SNAPSHOT, timestamp=later(days=1, minutes=10))
    operations.trail.put(other)
    both = operations.check(confirmed_keys={inserted.event_key}).findings
    assert [finding.what_to_do for finding in both] == [RESOLVE_FIRST, FIND_WRITER]


def test_an_operation_without_a_seal_is_named(tables: Tables) -> None:
    """Repair can seal it while the history confirms its rows; afterwards nothing can."""
    operations = SealedOperations(tables)
    operations.tables.open("workflow", "run")
    [finding] = operations.check("op-004", confirmed_keys=set()).findings
    assert (finding.kind, finding.place) == (FindingKind.MISSING_SEAL, "op-004")
    assert (finding.what_to_do or "").splitlines()[-1] == "python starter.py audit verify op-004 --repair"
    [too_late] = operations.check("op-004", confirmed_keys=None).findings
    assert too_late.what_to_do == TOO_LATE


def test_a_running_operation_may_have_unsealed_rows(operations: SealedOperations) -> None:
    """The workflow seals them at its end."""
    operations.trail.put(row(operation_id="op-002", step=Step.DELETE_RDS, timestamp=later(days=1, minutes=9)))
    assert operations.check(has_ended=False).findings == []


def test_rows_that_are_swapped_between_two_operations_are_named_in_both(operations: SealedOperations) -> None:
    """Each row is under the other operation's number, otherwise unchanged."""
    one, other = operations.tables.outcome_item("op-001"), operations.tables.outcome_item("op-002")
    for original, replacement in ((one, other), (other, one)):
        operations.tables.delete(original)
        operations.tables.overwrite(with_texts(replacement, operation_id=original["operation_id"]["S"]))
    assert places(operations.check("op-001")) == {
        (FindingKind.DELETED_ROW, one["event_key"]["S"]),
        (FindingKind.UNSEALED_ROW, other["event_key"]["S"]),
    }
    assert places(operations.check("op-002")) == {
        (FindingKind.DELETED_ROW, other["event_key"]["S"]),
        (FindingKind.UNSEALED_ROW, one["event_key"]["S"]),
    }


def test_contents_that_are_swapped_within_an_operation_are_named(operations: SealedOperations) -> None:
    """Two rows have each other's content under their own keys."""
    one, other = operations.tables.outcome_item("op-002", 0), operations.tables.outcome_item("op-002", 1)
    operations.tables.overwrite(one | {"event_key": other["event_key"]})
    operations.tables.overwrite(other | {"event_key": one["event_key"]})
    changed = {(FindingKind.CHANGED_ROW, item["event_key"]["S"]) for item in (one, other)}
    assert places(operations.check()) == changed


def test_an_expired_row_is_a_note(expiring_operations: SealedOperations) -> None:
    """DynamoDB deletes expired rows in any order, within days."""
    expiring_operations.tables.delete(expiring_operations.tables.outcome_item("op-002"))
    result = expiring_operations.check(now=START + RETENTION + timedelta(days=1, hours=1))
    assert result.findings == []
    assert {note.kind for note in result.notes} == {FindingKind.EXPIRED}


def test_an_expired_previous_seal_is_a_note(expiring_operations: SealedOperations) -> None:
    """The chain can be checked back to where DynamoDB deleted it."""
    for item in expiring_operations.trail.list_items("op-001"):
        expiring_operations.tables.delete(item)
    result = expiring_operations.check("op-002", now=START + RETENTION + timedelta(hours=12))
    assert result.findings == []
    assert {note.kind for note in result.notes} == {FindingKind.EXPIRED}


def test_an_operation_that_has_expired_completely_is_a_note(expiring_operations: SealedOperations) -> None:
    """Only its number is left."""
    for operation_id in OPERATIONS:
        for item in expiring_operations.trail.list_items(operation_id):
            expiring_operations.tables.delete(item)
    result = expiring_operations.check("op-003", now=START + RETENTION + timedelta(days=9))
    assert result.findings == []
    assert {note.kind for note in result.notes} == {FindingKind.EXPIRED}


@pytest.mark.parametrize(("before_expiry", "kind"), [(1, FindingKind.DELETED_ROW), (0, None)])
def test_a_row_that_is_deleted_before_it_expires_is_named(
    expiring_operations: SealedOperations, before_expiry: int, kind: FindingKind | None
) -> None:
    """A time to live excuses a missing row from its last second on, and not before."""
    outcome = expiring_operations.tables.outcome_item("op-002")
    expiring_operations.tables.delete(outcome)
    expires_at = START + timedelta(days=1) + RETENTION
    result = expiring_operations.check(now=expires_at - timedelta(seconds=before_expiry))
    assert {finding.kind for finding in result.findings} == ({kind} if kind else set())
