"""`audit verify` compares each row of the trail with Temporal's history, and names what differs."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.rows import Phase
from audit.table import AuditTable
from audit.verify import history, verifier
from audit.verify.findings import FIND_WRITER, FindingKind, State, Verification, as_plain
from audit.verify.verifier import UnknownOperation
from devstack.temporal_server import TemporalServer
from models.steps import Step
from tests.integration.audit.test_trail_agrees_with_history import SCENARIOS
from tests.rigs.recorded_operations import wait_until, wait_until_activity_started
from tests.rigs.scripted_activities import ScriptedStep
from tests.rigs.verification import (
    UNTIL_CANCELLED,
    Tables,
    VerifyingWorker,
    finding_kinds,
    note_kinds,
    only_row,
    wait_for_effects,
    wait_for_end,
    with_texts,
    with_worker,
)


def test_an_untouched_trail_has_no_finding_however_the_steps_ended(temporal: TemporalServer, tables: Tables) -> None:
    """Every kind of end of an activity: the rows agree with the history, and are sealed."""

    async def scenario(worker: VerifyingWorker) -> dict[str, Verification]:
        handles = {}
        for number, (name, steps) in enumerate(SCENARIOS.items(), start=1):
            handles[name] = await worker.start(f"op-{number:03d}", *steps, sealed=name != "fails the workflow")
        await wait_until_activity_started(handles["cancelled"])
        await handles["cancelled"].cancel()
        await asyncio.gather(*map(wait_for_end, handles.values()))
        verify = worker.verifier.verify
        return {name: await verify(f"op-{number:03d}") for number, name in enumerate(handles, start=1)}

    verifications = with_worker(temporal, tables, scenario)
    findings = {
        name: finding_kinds(verification) for name, verification in verifications.items() if not verification.ok
    }
    # The scripted workflow seals at its end only, so that one that fails before has no seal.
    assert findings == {"fails the workflow": [FindingKind.MISSING_SEAL]}, [*map(as_plain, verifications.values())]
    assert {verification.state for verification in verifications.values()} == {State.ENDED}


FORGED_VALUES: dict[str, dict[str, Any]] = {
    "status": {"S": "FAILED"},
    "details": {"S": "Found snapshot: another"},
    "attempt": {"N": "2"},
    "timestamp": {"S": "2024-03-20T00:05:00.000Z"},
    "request_ids": {"L": [{"S": "another"}]},
    "resource_arns": {"L": []},
    "facts": {"M": {"digest": {"S": "0"}}},
    "workflow_id": {"S": "another"},
    "duration_ms": {"N": "86400000"},
}


def test_a_forged_field_of_an_outcome_is_named_with_both_values(temporal: TemporalServer, tables: Tables) -> None:
    """Each field is compared with the history, so that a forgery is found although no seal covers the row."""

    async def scenario(worker: VerifyingWorker) -> dict[str, Verification]:
        await worker.run("op-001", ScriptedStep(), ScriptedStep(step=Step.DELETE_RDS, behaviour="fail"), sealed=False)
        original, verifications = tables.outcome_item("op-001"), {}
        for field, forged in FORGED_VALUES.items():
            tables.overwrite(original | {field: forged})
            verifications[field] = await worker.verifier.verify("op-001")
        tables.overwrite(original)
        failed = tables.outcome_item("op-001", 1)
        tables.overwrite(failed | {"fault": {"M": {**failed["fault"]["M"], "code": {"S": "Other"}}}})
        verifications["fault"] = await worker.verifier.verify("op-001")
        return verifications

    verifications = with_worker(temporal, tables, scenario)
    for field, verification in verifications.items():
        mismatches = [finding for finding in verification.findings if finding.kind is FindingKind.FIELD_MISMATCH]
        # The exact time of a success is known, and its duration follows from it.
        expected = "duration_seconds" if field == "duration_ms" else field
        assert expected in {finding.field for finding in mismatches} <= {expected, "duration_seconds"}, field
        assert all(finding.event_key for finding in mismatches)
        assert {finding.what_to_do for finding in mismatches} == {FIND_WRITER}
    [details] = [finding for finding in verifications["details"].findings if finding.field == "details"]
    assert (details.actual, details.expected) == ("Found snapshot: another", "Found snapshot: rds:orders")
    assert details.lines == [
        "A field of the row differs from Temporal's history.",
        "field: details",
        "actual: Found snapshot: another",
        "expected: Found snapshot: rds:orders",
        FIND_WRITER,
    ]


@pytest.mark.parametrize(("milliseconds", "finds"), [(-60_000, True), (0, False), (60_000, True)])
def test_the_time_of_a_failure_must_be_between_its_event_and_the_end_of_the_run(
    temporal: TemporalServer, tables: Tables, milliseconds: int, finds: bool
) -> None:
    """A workflow may record a failure later than it happened, but neither before it nor after the run."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await worker.run("op-001", ScriptedStep(behaviour="fail"), sealed=False)
        item = tables.outcome_item("op-001")
        at = datetime.fromisoformat(item["timestamp"]["S"]).timestamp() + milliseconds / 1000
        moved = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        tables.overwrite(with_texts(item, timestamp=moved))
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    fields = {finding.field for finding in verification.findings if finding.kind is FindingKind.FIELD_MISMATCH}
    assert ("timestamp" in fields) is finds, as_plain(verification)


