"""`audit verify --repair` adds what the history has and the trail lacks, seals it, and hides nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from audit.report import report_rows
from audit.rows import ADDED_AT, ADDED_BY, EXPIRES_AT, Phase
from audit.verify.findings import FIND_WRITER, FindingKind, Verification, as_plain
from audit.verify.seal_check import RESOLVE_FIRST
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from models.steps import Status, Step
from tests.rigs.scripted_activities import ScriptedStep
from tests.rigs.verification import (
    UNTIL_CANCELLED,
    Tables,
    VerifyingWorker,
    finding_kinds,
    note_kinds,
    only_row,
    start_and_terminate,
    wait_for_effects,
    wait_for_end,
    with_worker,
)

REPAIR_COMMAND = "python starter.py audit verify op-001 --repair"


def test_repair_adds_missing_rows_with_marks_and_seals_them(temporal: TemporalServer, tables: Tables) -> None:
    """Rows that were deleted before any seal are added once, from the history; a second repair adds nothing."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, ...]:
        await worker.run("op-001", ScriptedStep(), ScriptedStep(step=Step.DELETE_RDS, behaviour="fail"), sealed=False)
        for _ in range(2):
            tables.delete(tables.outcome_item("op-001"))
        before = await worker.verifier.verify("op-001")
        repaired = [await worker.verifier.repair("op-001") for _ in range(2)]
        return before, *repaired, await worker.verifier.verify("op-001")

    before, repaired, repaired_again, after = with_worker(temporal, tables, scenario)
    assert finding_kinds(before) == [FindingKind.MISSING_SEAL, FindingKind.MISSING_ROW, FindingKind.MISSING_ROW]
    assert {finding.lines[-1] for finding in before.findings} == {REPAIR_COMMAND}
    assert repaired.ok, as_plain(repaired)
    assert len(repaired.added) == 3
    assert "(4 rows, 1 seal, 1 run; 3 added)" in repaired.headline
    assert (repaired_again.added, repaired_again.ok, after.ok) == ((), True, True)
    assert note_kinds(after) == [FindingKind.ADDED_ROW, FindingKind.ADDED_ROW]
    outcomes = [row for row in tables.trail.list_rows("op-001") if row.phase is Phase.OUTCOME]
    assert [(row.step, row.status) for row in outcomes] == [
        (Step.COPY_SNAPSHOT, Status.SUCCESS),
        (Step.DELETE_RDS, Status.FAILED),
    ]
    assert {row.facts[ADDED_BY] for row in outcomes} == {"audit verify"}
    assert all(datetime.fromisoformat(row.facts[ADDED_AT]) <= datetime.now(UTC) for row in outcomes)


def test_repair_ends_the_step_of_a_terminated_workflow(temporal: TemporalServer, tables: Tables) -> None:
    """A terminate runs no code: verify names the step without an end, and repair adds the end and a seal."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, ...]:
        await start_and_terminate(worker, 2, ScriptedStep(), UNTIL_CANCELLED)
        before = await worker.verifier.verify("op-001")
        return before, await worker.verifier.repair("op-001"), await worker.verifier.verify("op-001")

    before, repaired, after = with_worker(temporal, tables, scenario)
    assert finding_kinds(before) == [FindingKind.MISSING_SEAL, FindingKind.STEP_WITHOUT_END]
    assert before.findings[1].step == Step.RESTORE_SNAPSHOT
    assert before.findings[1].lines[-1] == REPAIR_COMMAND
    assert repaired.ok, as_plain(repaired)
    assert after.ok, as_plain(after)
    last = report_rows(tables.trail.list_rows("op-001"))[-1]
    assert (last.step, last.status, last.details) == (Step.RESTORE_SNAPSHOT, Status.FAILED, "Terminated")


def test_a_step_that_is_terminated_between_two_polls_has_no_end(temporal: TemporalServer, tables: Tables) -> None:
    """A step whose last poll was not done is in progress, although no activity runs; its end belongs to the last poll."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await start_and_terminate(worker, 2, ScriptedStep(polls=2, behaviour="run-until-cancelled"))
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert finding_kinds(verification) == [FindingKind.MISSING_SEAL, FindingKind.STEP_WITHOUT_END]
    assert "#00002.00000#" in (verification.findings[1].event_key or "")


