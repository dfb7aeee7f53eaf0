"""Intents: each deletion is declared once, and everything that was declared can be read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from audit.intents import MAX_CONFLICTS, TrailIntents
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase, to_item
from audit.table import AuditTable
from devstack.aws import Emulator
from errors import TrailConflict, TrailUnavailable
from models.step_call import StepInput
from models.steps import Status, Step
from tests.rigs.activities import temporal_environment
from tests.rigs.audit_tables import START, later, row
from waiting.only_reads import ChangeDue, only_reads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STEP = Step.ARCHIVE_SNAPSHOT
STEP_INPUT = StepInput(operation_id="op-001", step_started_at=START)
SECOND_POLL = STEP_INPUT.model_copy(update={"poll": 2})
A, B, C = (f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{name}" for name in "abc")


def intents_of(table: AuditTable) -> TrailIntents:
    """The operations table, which they read only to find the last deletion, is none."""
    return TrailIntents(table, OperationNumbersTable(table._dynamodb, "none"))


def declare(table: AuditTable, *arns: str, step_input: StepInput = STEP_INPUT, details: str = "Pruning") -> None:
    intents = intents_of(table)
    temporal_environment(START).run(lambda: intents.declare(STEP, step_input, details, arns))


def intent(**changes: object) -> AuditRow:
    """The first intent of the step, written without `TrailIntents`."""
    fields: dict[str, Any] = {"step": STEP, "phase": Phase.INTENT, "status": Status.IN_PROGRESS, "details": "Pruning"}
    fields |= {"workflow_id": "aurora-restore:test", "run_id": "run-1", "resource_arns": (A,)}
    return row(**(fields | changes))


def declarations(table: AuditTable) -> list[tuple[int, int, tuple[str, ...]]]:
    """Poll, number and ARNs of each intent."""
    return [(row.poll, row.attempt, row.resource_arns) for row in table.list_rows("op-001")]


def test_an_attempt_that_finds_more_to_delete_declares_it_in_a_further_row(table: AuditTable) -> None:
    """In the same poll: each declaration has the next number, and all of their ARNs are declared."""
    declare(table, A)
    declare(table, A, B)
    declare(table, C)
    assert declarations(table) == [(1, 1, (A,)), (1, 2, (A, B)), (1, 3, (C,))]
    assert intents_of(table).list_declared_arns(STEP, STEP_INPUT) == (A, B, C)


@pytest.mark.parametrize("arns", [(A, B), (A,), (B, A)])
def test_resources_that_are_declared_are_not_declared_again(table: AuditTable, arns: tuple[str, ...]) -> None:
    """Not in a later poll either, nor with another text."""
    declare(table, A, B)
    declare(table, *arns, step_input=SECOND_POLL, details="Still pruning")
    assert declarations(table) == [(1, 1, (A, B))]


def test_declarations_are_numbered_within_each_poll(table: AuditTable) -> None:
    """The first declaration of a poll has number 1, and the rows sort in the order of declaration."""
    declare(table, A)
    declare(table, B, step_input=SECOND_POLL)
    declare(table, C, step_input=SECOND_POLL)
    assert declarations(table) == [(1, 1, (A,)), (2, 1, (B,)), (2, 2, (C,))]


def test_a_poll_that_only_reads_declares_nothing(table: AuditTable) -> None:
    """The change that it would announce is another poll's."""

    def declare_in_a_watch() -> None:
        only_reads.set(True)
        intents_of(table).declare(STEP, STEP_INPUT, "Pruning", (A,))

    with pytest.raises(ChangeDue):
        copy_context().run(temporal_environment(START).run, declare_in_a_watch)
    assert declarations(table) == []


def test_a_step_that_runs_again_declares_again(table: AuditTable) -> None:
    """After a retry of the step the same name may be another resource."""
    declare(table, A)
    second_run = STEP_INPUT.model_copy(update={"step_started_at": later(hours=1)})
    assert intents_of(table).list_declared_arns(STEP, second_run) == ()
    declare(table, A, step_input=second_run)
    assert declarations(table) == [(1, 1, (A,)), (1, 1, (A,))]


