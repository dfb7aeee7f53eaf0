"""Seals: made once, chained per target, hidden from reports."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.testing import ActivityEnvironment

from audit.activities import SEAL_TRAIL, SealActivities
from audit.chain import SealChains
from audit.digest import digest_of
from audit.rows import EXPIRES_AT, Phase, to_item
from audit.seal_rows import SealRow, from_seal_item, is_seal
from audit.table import AuditTable
from devstack.aws import Emulator
from errors import TrailUnavailable
from models.seal import SealInput
from models.steps import Step
from tests.rigs.audit_tables import NIGHT, later, row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TARGET = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"
OTHER_TARGET = "arn:aws:rds:eu-central-1:111122223333:cluster:analytics"
WORKFLOW = "aurora-restore:111122223333:eu-central-1:orders-staging"


def asked(operation_id: str = "op-001", at: datetime = NIGHT, target: str = TARGET) -> SealInput:
    """What a workflow asks for."""
    return SealInput(operation_id=operation_id, target_arn=target, workflow_id=WORKFLOW, sealed_at=at)


@pytest.fixture
def seals(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> SealChains:
    """The chains beside the fixture `table`."""
    return SealChains(dynamodb, table_name, operations_table)


def test_a_seal_covers_every_row_and_the_one_before(table: AuditTable, seals: SealChains) -> None:
    """Rows so far, then what came since and the first seal; each seal names the digest of the target's previous one."""
    table.put(row())
    first = seals.append(asked(), "run", SEAL_TRAIL)
    table.put(row(step=Step.SNS_NOTIFICATION, timestamp=later(minutes=1)))
    second = seals.append(asked(at=later(minutes=2)), "run", SEAL_TRAIL)
    assert (first.number, first.row_count, first.previous_digest) == (1, 1, None)
    assert (second.number, second.row_count, second.previous_digest) == (2, 3, first.digest)
    covered = {each.event_key: each.digest for each in _last(table).covered_rows}
    assert covered == {item["event_key"]["S"]: digest_of(item) for item in table.list_items("op-001")[:-1]}


def test_the_head_is_the_last_seal(table: AuditTable, seals: SealChains) -> None:
    """The operations table knows where the chain ends, for each target its own."""
    assert seals.find_head(TARGET) is None
    seals.append(asked(), "run", SEAL_TRAIL)
    last = seals.append(asked("op-002", later(days=1)), "run", SEAL_TRAIL)
    other = seals.append(asked("op-003", later(days=1), OTHER_TARGET), "run", SEAL_TRAIL)
    head = seals.find_head(TARGET)
    assert head is not None
    assert (head.operation_id, head.digest, head.number) == ("op-002", last.digest, 2)
    assert (other.number, other.previous_digest) == (1, None)
    found = seals.find_item(head)
    assert found is not None
    assert digest_of({name: value for name, value in found.items() if name != "digest"}) == last.digest


def test_the_same_seal_twice_is_one_seal(table: AuditTable, seals: SealChains) -> None:
    """Asked again, also after more rows came, the activity answers with the seal that stands there."""
    table.put(row())
    first = seals.append(asked(), "run", SEAL_TRAIL)
    table.put(row(step=Step.SNS_NOTIFICATION, timestamp=later(minutes=1)))
    assert seals.append(asked(), "run", SEAL_TRAIL) == first
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_the_activity_is_of_its_run(table: AuditTable, seals: SealChains) -> None:
    """The activity seals under the run that asks; its name is what the workflow's history says."""
    table.put(row())
    environment = ActivityEnvironment()
    seal = environment.run(SealActivities(seals).seal_trail, asked())
    assert environment.run(SealActivities(seals).seal_trail, asked()) == seal
    assert _last(table).run_id == environment.info.workflow_run_id