def test_a_row_that_the_history_does_not_confirm_is_named(temporal: TemporalServer, tables: Tables) -> None:
    """An outcome of another run, a beginning of another time, an attempt or an intent too many, and an unreadable item.

    As many intents as attempts are confirmed: a later attempt may find more to delete.
    """

    async def scenario(worker: VerifyingWorker) -> tuple[list[str], Verification]:
        await worker.run("op-001", ScriptedStep(behaviour="succeed-in-third-attempt", attempts=5), sealed=False)
        rows = tables.trail.list_rows("op-001")
        success = only_row(rows, lambda row: row.phase is Phase.OUTCOME)
        started = only_row(rows, lambda row: row.phase is Phase.STARTED)
        attempt = only_row(rows, lambda row: row.phase is Phase.ATTEMPT and row.attempt == 2)
        forged = [
            success.model_copy(update={"run_id": str(uuid.uuid4())}),
            started.model_copy(update={"step_started_at": datetime.now(UTC)}),
            attempt.model_copy(update={"attempt": 4}),
            attempt.model_copy(update={"poll": 2}),
            started.model_copy(update={"phase": Phase.INTENT, "attempt": 4}),
            started.model_copy(update={"phase": Phase.INTENT, "step": Step.DELETE_RDS}),
            started.model_copy(update={"phase": Phase.INTENT, "poll": 2, "workflow_id": "another"}),
            started.model_copy(update={"phase": Phase.DECISION, "run_id": str(uuid.uuid4())}),
            started.model_copy(update={"phase": Phase.DECISION, "attempt": 2, "workflow_id": "another"}),
        ]
        confirmed = [
            *(started.model_copy(update={"phase": Phase.INTENT, "attempt": number}) for number in (1, 2, 3)),
            started.model_copy(update={"phase": Phase.DECISION}),
        ]
        for row in (*confirmed, *forged):
            tables.trail.put(row)
        tables.overwrite({"operation_id": {"S": "op-001"}, "event_key": {"S": "zzz"}, "phase": {"S": "outcome"}})
        return [row.event_key for row in forged], await worker.verifier.verify("op-001")

    forged, verification = with_worker(temporal, tables, scenario)
    unexpected = [finding for finding in verification.findings if finding.kind is FindingKind.UNEXPECTED_ROW]
    assert {finding.event_key for finding in unexpected} == set(forged)
    unreadable = [finding for finding in verification.findings if finding.kind is FindingKind.UNREADABLE_ROW]
    assert [finding.event_key for finding in unreadable] == ["zzz"]
    assert {finding.what_to_do for finding in (*unexpected, *unreadable)} == {FIND_WRITER}