def test_an_intent_whose_response_was_lost_is_not_written_twice(
    aws: Emulator, table: AuditTable, table_without_retries: AuditTable
) -> None:
    """DynamoDB has the row, although the attempt that wrote it failed."""
    aws.faults.add("dynamodb", "PutItem", "reset-after")
    with pytest.raises(TrailUnavailable):
        declare(table_without_retries, A)
    declare(table, A)
    assert declarations(table) == [(1, 1, (A,))]


def test_an_intent_of_an_earlier_worker_counts(table: AuditTable) -> None:
    """A row that another worker version wrote under the same key is read, and not written again."""
    table.put(intent())
    declare(table, A)
    declare(table, B)
    assert declarations(table) == [(1, 1, (A,)), (1, 2, (B,))]


class TableWithConcurrentWriter(AuditTable):
    """A trail in which another attempt writes after each read."""

    def __init__(self, table: AuditTable, writes: Sequence[Callable[[], None]]) -> None:
        vars(self).update(vars(table))
        self._pending_writes = list(writes)

    def list_rows(self, operation_id: str) -> list[AuditRow]:
        rows = super().list_rows(operation_id)
        if self._pending_writes:
            self._pending_writes.pop()()
        return rows


def test_two_attempts_that_declare_at_once_both_succeed(table: AuditTable) -> None:
    """After a timeout, an attempt's thread may run beside the next attempt: no conflict, and no intent is lost."""
    declare(TableWithConcurrentWriter(table, [lambda: declare(table, A), lambda: declare(table, C)]), A, B)
    assert declarations(table) == [(1, 1, (C,)), (1, 2, (A,)), (1, 3, (A, B))]


def test_an_attempt_does_not_declare_what_a_concurrent_one_declared(table: AuditTable) -> None:
    """The other attempt's row counts, although its text differs."""
    declare(TableWithConcurrentWriter(table, [lambda: declare(table, A, B, details="Pruning b and a")]), B, A)
    assert declarations(table) == [(1, 1, (A, B))]


def test_an_intent_is_not_declared_after_too_many_conflicts(table: AuditTable) -> None:
    """The attempt fails, and nothing is deleted, if others write first each time."""
    others = [f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:other-{n}" for n in range(MAX_CONFLICTS)]
    writes = [partial(declare, table, arn) for arn in others]
    with pytest.raises(TrailConflict):
        declare(TableWithConcurrentWriter(table, writes), A)
    assert intents_of(table).list_declared_arns(STEP, STEP_INPUT) == tuple(reversed(others))


def test_a_changed_intent_is_a_conflict(dynamodb: DynamoDBClient, table: AuditTable, table_name: str) -> None:
    """A changed row does not count as a declaration, and the declaration does not get another number instead."""
    changed = {**to_item(intent()), "step_started_at": {"S": "2024-03-21T00:05:00.000Z"}}
    dynamodb.put_item(TableName=table_name, Item=changed)
    with pytest.raises(TrailConflict, match="the row was changed"):
        declare(table, A)


def test_an_intent_belongs_to_its_step_and_operation(table: AuditTable) -> None:
    """`has_intent` is about one step of one operation, in whatever run of the step."""
    intents = intents_of(table)
    assert not intents.has_intent(STEP, "op-001")
    declare(table, A)
    assert intents.has_intent(STEP, "op-001")
    assert not intents.has_intent(Step.DELETE_RDS, "op-001")
    assert not intents.has_intent(STEP, "op-002")


@pytest.mark.parametrize(
    ("changes", "succeeded"),
    [
        ({}, True),
        ({"status": Status.FAILED}, False),
        ({"phase": Phase.STARTED}, False),
        ({"step": Step.CHECK_COPY_STATUS}, False),
        ({"operation_id": "op-002"}, False),
        ({"timestamp": later(minutes=-1)}, False),
    ],
)
def test_a_step_has_succeeded_if_its_outcome_since_then_is_success(
    table: AuditTable, changes: dict[str, Any], succeeded: bool
) -> None:
    """Another status, phase, step or operation does not count, and neither does an earlier run of the step."""
    table.put(row(**changes))
    assert intents_of(table).has_succeeded(Step.COPY_SNAPSHOT, "op-001", START) is succeeded