def test_seals_made_at_once_are_one(table: AuditTable, seals: SealChains) -> None:
    """The same seal from eight threads: all get the one that stands."""
    table.put(row())
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: seals.append(asked(), "run", SEAL_TRAIL), range(16)))
    assert len({seal.digest for seal in made}) == 1
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_different_seals_made_at_once_are_a_chain(table: AuditTable, seals: SealChains) -> None:
    """SealChains of several operations of a target at one time: nobody loses a place, each covers what was there."""
    for number in range(4):
        table.put(row(operation_id=f"op-{number:03d}"))
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: seals.append(asked(f"op-{number:03d}"), "run", SEAL_TRAIL), range(4)))
    in_order = sorted(made, key=lambda seal: seal.number)
    assert [seal.number for seal in in_order] == [1, 2, 3, 4]
    assert [seal.previous_digest for seal in in_order] == [None, *(seal.digest for seal in in_order[:-1])]


@pytest.mark.parametrize("kind", ["http500", "reset-after", "reset-before"])
def test_an_answer_that_is_lost_makes_no_second_seal(
    aws: Emulator,
    impatient_dynamodb: DynamoDBClient,
    table: AuditTable,
    table_name: str,
    operations_table: str,
    kind: Any,
) -> None:
    """Whatever happens to the transaction, Temporal's next attempt finds or makes the one seal."""
    table.put(row())
    seals = SealChains(impatient_dynamodb, table_name, operations_table)
    aws.faults.add("dynamodb", "TransactWriteItems", kind, count=1)
    with pytest.raises(TrailUnavailable):
        seals.append(asked(), "run", SEAL_TRAIL)
    seal = seals.append(asked(), "run", SEAL_TRAIL)
    assert (seal.number, seal.row_count) == (1, 1)
    assert sum(map(is_seal, table.list_items("op-001"))) == 1


def test_reports_do_not_show_seals(table: AuditTable, seals: SealChains) -> None:
    """Neither an operation's rows nor a day's have it."""
    table.put(row())
    seals.append(asked(), "run", SEAL_TRAIL)
    assert table.list_rows("op-001") == [row()]
    assert table.list_rows_by_day(NIGHT.date(), NIGHT.date()) == [row()]


def test_a_seal_expires_like_the_rest(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> None:
    """With retention a seal has its end, and knows those of the rows and of the seal before."""
    retention = timedelta(days=30)
    trail = AuditTable(dynamodb, table_name, retention)
    seals = SealChains(dynamodb, table_name, operations_table, retention)
    trail.put(row())
    seals.append(asked(), "run", SEAL_TRAIL)
    seals.append(asked("op-002", later(days=1)), "run", SEAL_TRAIL)
    end = int((NIGHT + retention).timestamp())
    first, second = (from_seal_item(trail.list_items(operation)[-1]) for operation in ("op-001", "op-002"))
    assert first is not None
    assert [covered.expires_at for covered in first.covered_rows] == [end]
    assert first.expires_at == end
    assert trail.list_items("op-001")[-1][EXPIRES_AT] == {"N": str(end)}
    assert second is not None
    assert second.previous_seal == first.link
    assert second.previous_seal.expires_at == end


def test_thousands_of_rows_can_be_sealed(
    dynamodb: DynamoDBClient, table_name: str, table: AuditTable, seals: SealChains
) -> None:
    """A night that never got through writes many attempts; 4,000 rows fit into the 400 KB that DynamoDB takes."""
    rows = [row(phase=Phase.ATTEMPT, attempt=attempt, poll=poll) for attempt in range(1, 21) for poll in range(1, 21)]
    for first in range(0, len(rows), 25):
        puts: Any = [{"PutRequest": {"Item": to_item(written)}} for written in rows[first : first + 25]]
        dynamodb.batch_write_item(RequestItems={table_name: puts})
    assert seals.append(asked(), "run", SEAL_TRAIL).row_count == len(rows)
    assert len(table.list_items("op-001")[-1]["covered_rows"]["B"]) < len(rows) * 90


def _last(table: AuditTable) -> SealRow:
    read = from_seal_item(table.list_items("op-001")[-1])
    assert read is not None
    return read