def test_a_row_under_another_rows_key_is_named(temporal: TemporalServer, tables: Tables) -> None:
    """The row's own fields are confirmed, but they do not give the key that it has in the table."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await worker.run("op-001", ScriptedStep(), sealed=False)
        [started] = [item for item in tables.trail.list_items("op-001") if item["phase"]["S"] == Phase.STARTED]
        tables.overwrite(with_texts(started, event_key="zzz"))
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    unexpected = [finding for finding in verification.findings if finding.kind is FindingKind.UNEXPECTED_ROW]
    assert [finding.event_key for finding in unexpected] == ["zzz"]


def test_a_running_operation_is_verified_so_far_and_never_repaired(temporal: TemporalServer, tables: Tables) -> None:
    """A row that may still be written is a note, a wrong row is a finding, and repair adds nothing."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, ...]:
        handle = await worker.start("op-001", ScriptedStep(), UNTIL_CANCELLED)
        await wait_for_effects(2)
        await wait_until(lambda: len(tables.trail.list_rows("op-001")) == 3)
        untouched = await worker.verifier.verify("op-001")
        outcome = tables.outcome_item("op-001")
        tables.delete(outcome)
        missing = await worker.verifier.repair("op-001")
        tables.overwrite(with_texts(outcome, details="another"))
        forged = await worker.verifier.repair("op-001")
        await handle.terminate("a test")
        return untouched, missing, forged

    untouched, missing, forged = with_worker(temporal, tables, scenario)
    assert (untouched.ok, note_kinds(untouched)) == (True, [FindingKind.WORKFLOW_RUNNING])
    assert (missing.ok, missing.added) == (True, ())
    assert note_kinds(missing) == [FindingKind.WORKFLOW_RUNNING, FindingKind.PENDING_ROW]
    assert (finding_kinds(forged), forged.added) == ([FindingKind.FIELD_MISMATCH], ())
    assert forged.state is State.RUNNING


def test_an_activity_that_was_cancelled_before_it_was_scheduled_has_no_row(
    temporal: TemporalServer, tables: Tables
) -> None:
    """The history has no event of it, and neither has the trail."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await worker.run("op-001", ScriptedStep(cancelled_at_once=True), ScriptedStep(step=Step.SNS_NOTIFICATION))
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert verification.ok, as_plain(verification)


def test_an_operation_whose_history_has_expired_is_compared_with_its_seals(
    temporal: TemporalServer, tables: Tables
) -> None:
    """Verify says that the history has expired and still finds a seal of another operation; repair adds nothing."""

    async def scenario(worker: VerifyingWorker) -> tuple[Verification, Verification]:
        await worker.run("op-001", ScriptedStep())
        expired = tables.open("aurora-restore:expired", str(uuid.uuid4()))
        for item in tables.trail.list_items("op-001"):
            tables.overwrite(with_texts(item, operation_id=expired))
        return await worker.verifier.verify(expired), await worker.verifier.repair(expired)

    verification, repaired = with_worker(temporal, tables, scenario)
    assert verification.state is State.HISTORY_EXPIRED
    assert FindingKind.HISTORY_EXPIRED in note_kinds(verification)
    assert FindingKind.CHANGED_SEAL in finding_kinds(verification)
    assert (repaired.added, repaired.findings) == ((), verification.findings)


def test_the_history_is_read_before_the_trail(
    temporal: TemporalServer, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that the workflow writes between the two reads is in the trail that is read, and so not missing."""
    reads: list[str] = []
    read_history, list_items = history.read_history, AuditTable.list_items

    async def reading_history(*args: Any) -> Any:
        reads.append("history")
        return await read_history(*args)

    def listing_items(self: AuditTable, operation_id: str) -> list[dict[str, Any]]:
        reads.append("trail")
        return list_items(self, operation_id)

    async def scenario(worker: VerifyingWorker) -> None:
        await worker.run("op-001", ScriptedStep())
        monkeypatch.setattr(verifier, "read_history", reading_history)
        monkeypatch.setattr(AuditTable, "list_items", listing_items)
        await worker.verifier.verify("op-001")

    with_worker(temporal, tables, scenario)
    assert reads == ["history", "trail"]


def test_activities_of_another_operation_in_the_workflow_are_not_compared(
    temporal: TemporalServer, tables: Tables
) -> None:
    """A workflow that could not allocate a number runs as "unnumbered"; after a reset, it has a number."""

    async def scenario(worker: VerifyingWorker) -> Verification:
        await worker.run("op-001", ScriptedStep(), recorded_as="unnumbered", sealed=False)
        verification: Verification = await worker.verifier.verify("op-001")
        return verification

    verification = with_worker(temporal, tables, scenario)
    assert finding_kinds(verification) == [FindingKind.MISSING_SEAL], as_plain(verification)
    assert verification.rows == 0


def test_an_unknown_operation_is_refused(temporal: TemporalServer, tables: Tables) -> None:
    """A number that was never allocated is most often a typing error."""
    with pytest.raises(UnknownOperation, match="op-999"):
        with_worker(temporal, tables, lambda worker: worker.verifier.verify("op-999"))
