"""`audit verify` against Temporal's own history: nights of every ending, lost and forged rows, terminate, reset, repair."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from audit.report import report_rows
from audit.rows import ADDED_AT, ADDED_BY, Phase
from audit.verify.findings import FindingKind, State, Verification, as_json, as_plain, as_table
from audit.verify.verifier import UnknownOperation
from devstack.aws import Emulator
from devstack.temporal_server import TemporalServer
from models.steps import Status, Step
from tests.integration.audit.test_trail_tells_the_truth import SCENARIOS
from tests.rigs import scripted_activities
from tests.rigs.recorded_operations import at_work
from tests.rigs.scripted_activities import Call
from tests.rigs.verification import Desk, Tables, changed, desk, ended, kinds, noted, only

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNTIL_CANCELLED = Call(step=Step.RESTORE_SNAPSHOT, behaviour="until-cancelled")


@pytest.fixture
def tables(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> Tables:
    """Fresh tables."""
    return Tables(dynamodb, table_name, operations_table)


def at_desk(temporal: TemporalServer, tables: Tables, work: Callable[[Desk], Awaitable[Any]]) -> Any:
    """Do something with a worker up."""

    async def run() -> Any:
        async with desk(temporal, tables) as at:
            return await work(at)

    return asyncio.run(run())


def test_a_true_trail_is_clean_however_the_steps_ended(temporal: TemporalServer, tables: Tables) -> None:
    """Every way in which an activity can end: what the workflow told is what the history says, and it is sealed."""

    async def work(at: Desk) -> dict[str, Verification]:
        handles = {}
        for number, (name, calls) in enumerate(SCENARIOS.items(), start=1):
            handles[name] = await at.start(f"op-{number:03d}", *calls, sealed=name != "refused fatally")
        await at_work(handles["cancelled"])
        await handles["cancelled"].cancel()
        await asyncio.gather(*map(ended, handles.values()))
        verify = at.verifier.verify
        return {name: await verify(f"op-{number:03d}") for number, name in enumerate(handles, start=1)}

    verified = at_desk(temporal, tables, work)
    found = {name: [(f.kind, f.lines) for f in of.findings] for name, of in verified.items() if of.findings}
    # A night that fails before it comes to its seal has none: that is all that is wrong anywhere.
    assert {name: [kind for kind, _ in findings] for name, findings in found.items()} == {
        "refused fatally": [FindingKind.MISSING_SEAL]
    }, found
    assert {of.state for of in verified.values()} == {State.ENDED}


FORGERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "status": ("op-001", {"S": "FAILED"}),
    "details": ("op-001", {"S": "Found snapshot: another"}),
    "attempt": ("op-001", {"N": "2"}),
    "timestamp": ("op-001", {"S": "2024-03-20T00:05:00.000Z"}),
    "request_ids": ("op-001", {"L": [{"S": "another"}]}),
    "resource_arns": ("op-001", {"L": []}),
    "facts": ("op-001", {"M": {"digest": {"S": "0"}}}),
    "workflow_id": ("op-001", {"S": "another"}),
}


def test_a_forged_field_is_named(temporal: TemporalServer, tables: Tables) -> None:
    """Each field of an outcome's row is held against the history, also where no seal stands over it."""

    async def work(at: Desk) -> dict[str, Verification]:
        await at.night("op-001", Call(), Call(step=Step.DELETE_RDS, behaviour="fail"), sealed=False)
        true, verified = tables.outcome("op-001"), {}
        for field, (operation_id, forged) in FORGERIES.items():
            tables.put(true | {field: forged})
            verified[field] = await at.verifier.verify(operation_id)
        tables.put(true)
        fault = tables.outcome("op-001", 1)
        tables.put(fault | {"fault": {"M": {**fault["fault"]["M"], "code": {"S": "Other"}}}})
        verified["fault"] = await at.verifier.verify("op-001")
        return verified

    verified = at_desk(temporal, tables, work)
    for field, of in verified.items():
        different = [finding for finding in of.findings if finding.kind is FindingKind.FIELD_MISMATCH]
        # The time of a success is known to the millisecond, and its length follows from it.
        assert field in {finding.field for finding in different} <= {field, "duration_seconds"}, field
        assert all(finding.event_key for finding in different)
    [details] = [finding for finding in verified["details"].findings if finding.field == "details"]
    assert (details.actual, details.expected) == ("Found snapshot: another", "Found snapshot: rds:orders")


