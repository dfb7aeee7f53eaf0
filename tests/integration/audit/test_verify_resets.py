"""`audit verify` on workflows that were reset, and on later runs of the same workflow id."""

from __future__ import annotations

import uuid

import pytest

from audit.rows import Phase
from audit.verify.findings import FindingKind, State, Verification, as_plain
from devstack.temporal_server import TemporalServer
from models.steps import Step
from tests.rigs.recorded_operations import wait_until
from tests.rigs.scripted_activities import ScriptedStep
from tests.rigs.verification import (
    UNTIL_CANCELLED,
    Tables,
    VerifyingWorker,
    finding_kinds,
    note_kinds,
    wait_for_effects,
    wait_for_end,
    with_worker,
)


@pytest.mark.parametrize(
    ("task", "seals"), [(0, 3), (1, 3), (-1, 1)], ids=["to the first task", "to the second step", "to the last task"]
)
def test_all_runs_of_a_reset_workflow_are_one_operation(
    temporal: TemporalServer, tables: Tables, task: int, seals: int
) -> None:
    """After a reset and a reset of the reset, all runs are compared, and an end that they share counts once."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        handle = await worker.run(
            "op-001",
            ScriptedStep(),
            ScriptedStep(step=Step.DELETE_RDS, behaviour="fail"),
            ScriptedStep(step=Step.SNS_NOTIFICATION),
        )
        for _ in range(2):
            handle = await worker.reset(handle, task)
            await wait_for_end(handle)
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert verification.ok, as_plain(verification)
    assert (len(verification.runs), verification.state, verification.seals) == (3, State.ENDED, seals)


def outcome_count(tables: Tables) -> int:
    return sum(row.phase is Phase.OUTCOME for row in tables.trail.list_rows("op-001"))


def test_repair_adds_nothing_while_the_new_run_of_a_reset_workflow_runs(
    temporal: TemporalServer, tables: Tables
) -> None:
    """An end that both runs share may still be written by the new one; a missing end of the old run is a finding."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        handle = await worker.start(
            "op-001", ScriptedStep(), ScriptedStep(step=Step.DELETE_RDS, behaviour="fail"), UNTIL_CANCELLED
        )
        await wait_for_effects(3)
        await wait_until(lambda: outcome_count(tables) == 2)
        new_run = await worker.reset(handle, 1)
        await wait_for_effects(5)
        await wait_until(lambda: outcome_count(tables) == 3)
        for item in tables.trail.list_items("op-001"):
            if item["phase"]["S"] == Phase.OUTCOME and item["run_id"]["S"] == handle.first_execution_run_id:
                tables.delete(item)
        repaired = await worker.verifier.repair("op-001")
        await new_run.terminate("a test")
        return repaired

    repaired = with_worker(temporal, tables, scenario)
    assert (repaired.state, repaired.added) == (State.RUNNING, ())
    assert finding_kinds(repaired) == [FindingKind.MISSING_ROW], as_plain(repaired)
    assert repaired.findings[0].step == Step.DELETE_RDS
    assert [note.step for note in repaired.notes if note.kind is FindingKind.PENDING_ROW] == [Step.COPY_SNAPSHOT]


def test_a_step_that_a_reset_interrupted_is_a_note(temporal: TemporalServer, tables: Tables) -> None:
    """It has no end in the old run, because the operation continued in the new one."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        handle = await worker.start("op-001", ScriptedStep(), UNTIL_CANCELLED)
        await wait_for_effects(2)
        await wait_until(lambda: len(tables.trail.list_rows("op-001")) == 3)
        new_run = await worker.reset(handle, 1)
        await wait_for_effects(3)
        await new_run.cancel()
        await wait_for_end(new_run)
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert verification.ok, as_plain(verification)
    assert note_kinds(verification) == [FindingKind.WORKFLOW_RESET]
    assert len(verification.runs) == 2


def test_later_runs_of_the_same_workflow_id_are_other_operations(temporal: TemporalServer, tables: Tables) -> None:
    """Three operations of one target: each is compared with its own run only."""

    async def scenario(worker: VerifyingWorker) -> list[Verification]:
        workflow_id = f"target-{uuid.uuid4().hex[:8]}"
        for number in (1, 2, 3):
            await worker.run(f"op-{number:03d}", ScriptedStep(), workflow_id=workflow_id)
        return [await worker.verifier.verify(f"op-{number:03d}") for number in (1, 2, 3)]

    for verification in with_worker(temporal, tables, scenario):
        assert verification.ok, as_plain(verification)
        assert (len(verification.runs), verification.rows, verification.seals) == (1, 2, 1)
