"""The last deletion of a target: which one it is, what followed it, and how much is read to find it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.intents import SETTINGS_DAYS, TrailIntents
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase
from audit.table import BY_DATE, AuditTable
from models.clusters import LastDeletion, LastSwap
from models.configuration import SETTINGS_FACT, ClusterSettings
from models.operation import OpenOperationInput
from models.steps import AuditedStep, Housekeeping, Status, Step
from models.swap import NEW_RESOURCE_ID, OLD_RESOURCE_ID
from tests.rigs.audit_tables import START, later, row
from tests.rigs.verification import Tables

TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"
A, B, C = (f"{TARGET_ARN}-{name}" for name in "abc")
"""Other targets."""


def intents_of(table: AuditTable, operations_table: str) -> TrailIntents:
    return TrailIntents(table, OperationNumbersTable(table._dynamodb, operations_table))


def deletion(**changes: Any) -> AuditRow:
    """The intent to delete the target, with its settings."""
    return row(
        **{
            "step": Step.DELETE_RDS,
            "phase": Phase.INTENT,
            "status": Status.IN_PROGRESS,
            "resource_arns": (TARGET_ARN,),
            "facts": {SETTINGS_FACT: BACKUPS.model_dump_json()},
        }
        | changes
    )


def restore(**changes: Any) -> AuditRow:
    """The outcome of restoring the target, which succeeded."""
    return row(
        **{"step": Step.RESTORE_SNAPSHOT, "timestamp": later(minutes=30), "resource_arns": (TARGET_ARN,)} | changes
    )


def completion(**changes: Any) -> AuditRow:
    """The outcome of completing the restored target, which succeeded."""
    return restore(**{"step": Step.CHECK_RESTORE_STATUS, "timestamp": later(minutes=45)} | changes)


def removal(**changes: Any) -> AuditRow:
    """The intent to remove the restored target again, after a failure."""
    return row(
        **{
            "step": Housekeeping.REMOVE_LEFTOVERS,
            "phase": Phase.INTENT,
            "status": Status.IN_PROGRESS,
            "timestamp": later(minutes=60),
            "resource_arns": (TARGET_ARN,),
        }
        | changes
    )


BACKUPS, NEWER = ClusterSettings(backup_retention_days=3), ClusterSettings(backup_retention_days=7)
NEWER_DELETION = {
    "operation_id": "op-002", "timestamp": later(hours=2), "facts": {SETTINGS_FACT: NEWER.model_dump_json()},
}  # fmt: skip


def found(operation_id: str = "op-001", **changes: Any) -> LastDeletion:
    """The deletion as it is found."""
    given: dict[str, Any] = {"operation_id": operation_id, "declared_at": START, "settings": BACKUPS} | changes
    return LastDeletion(**given)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([deletion(resource_arns=(A,))], None),
        ([deletion()], found()),
        ([deletion(facts={})], found(settings=None)),
        ([deletion(), restore()], found(restore_accepted_by="op-001")),
        ([deletion(), restore(operation_id="op-002")], found(restore_accepted_by="op-002")),
        ([deletion(), restore(), completion()], found(restore_accepted_by="op-001", restore_completed=True)),
        ([deletion(), restore(), completion(status=Status.FAILED)], found(restore_accepted_by="op-001")),
        ([deletion(), restore(status=Status.FAILED)], found()),
        ([deletion(), restore(resource_arns=(A,))], found()),
        ([deletion(), restore(), completion(), removal()], found()),
        ([deletion(), restore(), removal(operation_id="op-002")], found(restore_accepted_by="op-001")),
        ([deletion(), restore(), removal(phase=Phase.OUTCOME)], found(restore_accepted_by="op-001")),
        (
            [deletion(), restore(), completion(), deletion(**NEWER_DELETION)],
            found("op-002", declared_at=later(hours=2), settings=NEWER),
        ),
    ],
)
def test_the_newest_deletion_of_a_target_is_found_with_what_followed(
    table: AuditTable, operations_table: str, rows: list[AuditRow], expected: LastDeletion | None
) -> None:
    """A restore does not count if its own operation removed the cluster again."""
    for written in rows:
        table.put(written)
    assert intents_of(table, operations_table).find_last_deletion(TARGET_ARN, later(hours=20)) == expected


@pytest.mark.parametrize(
    ("days", "since", "expected"),
    [
        (SETTINGS_DAYS - 1, None, True),
        (SETTINGS_DAYS, None, False),
        (5, START, True),
        (5, START + timedelta(days=1), False),
    ],
)
def test_a_deletion_is_searched_for_in_45_days(
    table: AuditTable, operations_table: str, days: int, since: datetime | None, expected: bool
) -> None:
    """In calendar days (UTC), the current one included, and not before the day from which it could be."""
    table.put(deletion())
    last = intents_of(table, operations_table).find_last_deletion(TARGET_ARN, START + timedelta(days=days), since)
    assert (last is not None) is expected


def open_for(tables: Tables, target: str, day: float) -> str:
    """Open the next operation of a target, some days after `START`."""
    request = OpenOperationInput(
        workflow_id=target, first_run_id=f"run-{day}", target_arn=target, opened_at=later(days=day)
    )
    return tables.numbers.open(request).operation_id


def intents_and_reads(tables: Tables) -> tuple[TrailIntents, list[str]]:
    """The intents, and every read of DynamoDB from now on: its index, or its operation."""
    reads: list[str] = []
    tables.dynamodb.meta.events.register(
        "provide-client-params.dynamodb", lambda params, model, **_: reads.append(params.get("IndexName", model.name))
    )
    return TrailIntents(tables.trail, tables.numbers), reads


def test_a_deletion_is_searched_for_in_the_targets_own_operations(tables: Tables) -> None:
    """Not in the rows of all targets: reads depend on the target's operations of 45 days, and no day is read."""
    for day in range(10):
        for target in (TARGET_ARN, A, B):
            operation_id = open_for(tables, target, day)
            fields: dict[str, Any] = {"operation_id": operation_id, "timestamp": later(days=day)}
            tables.trail.put(deletion(**fields, resource_arns=(target,)))
    intents, reads = intents_and_reads(tables)
    last = intents.find_last_deletion(TARGET_ARN, later(days=9, hours=1), later(days=6))
    assert last == found("op-028", declared_at=later(days=9))
    assert reads.count("Query") == 5  # those of four days, and one before that may have been retried
    assert len(reads) == 5 * 2 + 1  # their records, and which is the target's newest
    assert intents.find_last_deletion(C, later(days=9)) is None
    assert BY_DATE not in reads