def test_a_row_of_which_no_history_knows_is_named(temporal: TemporalServer, tables: Tables) -> None:
    """An outcome of another run, a beginning of another time, an attempt or an intent too many, and what is no row.

    An intent for each attempt is known: a later one may have found more to delete.
    """

    async def work(at: Desk) -> tuple[list[str], Verification]:
        await at.night("op-001", Call(behaviour="third-time-lucky", attempts=5), sealed=False)
        rows = tables.trail.list_rows("op-001")
        success = only(rows, lambda row: row.phase is Phase.OUTCOME)
        started = only(rows, lambda row: row.phase is Phase.STARTED)
        attempt = only(rows, lambda row: row.phase is Phase.ATTEMPT and row.attempt == 2)
        forged = [
            success.model_copy(update={"run_id": str(uuid.uuid4())}),
            started.model_copy(update={"step_started_at": datetime.now(UTC)}),
            attempt.model_copy(update={"attempt": 4}),
            attempt.model_copy(update={"poll": 2}),
            started.model_copy(update={"phase": Phase.INTENT, "attempt": 4}),
            started.model_copy(update={"phase": Phase.INTENT, "step": Step.DELETE_RDS}),
        ]
        intents = [started.model_copy(update={"phase": Phase.INTENT, "attempt": number}) for number in (1, 2, 3)]
        for row in (*intents, *forged):
            tables.trail.put(row)
        garbage = {"operation_id": {"S": "op-001"}, "event_key": {"S": "zzz"}, "phase": {"S": "outcome"}}
        tables.put(garbage)
        return [row.event_key for row in forged], await at.verifier.verify("op-001")

    forged, verified = at_desk(temporal, tables, work)
    assert {f.event_key for f in verified.findings if f.kind is FindingKind.UNEXPECTED_ROW} == set(forged)
    assert [f.event_key for f in verified.findings if f.kind is FindingKind.UNREADABLE_ROW] == ["zzz"]


def test_lost_rows_are_added_and_say_so(temporal: TemporalServer, tables: Tables) -> None:
    """Rows that vanished before any seal come back from the history, marked, sealed, and once."""

    async def work(at: Desk) -> tuple[Verification, Verification, Verification, Verification]:
        await at.night("op-001", Call(), Call(step=Step.DELETE_RDS, behaviour="fail"), sealed=False)
        for _ in range(2):
            tables.remove(tables.outcome("op-001"))
        before = await at.verifier.verify("op-001")
        return (
            before,
            await at.verifier.repair("op-001"),
            await at.verifier.repair("op-001"),
            await at.verifier.verify("op-001"),
        )

    before, repaired, again, after = at_desk(temporal, tables, work)
    assert kinds(before) == [FindingKind.MISSING_SEAL, FindingKind.MISSING_ROW, FindingKind.MISSING_ROW]
    assert repaired.ok, as_plain(repaired)
    assert len(repaired.added) == 3
    assert (again.added, again.ok, after.ok) == ((), True, True)
    assert noted(after) == [FindingKind.ADDED_ROW, FindingKind.ADDED_ROW]
    outcomes = [row for row in tables.trail.list_rows("op-001") if row.phase is Phase.OUTCOME]
    assert [(row.step, row.status) for row in outcomes] == [
        (Step.COPY_SNAPSHOT, Status.SUCCESS),
        (Step.DELETE_RDS, Status.FAILED),
    ]
    assert {row.facts[ADDED_BY] for row in outcomes} == {"audit verify"}
    assert all(datetime.fromisoformat(row.facts[ADDED_AT]) <= datetime.now(UTC) for row in outcomes)


def test_a_terminated_step_gets_its_end(temporal: TemporalServer, tables: Tables) -> None:
    """Terminate runs nothing: verify names the step that was under way, repair ends it and seals the operation."""

    async def work(at: Desk) -> tuple[Verification, Verification, Verification]:
        handle = await at.start("op-001", Call(), UNTIL_CANCELLED)
        await until(lambda: scripted_activities.effects["op-001"] >= 2)
        await handle.terminate("a test")
        before = await at.verifier.verify("op-001")
        return before, await at.verifier.repair("op-001"), await at.verifier.verify("op-001")

    scripted_activities.effects.clear()
    before, repaired, after = at_desk(temporal, tables, work)
    assert kinds(before) == [FindingKind.MISSING_SEAL, FindingKind.STEP_WITHOUT_END]
    assert before.findings[1].step == Step.RESTORE_SNAPSHOT
    assert "starter.py audit verify op-001 --repair" in before.findings[1].what_to_do
    assert repaired.ok, as_plain(repaired)
    assert after.ok, as_plain(after)
    last = report_rows(tables.trail.list_rows("op-001"))[-1]
    assert (last.step, last.status, last.details) == (Step.RESTORE_SNAPSHOT, Status.FAILED, "Terminated")


