"""`audit verify` against the seals: whatever is changed, removed, inserted or swapped after sealing is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from audit.activities import SEAL_TRAIL
from audit.chain import SealChains
from audit.digest import digest_of
from audit.rows import EXPIRES_AT, Phase
from audit.seal_rows import SealLink, from_seal_item, is_seal, to_seal_item
from audit.table import AuditTable
from audit.verify.findings import FindingKind, as_plain
from audit.verify.seal_check import SealCheck
from audit.verify.seal_findings import SealFindings
from devstack.temporal_server import TemporalServer
from models.operation import OpenOperationInput
from models.seal import Seal, SealInput
from models.steps import Status, Step
from tests.rigs.audit_tables import NIGHT, later, row
from tests.rigs.scripted_activities import Call
from tests.rigs.verification import TARGET, Tables, changed, desk, kinds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WORKFLOW = row().workflow_id
RETENTION = timedelta(days=30)


@pytest.fixture
def tables(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> Tables:
    """Fresh tables."""
    return Tables(dynamodb, table_name, operations_table)


class Book:
    """Three nights of one target, each with its rows and two seals, as the workflow makes them."""

    def __init__(self, tables: Tables, retention: timedelta | None = None) -> None:
        self.tables = tables
        self.trail = AuditTable(tables.dynamodb, tables.audit, retention)
        self.seals = SealChains(tables.dynamodb, tables.audit, tables.operations, retention)
        self.told: dict[str, list[Seal]] = {}
        for night in range(3):
            self._night(night)

    def _night(self, night: int) -> None:
        at = NIGHT + timedelta(days=night)
        of = OpenOperationInput(workflow_id=WORKFLOW, first_run_id=f"run-{night}", target_arn=TARGET, opened_at=at)
        operation_id = self.tables.numbers.open(of).operation_id
        told = {"operation_id": operation_id, "run_id": f"run-{night}"}
        self.trail.put(row(**told, phase=Phase.STARTED, status=Status.IN_PROGRESS, timestamp=at))
        self.trail.put(row(**told, timestamp=at, details=f"Started copy {night}"))
        first = self._seal(operation_id, night, at + timedelta(minutes=1))
        self.trail.put(row(**told, step=Step.SNS_NOTIFICATION, timestamp=at + timedelta(minutes=2)))
        self.told[operation_id] = [first, self._seal(operation_id, night, at + timedelta(minutes=3))]

    def _seal(self, operation_id: str, night: int, at: datetime) -> Seal:
        seal_input = SealInput(operation_id=operation_id, target_arn=TARGET, workflow_id=WORKFLOW, sealed_at=at)
        return self.seals.append(seal_input, f"run-{night}", SEAL_TRAIL)

    def check(
        self, operation_id: str = "op-002", *, now: datetime = NIGHT, ended: bool = True, told: bool = False
    ) -> SealFindings:
        """What the seals say; `told` with what the history knows of them."""
        opened = self.tables.numbers.find(operation_id)
        assert opened is not None
        check = SealCheck(self.seals, opened, self.trail.list_items(operation_id), now)
        told_seals = self.told[operation_id] if told else []
        return check.check(told_seals, has_ended=ended, confirmed_keys=None)

    def seal_item(self, operation_id: str, number: int) -> dict[str, Any]:
        """One of the operation's seals as it lies in the table."""
        return [item for item in self.trail.list_items(operation_id) if is_seal(item)][number]

    def forget_head(self) -> None:
        """Delete the head of the chain."""
        key = {"record": {"S": f"seal#{TARGET}"}}
        self.tables.dynamodb.delete_item(TableName=self.tables.operations, Key=key)


@pytest.fixture
def book(tables: Tables) -> Book:
    """Three nights that nobody has touched."""
    return Book(tables)


def found(checked: SealFindings) -> set[tuple[FindingKind, str | None]]:
    """What was found, and where."""
    return {(finding.kind, finding.event_key) for finding in checked.findings}


def test_three_nights_are_clean(book: Book) -> None:
    """The first, the one between and the last: nothing found, nothing to note."""
    for operation_id in book.told:
        checked = book.check(operation_id, told=True)
        assert (checked.findings, checked.notes, checked.unsealed_keys) == ([], [], [])


@pytest.mark.parametrize("operation_id", ["op-001", "op-002", "op-003"])
def test_a_changed_row_is_named(book: Book, operation_id: str) -> None:
    """One word in one row, with everything else as it was."""
    outcome = book.tables.outcome(operation_id)
    book.tables.put(changed(outcome, details="Started copy 7"))
    [finding] = book.check(operation_id).findings
    assert (finding.kind, finding.event_key) == (FindingKind.CHANGED_ROW, outcome["event_key"]["S"])
    assert finding.step == Step.COPY_SNAPSHOT
    assert "Started copy 7" in (finding.actual or "")