def test_a_repaired_workflow_can_be_reset(aws: Emulator, temporal: TemporalServer, tables: Tables) -> None:
    """The new run records a success again that repair has added: its write is no conflict, and the marks stay."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, Verification]:
        outage = aws.faults.add("dynamodb", "PutItem", "http500", count=None, skip=1)
        handle = await worker.start("op-001", ScriptedStep(), UNTIL_CANCELLED)
        await wait_for_effects(2)
        await handle.terminate("a test")
        aws.faults.remove(outage)
        repaired = await worker.verifier.repair("op-001")
        new_run = await worker.reset(handle, 1)
        await wait_for_effects(3)
        await new_run.cancel()
        await wait_for_end(new_run)
        return repaired, await worker.verifier.verify("op-001")

    repaired, verification = with_worker(temporal, tables, scenario)
    assert repaired.ok, as_plain(repaired)
    assert verification.ok, as_plain(verification)
    successes = [row for row in tables.trail.list_rows("op-001") if row.status is Status.SUCCESS]
    assert [row.facts.get(ADDED_BY) for row in successes] == ["audit verify"]


def test_repair_does_not_hide_that_a_sealed_row_was_deleted_or_that_a_row_was_inserted(
    temporal: TemporalServer, tables: Tables
) -> None:
    """The deleted row is added again, but differs from its seal for ever; an inserted row is not sealed."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, ...]:
        await worker.run("op-001", ScriptedStep())
        await worker.run("op-002", ScriptedStep())
        tables.delete(tables.outcome_item("op-001"))
        deleted = await worker.verifier.verify("op-001")
        repaired = [await worker.verifier.repair("op-001") for _ in range(2)]
        success = only_row(tables.trail.list_rows("op-002"), lambda row: row.phase is Phase.OUTCOME)
        tables.trail.put(success.model_copy(update={"step": Step.DELETE_RDS}))
        return deleted, *repaired, await worker.verifier.repair("op-002")

    deleted, repaired, repaired_again, inserted = with_worker(temporal, tables, scenario)
    assert sorted(finding_kinds(deleted)) == [FindingKind.DELETED_ROW, FindingKind.MISSING_ROW]
    assert finding_kinds(repaired) == finding_kinds(repaired_again) == [FindingKind.CHANGED_ROW], as_plain(repaired)
    assert "added by audit verify" in (repaired.findings[0].actual or "")
    assert repaired_again.added == ()
    assert sorted(finding_kinds(inserted)) == [FindingKind.UNEXPECTED_ROW, FindingKind.UNSEALED_ROW]
    assert {finding.what_to_do for finding in inserted.findings} == {FIND_WRITER}
    assert (inserted.added, inserted.seals) == ((), 1)


def test_repair_seals_nothing_while_one_row_is_not_confirmed(temporal: TemporalServer, tables: Tables) -> None:
    """Without a seal, the finding about it says that the other findings come first."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await worker.run("op-001", ScriptedStep(), sealed=False)
        success = only_row(tables.trail.list_rows("op-001"), lambda row: row.phase is Phase.OUTCOME)
        tables.trail.put(success.model_copy(update={"step": Step.DELETE_RDS}))
        verification: Verification = await worker.verifier.repair("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert finding_kinds(verification) == [FindingKind.MISSING_SEAL, FindingKind.UNEXPECTED_ROW]
    assert verification.findings[0].what_to_do == RESOLVE_FIRST
    assert (verification.added, verification.seals) == ((), 0)


def test_repair_seals_an_operation_whose_rows_the_history_confirms(temporal: TemporalServer, tables: Tables) -> None:
    """The workflow could not seal it, because DynamoDB was unavailable; afterwards there is no finding."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, Verification]:
        await worker.run("op-001", ScriptedStep(), sealed=False)
        return await worker.verifier.repair("op-001"), await worker.verifier.verify("op-001")

    repaired, verification = with_worker(temporal, tables, scenario)
    assert (repaired.ok, len(repaired.added), repaired.seals) == (True, 1, 1)
    assert verification.ok


def test_repair_does_not_add_an_expired_row(temporal: TemporalServer, tables: Tables) -> None:
    """DynamoDB deleted the row after its time to live, while Temporal still has the history: a note."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, Verification]:
        await worker.run("op-001", ScriptedStep(), sealed=False)
        outcome = tables.outcome_item("op-001")
        tables.overwrite(outcome | {EXPIRES_AT: {"N": "1"}})
        await worker.verifier.repair("op-001")
        tables.delete(outcome)
        return await worker.verifier.verify("op-001"), await worker.verifier.repair("op-001")

    verification, repaired = with_worker(temporal, tables, scenario)
    assert note_kinds(verification) == [FindingKind.EXPIRED]
    assert (verification.ok, repaired.ok, repaired.added) == (True, True, ())
