"""`starter.py retry` of what cannot be retried: refused, with the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.decisions import Decision
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW
from tests.rigs.cli import CommandResult
from tests.rigs.durations import AT_ONCE
from tests.rigs.requests import CANONICAL_ID, quick_request
from tests.rigs.resumed_restores import (
    ResumedRestores,
    is_at,
    wait_for_state,
)

NOW = datetime.now(UTC)


@pytest.fixture
def slow_copies(resumed: ResumedRestores) -> None:
    """A copy takes 4 seconds: long enough to be cancelled on a busy machine too."""
    resumed.rig.demo.emulator.durations = replace(AT_ONCE, copy=4.0)


async def retry(resumed: ResumedRestores, operation: str, *options: str) -> CommandResult:
    """Retry as kim@ops."""
    return await resumed.decide(operation, Decision.RETRY, *options)


@pytest.mark.usefixtures("slow_copies")
async def test_what_cannot_be_retried_is_refused(resumed: ResumedRestores) -> None:
    """Each refusal exits with 3 and says what to do instead."""
    assert is_refused(await retry(resumed, "op-999"), "Temporal has no restore of operation op-999")

    resumed.fail_step(Step.COPY_SNAPSHOT)
    first = await resumed.run_to_failure(quick_request())
    said = await retry(resumed, first, "--from", "setup-db-users")
    assert is_refused(said, f"{first} did not reach setup-db-users. Its steps: snapshot-check, copy-snapshot")
    assert is_refused(await resumed.operator("skip", first), f"{first} has ended and waits for no decision")

    handle = await resumed.start(quick_request())
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    second = await resumed.operation(handle)
    running = await retry(resumed, second)
    assert is_refused(running, f"{second} is running and waits for no decision")
    assert is_refused(await retry(resumed, second, "--from", "copy-snapshot"), f"{second} has not ended")
    older = await retry(resumed, first)
    assert is_refused(older, f"{first} is not the newest operation of its target: {second} is newer and is running")
    await handle.result()
    assert is_refused(await retry(resumed, second), f"{second} succeeded; there is nothing to retry")
    assert "ended as completed" in (await retry(resumed, first)).err


async def test_a_restore_without_a_first_step_is_refused(resumed: ResumedRestores) -> None:
    """A restore that was terminated before its first task has no step to continue from."""
    handle = await resumed.rig.client.start_workflow(
        RESTORE_WORKFLOW, quick_request(), id=CANONICAL_ID, task_queue="no-worker"
    )
    await handle.terminate("a test")
    for _ in range(50):  # Temporal's lists lag
        said = await retry(resumed, CANONICAL_ID)
        if "ended before its first step" in said.err:
            break
    assert is_refused(said, f"{CANONICAL_ID} ended before its first step")


def is_refused(said: CommandResult, text: str) -> bool:
    """Exit code 3, nothing on stdout, and the text on stderr."""
    assert (said.code, said.out) == (3, ""), said
    assert text in said.err, said.err
    return True