def test_a_deletion_of_an_operation_that_was_retried_after_a_newer_one_is_the_newest(tables: Tables) -> None:
    """What counts is when the deletion was declared, not when its operation was opened."""
    for day in (0, 1):
        operation_id = open_for(tables, TARGET_ARN, day)
        tables.trail.put(deletion(operation_id=operation_id, timestamp=later(days=day)))
    tables.trail.put(deletion(operation_id="op-001", timestamp=later(days=2)))
    last = intents_and_reads(tables)[0].find_last_deletion(TARGET_ARN, later(days=3))
    assert last == found("op-001", declared_at=later(days=2))


@pytest.mark.parametrize(("days", "is_read"), [(3, True), (60, False)])
def test_operations_that_were_opened_before_there_were_links_are_found_by_day(
    tables: Tables, days: int, is_read: bool
) -> None:
    """The trail of an earlier version stays readable; after 45 days nothing of it is read any more."""
    tables.trail.put(deletion(operation_id="op-001"))
    tables.dynamodb.put_item(TableName=tables.operations, Item={"record": {"S": "counter"}, "last_number": {"N": "1"}})
    assert open_for(tables, TARGET_ARN, 1) == "op-002"
    intents, reads = intents_and_reads(tables)
    last = intents.find_last_deletion(TARGET_ARN, later(days=days))
    assert (last, BY_DATE in reads) == (found() if is_read else None, is_read)


def test_a_swap_is_found_by_the_resource_id_of_its_old_cluster(tables: Tables) -> None:
    """The newest one of the target, and whether it succeeded; none of another target, and none of 46 days ago."""
    for day, target in ((0, TARGET_ARN), (1, A), (2, TARGET_ARN)):
        operation_id = open_for(tables, target, day)
        facts = {OLD_RESOURCE_ID: "cluster-OLD", NEW_RESOURCE_ID: f"cluster-{day}"}
        began = {"operation_id": operation_id, "step": Step.SWAP_CLUSTERS, "step_started_at": later(days=day)}
        tables.trail.put(deletion(**began, timestamp=later(days=day), facts=facts))
        if day == 0:
            tables.trail.put(row(**began, timestamp=later(hours=1), resource_arns=(TARGET_ARN,)))
    intents = intents_and_reads(tables)[0]
    newest = intents.find_last_swap(TARGET_ARN, "cluster-OLD", later(days=3))
    assert newest == LastSwap(
        operation_id="op-003", declared_at=later(days=2), new_resource_id="cluster-2", succeeded=False
    )
    assert intents.find_last_swap(TARGET_ARN, "cluster-OTHER", later(days=3)) is None
    assert intents.find_last_swap(TARGET_ARN, "cluster-OLD", later(days=SETTINGS_DAYS + 3)) is None


def test_a_swap_that_was_taken_back_has_not_succeeded(tables: Tables) -> None:
    """Until it is proven again: a retry finds the names as they are to be, and declares nothing."""
    operation_id, intents = open_for(tables, TARGET_ARN, 0), intents_and_reads(tables)[0]
    facts = {OLD_RESOURCE_ID: "cluster-OLD", NEW_RESOURCE_ID: "cluster-NEW"}

    def put(step: AuditedStep, hours: int, *, declared: bool) -> bool:
        at = {"operation_id": operation_id, "step": step, "step_started_at": later(hours=hours)}
        at["timestamp"] = later(hours=hours, minutes=1)
        tables.trail.put(deletion(**at, facts=facts) if declared else row(**at, resource_arns=(TARGET_ARN,)))
        swap = intents.find_last_swap(TARGET_ARN, "cluster-OLD", later(days=1))
        assert swap is not None
        return swap.succeeded

    assert not put(Step.SWAP_CLUSTERS, 0, declared=True)
    assert put(Step.SWAP_CLUSTERS, 0, declared=False)
    assert not put(Housekeeping.SWAP_BACK, 1, declared=True)
    assert put(Step.SWAP_CLUSTERS, 2, declared=False)