def test_a_step_terminated_between_two_looks_gets_its_end(temporal: TemporalServer, tables: Tables) -> None:
    """A step whose last look found no end is under way although no activity runs."""

    async def work(at: Desk) -> Verification:
        handle = await at.start("op-001", Call(looks=2, task_queue=None, behaviour="until-cancelled"))
        await until(lambda: scripted_activities.effects["op-001"] >= 2)
        await handle.terminate("a test")
        verified: Verification = await at.verifier.verify("op-001")
        return verified

    scripted_activities.effects.clear()
    verified = at_desk(temporal, tables, work)
    assert kinds(verified) == [FindingKind.MISSING_SEAL, FindingKind.STEP_WITHOUT_END]
    assert verified.findings[1].event_key is not None
    assert "#00002.00000#" in verified.findings[1].event_key


def test_a_running_night_is_verified_as_far_as_it_is(temporal: TemporalServer, tables: Tables) -> None:
    """What may still come is a note, what is wrong already is a finding, and nothing is repaired."""

    async def work(at: Desk) -> tuple[Verification, Verification, Verification]:
        handle = await at.start("op-001", Call(), UNTIL_CANCELLED)
        await until(lambda: scripted_activities.effects["op-001"] >= 2)
        await until(lambda: len(tables.trail.list_rows("op-001")) == 3)
        clean = await at.verifier.verify("op-001")
        outcome = tables.outcome("op-001")
        tables.remove(outcome)
        lost = await at.verifier.repair("op-001")
        tables.put(changed(outcome, details="another"))
        wrong = await at.verifier.repair("op-001")
        await handle.terminate("a test")
        return clean, lost, wrong

    scripted_activities.effects.clear()
    clean, lost, wrong = at_desk(temporal, tables, work)
    assert (clean.ok, noted(clean)) == (True, [FindingKind.WORKFLOW_RUNNING])
    assert (lost.ok, noted(lost), lost.added) == (True, [FindingKind.WORKFLOW_RUNNING, FindingKind.PENDING_ROW], ())
    assert (kinds(wrong), wrong.added, wrong.state) == ([FindingKind.FIELD_MISMATCH], (), State.RUNNING)


@pytest.mark.parametrize(
    ("task", "seals"), [(0, 3), (1, 3), (-1, 1)], ids=["the first task", "the second step", "the last task"]
)
def test_a_reset_night_is_one_operation(temporal: TemporalServer, tables: Tables, task: int, seals: int) -> None:
    """After a reset, and a reset of the reset, all runs are compared, every end once, and seals go on."""

    async def work(at: Desk) -> Verification:
        handle = await at.night(
            "op-001", Call(), Call(step=Step.DELETE_RDS, behaviour="fail"), Call(step=Step.SNS_NOTIFICATION)
        )
        for _ in range(2):
            handle = await at.reset(handle, task)
            await ended(handle)
        verified: Verification = await at.verifier.verify("op-001")
        return verified

    verified = at_desk(temporal, tables, work)
    assert verified.ok, as_plain(verified)
    assert (len(verified.runs), verified.state) == (3, State.ENDED)
    assert verified.seals == seals


def test_a_night_reset_while_it_ran_went_on_elsewhere(temporal: TemporalServer, tables: Tables) -> None:
    """The step that the reset cut off has no end in its run, which is a note: the operation went on in another."""

    async def work(at: Desk) -> Verification:
        handle = await at.start("op-001", Call(), UNTIL_CANCELLED)
        await until(lambda: scripted_activities.effects["op-001"] >= 2)
        await until(lambda: len(tables.trail.list_rows("op-001")) == 3)
        again = await at.reset(handle, 1)
        await until(lambda: scripted_activities.effects["op-001"] >= 3)
        await again.cancel()
        await ended(again)
        verified: Verification = await at.verifier.verify("op-001")
        return verified

    scripted_activities.effects.clear()
    verified = at_desk(temporal, tables, work)
    assert verified.ok, as_plain(verified)
    assert noted(verified) == [FindingKind.WORKFLOW_RESET]
    assert len(verified.runs) == 2


