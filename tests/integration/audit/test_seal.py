"""Seals: each is made once, refers to the target's previous one, and is not part of any report."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.testing import ActivityEnvironment

from audit.activities import SEAL_TRAIL, SealActivities
from audit.chain import MAX_CONFLICTS, SealChains
from audit.digest import canonical_form, digest_of
from audit.rows import EXPIRES_AT, Phase, to_item
from audit.seal_rows import SealRow, from_seal_item, is_seal
from audit.table import AuditTable
from devstack.aws import Emulator
from errors import TrailUnavailable
from models.seal import Seal, SealInput
from models.steps import Step
from tests.rigs.audit_tables import START, later, row
from tests.rigs.requests import CANONICAL_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"
OTHER_TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:analytics"
WORKFLOW_ID = CANONICAL_ID


def seal_input(operation_id: str = "op-001", at: datetime = START, target_arn: str = TARGET_ARN) -> SealInput:
    """The input of seal-trail."""
    return SealInput(operation_id=operation_id, target_arn=target_arn, workflow_id=WORKFLOW_ID, sealed_at=at)


def append(chains: SealChains, *args: Any) -> Seal:
    """Seal as the activity does in the run "run"."""
    return chains.append(seal_input(*args), "run", SEAL_TRAIL)


def last_seal(table: AuditTable, operation_id: str = "op-001") -> SealRow:
    seal = from_seal_item(table.list_items(operation_id)[-1])
    assert seal is not None
    return seal


@pytest.fixture
def chains(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> SealChains:
    """The chains of seals in the trail of the fixture `table`."""
    return SealChains(dynamodb, table_name, operations_table)


def test_a_seal_covers_all_rows_so_far_and_refers_to_the_previous_seal(table: AuditTable, chains: SealChains) -> None:
    """The second seal covers the first one, too; each covered row has its digest."""
    table.put(row())
    first = append(chains)
    table.put(row(step=Step.SNS_NOTIFICATION, timestamp=later(minutes=1)))
    second = append(chains, "op-001", later(minutes=2))
    assert (first.number, first.row_count, first.previous_digest) == (1, 1, None)
    assert (second.number, second.row_count, second.previous_digest) == (2, 3, first.digest)
    covered = {covered.event_key: covered.digest for covered in last_seal(table).covered_rows}
    assert covered == {item["event_key"]["S"]: digest_of(item) for item in table.list_items("op-001")[:-1]}


def test_the_head_of_a_chain_is_the_targets_last_seal(table: AuditTable, chains: SealChains) -> None:
    """The operations table has one head per target; before the first seal there is none."""
    assert chains.find_head(TARGET_ARN) is None
    append(chains)
    last = append(chains, "op-002", later(days=1))
    other = append(chains, "op-003", later(days=1), OTHER_TARGET_ARN)
    head = chains.find_head(TARGET_ARN)
    assert head is not None
    assert (head.operation_id, head.digest, head.number) == ("op-002", last.digest, 2)
    assert (other.number, other.previous_digest) == (1, None)
    item = chains.find_item(head)
    assert item is not None
    assert digest_of({name: value for name, value in item.items() if name != "digest"}) == last.digest


def test_sealing_again_returns_the_existing_seal(table: AuditTable, chains: SealChains) -> None:
    """A seal of the same time and run is not made twice, although the operation has more rows by then."""
    table.put(row())
    first = append(chains)
    table.put(row(step=Step.SNS_NOTIFICATION, timestamp=later(minutes=1)))
    assert append(chains) == first
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_seal_trail_seals_under_the_workflow_run_of_the_activity(table: AuditTable, chains: SealChains) -> None:
    """The seal names the run and the activity; run twice, the activity returns the same seal."""
    table.put(row())
    environment = ActivityEnvironment()
    seal = environment.run(SealActivities(chains).seal_trail, seal_input())
    assert environment.run(SealActivities(chains).seal_trail, seal_input()) == seal
    made = last_seal(table)
    assert (made.run_id, made.sealed_by) == (environment.info.workflow_run_id, SEAL_TRAIL)


def test_concurrent_attempts_to_make_one_seal_make_one(table: AuditTable, chains: SealChains) -> None:
    """All threads get the same seal."""
    table.put(row())
    with ThreadPoolExecutor(8) as threads:
        seals = list(threads.map(lambda _: append(chains), range(16)))
    assert len({seal.digest for seal in seals}) == 1
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_concurrent_seals_of_one_target_form_one_chain(table: AuditTable, chains: SealChains) -> None:
    """Seals of four operations at once get the numbers 1 to 4, and each refers to the one before."""
    for number in range(4):
        table.put(row(operation_id=f"op-{number:03d}"))
    with ThreadPoolExecutor(4) as threads:
        seals = list(threads.map(lambda number: append(chains, f"op-{number:03d}"), range(4)))
    chain = sorted(seals, key=lambda seal: seal.number)
    assert [seal.number for seal in chain] == [1, 2, 3, 4]
    assert [seal.previous_digest for seal in chain] == [None, *(seal.digest for seal in chain[:-1])]


def test_a_seal_covers_another_seal_that_was_appended_after_it_read_the_rows(
    chains: SealChains, table: AuditTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is read before the rows: if it has moved since, the rows are read again."""
    table.put(row())
    real_list_items, others = AuditTable.list_items, [seal_input("op-001", later(minutes=1))]

    def list_items_then_append(self: AuditTable, operation_id: str) -> list[dict[str, Any]]:
        items = real_list_items(self, operation_id)
        if others:
            chains.append(others.pop(), "another run", SEAL_TRAIL)
        return items

    monkeypatch.setattr(AuditTable, "list_items", list_items_then_append)
    seal = append(chains, "op-001", later(minutes=2))
    assert (seal.number, seal.row_count) == (2, 2)


