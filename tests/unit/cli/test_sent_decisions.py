"""Sending a decision: the id under which Temporal runs it once, and when it is not sent at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.decisions import Decision, OperatorDecision
from models.restore_state import RestoreState, StepState
from models.steps import Outcome, Status, Step
from models.workflow_names import DECIDE_UPDATE
from runs.decisions import send_decision
from runs.restores import NoAnswer, RestoreRefused

AT = datetime(2026, 11, 25, 3, 2, 11, tzinfo=UTC)
RETRY = OperatorDecision(decision=Decision.RETRY, by="kim@ops", reason="fixed")


class ScriptedRun:
    """A run whose answers are given, and which keeps the ids of the updates that it gets."""

    def __init__(self, state: RestoreState | None, *, running: bool = True, worker: bool = True) -> None:
        self.state, self.running, self.worker = state, running, worker
        self.handle = self
        self.update_ids: list[str] = []

    async def name(self) -> str:
        return "op-007"

    async def is_running(self) -> bool:
        return self.running

    async def query_state(self) -> RestoreState | None:
        if not self.worker:
            raise NoAnswer("no poller")
        return self.state

    async def execute_update(self, update: str, _: OperatorDecision, **options: Any) -> None:
        assert update == DECIDE_UPDATE
        self.update_ids.append(options["id"])


def waiting(step: Step = Step.ARCHIVE_SNAPSHOT, until: datetime | None = AT) -> RestoreState:
    """A restore whose step failed and that waits until then."""
    failed = StepState(step=step, status=Status.FAILED, details="Access denied", started_at=AT)
    return RestoreState(
        operation_id="op-007",
        outcome=Outcome.WAITING if until else Outcome.RUNNING,
        source_arn="source",
        target_arn="target",
        started_at=AT,
        steps=(failed,),
        waiting_until=until,
    )


async def update_id(state: RestoreState, decision: OperatorDecision = RETRY) -> str:
    """The id under which a decision is sent."""
    run: Any = ScriptedRun(state)
    await send_decision(run, decision)
    [sent] = run.update_ids
    return str(sent)


async def test_a_repeated_decision_has_the_same_id() -> None:
    """Temporal runs an update of one id once; another reason does not make it another decision."""
    again = RETRY.model_copy(update={"reason": "really fixed"})
    assert await update_id(waiting()) == await update_id(waiting(), again)


@pytest.mark.parametrize(
    "other",
    [waiting(until=AT + timedelta(hours=1)), waiting(Step.SNS_NOTIFICATION)],
    ids=["a later failure", "another step"],
)
async def test_a_decision_on_another_failure_has_another_id(other: RestoreState) -> None:
    """The second retry of an operation is not mistaken for the first."""
    assert await update_id(waiting()) != await update_id(other)


@pytest.mark.parametrize("changes", [{"by": "lee@ops"}, {"decision": Decision.ABORT}], ids=str)
async def test_another_decision_on_the_same_failure_has_another_id(changes: dict[str, Any]) -> None:
    """Whichever comes second is refused by the workflow, instead of being reported as done."""
    assert await update_id(waiting()) != await update_id(waiting(), RETRY.model_copy(update=changes))


@pytest.mark.parametrize(
    ("run", "refusal"),
    [
        (
            ScriptedRun(waiting(), running=False),
            """\
op-007 has ended and waits for no decision. Retry it from the step that failed:
    python starter.py retry op-007""",
        ),
        (
            ScriptedRun(waiting(), worker=False),
            """\
No worker answers for op-007; the decision was not sent. Start a worker, then repeat the command:
    python worker.py""",
        ),
        (
            ScriptedRun(waiting(until=None)),
            "op-007 is running and waits for no decision: at step 8 of 9, archive-snapshot.",
        ),
        (ScriptedRun(None), "op-007 is running and waits for no decision."),
    ],
    ids=["ended", "no worker", "running", "scheduled run"],
)
async def test_a_decision_that_no_restore_waits_for_is_not_sent(run: Any, refusal: str) -> None:
    """The refusal says why, and what to do instead."""
    with pytest.raises(RestoreRefused) as refused:
        await send_decision(run, RETRY)
    assert str(refused.value) == refusal
    assert run.update_ids == []
