"""What a restore learns from the target's earlier ones: how long each of AWS's changes took, and each step."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from audit.durations import MAX_OPERATIONS, EarlierRestores, durations_fact
from models.steps import STEPS, Replacement, Step
from models.waits import DURATIONS_FACT, Change
from tests.rigs.audit_tables import START, row
from tests.rigs.verification import TARGET_ARN, Tables

if TYPE_CHECKING:
    from devstack.aws import Emulator

ANOTHER_TARGET = f"{TARGET_ARN}-2"


def restore(tables: Tables, day: int, facts: dict[str, str], target_arn: str = TARGET_ARN) -> None:
    """An operation whose check-copy-status has these facts."""
    run_id, workflow_id = f"run-{day}", f"workflow of {target_arn}"
    operation_id = tables.open(workflow_id, run_id, target_arn)
    of_it = {"operation_id": operation_id, "workflow_id": workflow_id, "run_id": run_id}
    tables.trail.put(row(**of_it, timestamp=START + timedelta(days=day), step=Step.CHECK_COPY_STATUS, facts=facts))


def whole_restore(tables: Tables, day: int) -> None:
    """An operation whose every step took a minute."""
    run_id, workflow_id = f"run-{day}", f"workflow of {TARGET_ARN}"
    of_it = {"workflow_id": workflow_id, "run_id": run_id, "operation_id": tables.open(workflow_id, run_id, TARGET_ARN)}
    at = START + timedelta(days=day)
    for step in STEPS[Replacement.DELETE_FIRST]:
        tables.trail.put(row(**of_it, step=step, step_started_at=at, timestamp=at + timedelta(minutes=1)))
        at += timedelta(minutes=1)


def usual(tables: Tables) -> dict[Replacement, dict[Step, int]]:
    return EarlierRestores(tables.trail, tables.numbers).read(TARGET_ARN).usual_seconds


def read(tables: Tables) -> dict[Change, tuple[int, ...]]:
    return EarlierRestores(tables.trail, tables.numbers).read(TARGET_ARN).durations


def test_the_durations_of_the_last_ten_operations_of_this_target(tables: Tables) -> None:
    """The newest first; another target's teach nothing."""
    for day in range(12):
        restore(tables, day, durations_fact({Change.SNAPSHOT_COPY: 500 + day}))
    restore(tables, 12, durations_fact({Change.SNAPSHOT_COPY: 9}), ANOTHER_TARGET)
    durations = read(tables)[Change.SNAPSHOT_COPY]
    assert durations == tuple(511 - day for day in range(MAX_OPERATIONS))


def test_nothing_is_learned_from_what_is_no_duration(tables: Tables) -> None:
    """A change that this version does not know, or a fact that is not ours; a target's first restore has none."""
    assert read(tables) == {}
    for day, fact in enumerate(('{"moon-phase": 3, "snapshot": 7}', "[]", "no JSON", '{"snapshot": "a while"}')):
        restore(tables, day, {DURATIONS_FACT: fact})
    assert read(tables) == {Change.SNAPSHOT: (7,)}


def test_the_usual_length_of_each_step_is_learned(tables: Tables) -> None:
    """Of whole restores that succeeded, once there are three."""
    for day in range(3):
        assert usual(tables) == {}
        whole_restore(tables, day)
    assert usual(tables)[Replacement.DELETE_FIRST] == dict.fromkeys(STEPS[Replacement.DELETE_FIRST], 60)


def test_a_trail_that_is_unavailable_delays_nothing(tables: Tables, aws: Emulator) -> None:
    """The restore then polls as for a target about which nothing is known."""
    restore(tables, 0, durations_fact({Change.SNAPSHOT_COPY: 500}))
    aws.faults.add("dynamodb", "Query", "error", code="AccessDeniedException", status=400)
    assert read(tables) == {}
