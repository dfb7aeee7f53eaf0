"""What is about to be deleted: each declaration once, another one beside it, and whatever was declared is read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from audit.intents import TrailIntents
from audit.rows import AuditRow, Phase, to_item
from audit.table import AuditTable
from devstack.aws import Emulator
from errors import TrailConflict, TrailUnavailable
from models.operation import StepInput
from models.steps import Status, Step
from tests.rigs.activities import temporal_environment
from tests.rigs.audit_tables import NIGHT, later, row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STEP = Step.ARCHIVE_SNAPSHOT
OF = StepInput(operation_id="op-001", step_started_at=NIGHT)
A, B, C = (f"arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{name}" for name in "abc")


def declare(table: AuditTable, *arns: str, step_input: StepInput = OF, details: str = "Pruning") -> None:
    intents = TrailIntents(table)
    temporal_environment(NIGHT).run(lambda: intents.declare(STEP, step_input, details, arns))


def intent(**changed: object) -> AuditRow:
    """The row of an intent as the trail has had it from the beginning."""
    given: dict[str, Any] = {"step": STEP, "phase": Phase.INTENT, "status": Status.IN_PROGRESS, "details": "Pruning"}
    given |= {"workflow_id": "aurora-restore:test", "run_id": "run-1", "resource_arns": (A,)}
    return row(**(given | changed))


def declared(table: AuditTable) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(row.poll, row.attempt, row.resource_arns) for row in table.list_rows("op-001")]


def test_a_later_attempt_may_find_more(table: AuditTable) -> None:
    """Under the look of the first one: a row of its own, after the other, and what both name is declared."""
    declare(table, A)
    declare(table, A, B)
    declare(table, C)
    assert declared(table) == [(1, 1, (A,)), (1, 2, (A, B)), (1, 3, (C,))]
    assert TrailIntents(table).list_declared_arns(STEP, OF) == (A, B, C)


@pytest.mark.parametrize("arns", [(A, B), (A,), (B, A)])
def test_what_is_declared_is_not_declared_again(table: AuditTable, arns: tuple[str, ...]) -> None:
    """Nor in a later look, nor in other words."""
    declare(table, A, B)
    declare(table, *arns, step_input=OF.model_copy(update={"poll": 2}), details="Pruning still")
    assert declared(table) == [(1, 1, (A, B))]


def test_each_look_counts_for_itself(table: AuditTable) -> None:
    """The first declaration of a look is its first, and they read as they were made."""
    declare(table, A)
    declare(table, B, step_input=OF.model_copy(update={"poll": 2}))
    declare(table, C, step_input=OF.model_copy(update={"poll": 2}))
    assert declared(table) == [(1, 1, (A,)), (2, 1, (B,)), (2, 2, (C,))]


def test_a_step_that_is_taken_again_declares_again(table: AuditTable) -> None:
    """After a retry the same name may be another resource."""
    declare(table, A)
    again = OF.model_copy(update={"step_started_at": later(hours=1)})
    assert TrailIntents(table).list_declared_arns(STEP, again) == ()
    declare(table, A, step_input=again)
    assert declared(table) == [(1, 1, (A,)), (1, 1, (A,))]


def test_a_lost_answer_makes_no_second_row(aws: Emulator, table: AuditTable, impatient_table: AuditTable) -> None:
    """The intent stands, though the attempt that wrote it never knew."""
    aws.faults.add("dynamodb", "PutItem", "reset-after")
    with pytest.raises(TrailUnavailable):
        declare(impatient_table, A)
    declare(table, A)
    assert declared(table) == [(1, 1, (A,))]


def test_an_intent_of_an_older_worker_counts(table: AuditTable) -> None:
    """It has the key and the number that it always had: read, and not written again."""
    table.put(intent())
    declare(table, A)
    declare(table, B)
    assert declared(table) == [(1, 1, (A,)), (1, 2, (B,))]


class Overtaken(AuditTable):
    """A trail in which, after it was read, another attempt declares first."""

    def __init__(self, table: AuditTable, others: list[Callable[[], None]]) -> None:
        vars(self).update(vars(table))
        self._others = others

    def list_rows(self, operation_id: str) -> list[AuditRow]:
        rows = super().list_rows(operation_id)
        if self._others:
            self._others.pop()()
        return rows


def test_two_attempts_that_declare_at_once_both_do(table: AuditTable) -> None:
    """One that Temporal has given up may still be at work: no conflict, and nothing is lost."""
    declare(Overtaken(table, [lambda: declare(table, A), lambda: declare(table, C)]), A, B)
    assert declared(table) == [(1, 1, (C,)), (1, 2, (A,)), (1, 3, (A, B))]


def test_an_attempt_that_was_overtaken_by_the_same_words_is_content(table: AuditTable) -> None:
    """What the other one declared, in its own words, is declared."""
    declare(Overtaken(table, [lambda: declare(table, A, B, details="Pruning b and a")]), B, A)
    assert declared(table) == [(1, 1, (A, B))]


def test_a_stranger_in_the_place_of_an_intent_is_a_conflict(
    dynamodb: DynamoDBClient, table: AuditTable, table_name: str
) -> None:
    """A row that somebody changed is not counted around."""
    changed = {**to_item(intent()), "step_started_at": {"S": "2024-03-21T00:05:00.000Z"}}
    dynamodb.put_item(TableName=table_name, Item=changed)
    with pytest.raises(TrailConflict, match="Either the row was changed"):
        declare(table, A)