def test_a_call_that_was_cancelled_before_temporal_heard_of_it(temporal: TemporalServer, tables: Tables) -> None:
    """No event tells of it, and no row either."""

    async def work(at: Desk) -> Verification:
        await at.night("op-001", Call(cancelled_at_once=True), Call(step=Step.SNS_NOTIFICATION))
        verified: Verification = await at.verifier.verify("op-001")
        return verified

    verified = at_desk(temporal, tables, work)
    assert verified.ok, as_plain(verified)


def test_a_repaired_night_can_be_reset(aws: Emulator, temporal: TemporalServer, tables: Tables) -> None:
    """What repair added is no obstacle to a reset workflow that tells the same success itself."""

    async def work(at: Desk) -> tuple[Verification, Verification]:
        outage = aws.faults.add("dynamodb", "PutItem", "http500", count=None, skip=1)
        handle = await at.start("op-001", Call(), UNTIL_CANCELLED)
        await until(lambda: scripted_activities.effects["op-001"] >= 2)
        await handle.terminate("a test")
        aws.faults.remove(outage)
        repaired = await at.verifier.repair("op-001")
        again = await at.reset(handle, 1)
        await until(lambda: scripted_activities.effects["op-001"] >= 3)
        await again.cancel()
        await ended(again)
        return repaired, await at.verifier.verify("op-001")

    scripted_activities.effects.clear()
    repaired, verified = at_desk(temporal, tables, work)
    assert repaired.ok, as_plain(repaired)
    assert verified.ok, as_plain(verified)
    successes = [row for row in tables.trail.list_rows("op-001") if row.status is Status.SUCCESS]
    assert [row.facts.get(ADDED_BY) for row in successes] == ["audit verify"]


def test_later_nights_of_the_same_workflow_are_other_operations(temporal: TemporalServer, tables: Tables) -> None:
    """One workflow id, three nights: each operation is held against its own runs."""

    async def work(at: Desk) -> list[Verification]:
        workflow_id = f"target-{uuid.uuid4().hex[:8]}"
        for number in (1, 2, 3):
            await at.night(f"op-{number:03d}", Call(), workflow_id=workflow_id)
        return [await at.verifier.verify(f"op-{number:03d}") for number in (1, 2, 3)]

    for verified in at_desk(temporal, tables, work):
        assert verified.ok, as_plain(verified)
        assert (len(verified.runs), verified.rows, verified.seals) == (1, 2, 1)


def test_what_temporal_has_forgotten_is_checked_by_its_seals(temporal: TemporalServer, tables: Tables) -> None:
    """Retention is over: that is said, the seals are checked, and a repair adds nothing."""

    async def work(at: Desk) -> tuple[Verification, Verification]:
        await at.night("op-001", Call())
        forgotten = tables.open("aurora-restore:forgotten", str(uuid.uuid4()))
        for item in tables.trail.list_items("op-001"):
            tables.put(changed(item, operation_id=forgotten))
        return await at.verifier.verify(forgotten), await at.verifier.repair(forgotten)

    verified, repaired = at_desk(temporal, tables, work)
    assert verified.state is State.HISTORY_EXPIRED
    assert FindingKind.HISTORY_EXPIRED in noted(verified)
    # The rows of another operation under this one's number: its seal gives them away.
    assert FindingKind.CHANGED_SEAL in kinds(verified)
    assert (repaired.added, repaired.findings) == ((), verified.findings)


def test_an_operation_that_never_was_is_refused(temporal: TemporalServer, tables: Tables) -> None:
    """A number that nobody opened is a mistake of the caller."""
    with pytest.raises(UnknownOperation, match="op-999"):
        at_desk(temporal, tables, lambda at: at.verifier.verify("op-999"))


def test_it_is_told_to_people_and_to_programs(temporal: TemporalServer, tables: Tables) -> None:
    """The same findings as lines, as a table on a narrow terminal, and as JSON with the answer."""

    async def work(at: Desk) -> Verification:
        await at.night("op-001", Call())
        tables.put(changed(tables.outcome("op-001"), details="[bold]another"))
        verified: Verification = await at.verifier.verify("op-001")
        return verified

    verified = at_desk(temporal, tables, work)
    told = json.loads(as_json(verified))
    assert (told["ok"], told["state"], told["operation_id"]) == (False, "ended", "op-001")
    assert {finding["kind"] for finding in told["findings"]} == {"field mismatch", "changed row"}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_table(verified))
    for text in (as_plain(verified), console.export_text()):
        assert "op-001 (ended)" in text
        assert "[bold]another" in text


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for happens in other threads
            await asyncio.sleep(0.05)