@pytest.mark.parametrize("field", [EXPIRES_AT, "another"])
def test_a_field_more_is_a_change(book: Book, field: str) -> None:
    """Also a time to live, with which a row would soon be gone."""
    outcome = book.tables.outcome("op-002")
    book.tables.put(outcome | {field: {"N": "1"}})
    assert found(book.check()) == {(FindingKind.CHANGED_ROW, outcome["event_key"]["S"])}


def test_a_removed_row_is_named(book: Book) -> None:
    """Whatever its phase."""
    for item in book.trail.list_items("op-002")[:2]:
        book.tables.remove(item)
        assert (FindingKind.DELETED_ROW, item["event_key"]["S"]) in found(book.check())


@pytest.mark.parametrize("phase", [Phase.OUTCOME, Phase.INTENT, Phase.DECISION])
def test_an_inserted_row_is_named(book: Book, phase: Phase) -> None:
    """Between the others or behind them."""
    for minutes in (1, 60):
        at = NIGHT + timedelta(days=1, minutes=minutes)
        inserted = row(operation_id="op-002", step=Step.DELETE_RDS, phase=phase, timestamp=at)
        book.trail.put(inserted)
        checked = book.check()
        assert (FindingKind.UNSEALED_ROW, inserted.event_key) in found(checked)
        assert inserted.event_key in checked.unsealed_keys


@pytest.mark.parametrize("phase", [Phase.STARTED, Phase.ATTEMPT])
def test_a_stale_workers_late_row_is_a_note(book: Book, phase: Phase) -> None:
    """An attempt or a beginning may come in after the seal; that is worth knowing, and nobody's fault."""
    late = row(operation_id="op-002", step=Step.DELETE_RDS, phase=phase, timestamp=later(days=1, minutes=9))
    book.trail.put(late)
    checked = book.check()
    assert checked.findings == []
    assert [(note.kind, note.event_key) for note in checked.notes] == [(FindingKind.LATE_ROW, late.event_key)]


def test_rows_swapped_between_operations_are_named(book: Book) -> None:
    """Each under the other's number, byte for byte as they were: both operations say so."""
    one, other = book.tables.outcome("op-001"), book.tables.outcome("op-002")
    for mine, theirs in ((one, other), (other, one)):
        book.tables.remove(mine)
        book.tables.put(changed(theirs, operation_id=mine["operation_id"]["S"]))
    assert found(book.check("op-001")) == {
        (FindingKind.DELETED_ROW, one["event_key"]["S"]),
        (FindingKind.UNSEALED_ROW, other["event_key"]["S"]),
    }
    assert found(book.check("op-002")) == {
        (FindingKind.DELETED_ROW, other["event_key"]["S"]),
        (FindingKind.UNSEALED_ROW, one["event_key"]["S"]),
    }


def test_contents_swapped_within_an_operation_are_named(book: Book) -> None:
    """Two rows with each other's content under their own keys."""
    one, other = book.tables.outcome("op-002", 0), book.tables.outcome("op-002", 1)
    book.tables.put(one | {"event_key": other["event_key"]})
    book.tables.put(other | {"event_key": one["event_key"]})
    assert found(book.check()) == {(FindingKind.CHANGED_ROW, item["event_key"]["S"]) for item in (one, other)}


@pytest.mark.parametrize(
    "field", ["covered_rows", "previous_seal", "digest", "number", "sealed_at", "sealed_by", "target_arn", "run_id"]
)
def test_a_changed_seal_is_named(book: Book, field: str) -> None:
    """Each field of a seal is under its own digest."""
    seal = book.seal_item("op-002", 0)
    forged = book.seal_item("op-003", 0)[field] if field not in ("sealed_by", "target_arn") else {"S": "another"}
    book.tables.put(seal | {field: forged})
    assert (FindingKind.CHANGED_SEAL, seal["event_key"]["S"]) in found(book.check())