@pytest.mark.parametrize("kind", ["http500", "reset-after", "reset-before"])
def test_a_transaction_with_a_lost_response_makes_one_seal(
    aws: Emulator,
    dynamodb_without_retries: DynamoDBClient,
    table: AuditTable,
    table_name: str,
    operations_table: str,
    kind: Any,
) -> None:
    """Whether or not the transaction took effect, the next attempt returns the one seal."""
    table.put(row())
    chains = SealChains(dynamodb_without_retries, table_name, operations_table)
    aws.faults.add("dynamodb", "TransactWriteItems", kind, count=1)
    with pytest.raises(TrailUnavailable):
        append(chains)
    seal = append(chains)
    assert (seal.number, seal.row_count) == (1, 1)
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_too_many_conflicts_with_other_seals_are_a_transient_error(
    aws: Emulator, table: AuditTable, chains: SealChains
) -> None:
    """If other seals are always written first, Temporal tries again later."""
    table.put(row())
    aws.faults.add("dynamodb", "TransactWriteItems", "error", code="TransactionCanceledException", count=MAX_CONFLICTS)
    with pytest.raises(TrailUnavailable, match=f"{MAX_CONFLICTS} conflicts") as refused:
        append(chains)
    assert not refused.value.non_retryable
    assert append(chains).number == 1


def test_lists_of_rows_do_not_contain_seals(table: AuditTable, chains: SealChains) -> None:
    """Neither the rows of an operation nor those of a day, from which the reports are made."""
    table.put(row())
    append(chains)
    assert table.list_rows("op-001") == [row()]
    assert table.list_rows_by_day(START.date(), START.date()) == [row()]


def test_with_retention_a_seal_expires_and_records_when_its_rows_do(
    dynamodb: DynamoDBClient, table_name: str, operations_table: str
) -> None:
    """It also records when the previous seal expires, so that `audit verify` does not report an expired seal as deleted."""
    retention = timedelta(days=30)
    table = AuditTable(dynamodb, table_name, retention)
    chains = SealChains(dynamodb, table_name, operations_table, retention)
    table.put(row())
    append(chains)
    append(chains, "op-002", later(days=1))
    expires_at = int((START + retention).timestamp())
    first, second = last_seal(table, "op-001"), last_seal(table, "op-002")
    assert [covered.expires_at for covered in first.covered_rows] == [expires_at]
    assert first.expires_at == expires_at
    assert table.list_items("op-001")[-1][EXPIRES_AT] == {"N": str(expires_at)}
    assert second.previous_seal == first.link
    assert second.previous_seal.expires_at == expires_at


def test_a_seal_over_4000_rows_fits_into_an_item(
    dynamodb: DynamoDBClient, table_name: str, table: AuditTable, chains: SealChains
) -> None:
    """DynamoDB refuses an item of more than 400 KB; compressed, a covered row needs less than 90 bytes."""
    rows = [row(phase=Phase.ATTEMPT, attempt=attempt, poll=poll) for attempt in range(1, 21) for poll in range(1, 21)]
    for first in range(0, len(rows), 25):
        puts: Any = [{"PutRequest": {"Item": to_item(written)}} for written in rows[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table_name: puts})
    assert append(chains).row_count == len(rows)
    assert len(table.list_items("op-001")[-1]["covered_rows"]["B"]) < len(rows) * 90


def test_a_digest_depends_on_every_value_and_not_on_the_order_of_attributes() -> None:
    """DynamoDB returns the attributes of an item in any order."""
    item = {"operation_id": {"S": "op-001"}, "facts": {"M": {"b": {"S": "1"}, "a": {"B": b"\x00"}}}}
    reordered = {"facts": {"M": {"a": {"B": b"\x00"}, "b": {"S": "1"}}}, "operation_id": {"S": "op-001"}}
    assert digest_of(item) == digest_of(reordered)
    changes: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        lambda original: original | {"operation_id": {"N": "1"}},
        lambda original: original | {"facts": {"M": {"b": {"S": "1"}, "a": {"B": b"\x01"}}}},
        lambda original: {name: value for name, value in original.items() if name != "facts"},
    ]
    assert len({digest_of(item), *(digest_of(change(item)) for change in changes)}) == 4


def test_the_canonical_form_is_the_documented_one() -> None:
    """Typed JSON with sorted keys and without spaces, in ASCII; an auditor can compute the digest without this code."""
    item = {"details": {"S": "é"}, "attempt": {"N": "1"}, "covered_rows": {"B": b"\x00\x01"}}
    assert canonical_form(item) == rb'{"attempt":{"N":"1"},"covered_rows":{"B":"AAE="},"details":{"S":"\u00e9"}}'
    assert digest_of(item) == "c0458523f2c2243d2a32845f59114969ab672c0a8ce82d04c8f6af69589a23f5"