def test_a_seal_that_was_made_anew_does_not_fit_the_chain(book: Book) -> None:
    """Somebody who changes a row and computes row's and seal's digests again is given away by the next seal."""
    outcome = book.tables.outcome("op-002", 1)
    book.tables.put(changed(outcome, details="Notification sent to nobody"))
    last = book.seal_item("op-002", 1)
    book.tables.remove(last)
    forged = to_seal_item(
        SealInput(
            operation_id="op-002",
            target_arn=TARGET,
            workflow_id=WORKFLOW,
            sealed_at=NIGHT + timedelta(days=1, minutes=3),
        ),
        "run-1",
        "seal-trail",
        book.trail.list_items("op-002"),
        _link_of(book, "op-002", 0),
        None,
    )
    assert forged["event_key"] == last["event_key"]
    book.tables.put(forged)
    assert (FindingKind.BROKEN_CHAIN, last["event_key"]["S"]) in found(book.check())
    # The night after says it too.
    assert (FindingKind.BROKEN_CHAIN, last["event_key"]["S"]) in found(book.check("op-003"))


@pytest.mark.parametrize("operation_id", ["op-001", "op-002", "op-003"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_removed_seal_is_named(book: Book, operation_id: str, number: int) -> None:
    """The first or the last of any night: the next seal or the head of the chain names it."""
    seal = book.seal_item(operation_id, number)
    book.tables.remove(seal)
    places = found(book.check(operation_id))
    assert (FindingKind.DELETED_SEAL, seal["event_key"]["S"]) in places
    assert len({place for _, place in places if place}) <= 2  # the seal, and the row that only it covered


@pytest.mark.parametrize("operation_id", ["op-001", "op-002", "op-003"])
def test_a_night_cut_out_whole_is_named(book: Book, operation_id: str) -> None:
    """No row and no seal is left: the chain leads to where they were."""
    last = book.seal_item(operation_id, 1)
    for item in book.trail.list_items(operation_id):
        book.tables.remove(item)
    assert (FindingKind.DELETED_SEAL, last["event_key"]["S"]) in found(book.check(operation_id))


def test_the_last_seal_and_what_only_it_covered_cut_off_is_named(book: Book) -> None:
    """What is left looks whole in itself; the head of the chain knows better."""
    *_, notified, last = book.trail.list_items("op-003")
    book.tables.remove(notified)
    book.tables.remove(last)
    assert found(book.check("op-003")) == {(FindingKind.DELETED_SEAL, last["event_key"]["S"])}


def test_a_cut_off_chain_is_named(book: Book) -> None:
    """Without its head, the chain leads to none of its seals."""
    book.forget_head()
    assert {kind for kind, _ in found(book.check())} == {FindingKind.BROKEN_CHAIN}


def test_temporals_history_knows_seals_that_both_tables_have_lost(book: Book) -> None:
    """Somebody who rewrites both tables does not rewrite Temporal's history."""
    for operation_id in ("op-001", "op-002", "op-003"):
        for item in book.trail.list_items(operation_id):
            if is_seal(item):
                book.tables.remove(item)
    book.forget_head()
    assert {kind for kind, _ in found(book.check("op-002"))} == {FindingKind.MISSING_SEAL}
    told = book.check("op-002", told=True)
    deleted = [finding.expected or "" for finding in told.findings if finding.kind is FindingKind.DELETED_SEAL]
    assert [text.rpartition(" ")[2] for text in deleted] == [seal.digest for seal in book.told["op-002"]]


def test_a_seal_over_another_operation_is_none(book: Book) -> None:
    """Another night's seal under this one's number, as it was."""
    seal = book.seal_item("op-001", 0)
    book.tables.put(changed(seal, operation_id="op-002"))
    assert (FindingKind.CHANGED_SEAL, seal["event_key"]["S"]) in found(book.check())


def test_a_running_operation_may_have_rows_outside_of_its_seals(book: Book) -> None:
    """They will be sealed at its end."""
    book.trail.put(row(operation_id="op-002", step=Step.DELETE_RDS, timestamp=later(days=1, minutes=9)))
    assert book.check(ended=False).findings == []


class TestRetention:
    """What has expired is said to have expired, and is no fault."""

    def test_an_expired_seal_before_is_a_note(self, tables: Tables) -> None:
        """The chain ends where DynamoDB deleted it."""
        book = Book(tables, RETENTION)
        for item in book.trail.list_items("op-001"):
            tables.remove(item)
        then = NIGHT + RETENTION + timedelta(hours=12)
        checked = book.check("op-002", now=then)
        assert checked.findings == []
        assert {note.kind for note in checked.notes} == {FindingKind.EXPIRED}

    def test_an_expired_row_is_a_note(self, tables: Tables) -> None:
        """DynamoDB deletes rows in any order, within days."""
        book = Book(tables, RETENTION)
        tables.remove(tables.outcome("op-002"))
        checked = book.check(now=NIGHT + RETENTION + timedelta(days=1, hours=1))
        assert checked.findings == []
        assert {note.kind for note in checked.notes} == {FindingKind.EXPIRED}

    def test_an_operation_that_has_expired_whole_is_a_note(self, tables: Tables) -> None:
        """Nothing is left of it but its number."""
        book = Book(tables, RETENTION)
        for operation_id in book.told:
            for item in book.trail.list_items(operation_id):
                tables.remove(item)
        checked = book.check("op-003", now=NIGHT + RETENTION + timedelta(days=9))
        assert checked.findings == []
        assert {note.kind for note in checked.notes} == {FindingKind.EXPIRED}

    def test_what_vanishes_before_its_time_is_found(self, tables: Tables) -> None:
        """A time to live is no excuse before it is over."""
        book = Book(tables, RETENTION)
        tables.remove(tables.outcome("op-002"))
        assert {kind for kind, _ in found(book.check(now=NIGHT))} == {FindingKind.DELETED_ROW}


def test_repair_does_not_launder_what_was_tampered_with(temporal: TemporalServer, tables: Tables) -> None:
    """A row that was removed after sealing is added again, but the seal goes on saying so; a forged one is not sealed."""

    async def run() -> tuple[Any, ...]:
        async with desk(temporal, tables) as at:
            await at.night("op-001", Call())
            await at.night("op-002", Call())
            tables.remove(tables.outcome("op-001"))
            removed = await at.verifier.verify("op-001")
            repaired = await at.verifier.repair("op-001")
            success = next(row for row in tables.trail.list_rows("op-002") if row.phase is Phase.OUTCOME)
            tables.trail.put(success.model_copy(update={"step": Step.DELETE_RDS}))
            return removed, repaired, await at.verifier.repair("op-001"), await at.verifier.repair("op-002")

    removed, repaired, again, forged = asyncio.run(run())
    assert sorted(kinds(removed)) == [FindingKind.DELETED_ROW, FindingKind.MISSING_ROW]
    assert kinds(repaired) == kinds(again) == [FindingKind.CHANGED_ROW], as_plain(repaired)
    assert "added by audit verify" in (repaired.findings[0].actual or "")
    assert again.added == ()
    assert sorted(kinds(forged)) == [FindingKind.UNEXPECTED_ROW, FindingKind.UNSEALED_ROW]
    assert (forged.added, forged.seals) == ((), 1)


def test_an_unsealed_row_that_the_history_confirms_is_sealed_by_repair(
    temporal: TemporalServer, tables: Tables
) -> None:
    """The seal was missed because DynamoDB was away: repair makes it, and then all is well."""

    async def run() -> tuple[Any, ...]:
        async with desk(temporal, tables) as at:
            await at.night("op-001", Call(), sealed=False)
            return await at.verifier.repair("op-001"), await at.verifier.verify("op-001")

    repaired, verified = asyncio.run(run())
    assert (repaired.ok, len(repaired.added), repaired.seals) == (True, 1, 1)
    assert verified.ok


def test_an_expired_row_is_not_added_again(temporal: TemporalServer, tables: Tables) -> None:
    """A row that its time to live has taken, while Temporal still has the history, is a note."""

    async def run() -> tuple[Any, ...]:
        async with desk(temporal, tables) as at:
            await at.night("op-001", Call(), sealed=False)
            outcome = tables.outcome("op-001")
            tables.put(outcome | {EXPIRES_AT: {"N": "1"}})
            await at.verifier.repair("op-001")
            tables.remove(outcome)
            return await at.verifier.verify("op-001"), await at.verifier.repair("op-001")

    verified, repaired = asyncio.run(run())
    assert [note.kind for note in verified.notes] == [FindingKind.EXPIRED]
    assert (verified.ok, repaired.ok, repaired.added) == (True, True, ())


def test_a_digest_is_of_the_content_alone() -> None:
    """The order in which DynamoDB hands out an item's parts changes nothing; each part counts."""
    item = {"operation_id": {"S": "op-001"}, "facts": {"M": {"b": {"S": "1"}, "a": {"B": b"\x00"}}}}
    other_way_round = {"facts": {"M": {"a": {"B": b"\x00"}, "b": {"S": "1"}}}, "operation_id": {"S": "op-001"}}
    assert digest_of(item) == digest_of(other_way_round)
    variants: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        lambda of: of | {"operation_id": {"N": "1"}},
        lambda of: of | {"facts": {"M": {"b": {"S": "1"}, "a": {"B": b"\x01"}}}},
        lambda of: {name: value for name, value in of.items() if name != "facts"},
    ]
    assert len({digest_of(item), *(digest_of(change(item)) for change in variants)}) == 4


def _link_of(book: Book, operation_id: str, number: int) -> SealLink:

    seal = from_seal_item(book.seal_item(operation_id, number))
    assert seal is not None
    return seal.link
