"""The kinds of run that are recorded in real time: those that an operator or a signal reaches while they wait."""

from __future__ import annotations

import asyncio
from functools import partial

from models.decisions import Decision
from models.search_attributes import KEEPING_OLD, STEP
from models.steps import Step
from models.workflow_names import CLEANUP_WORKFLOW, POLL_NOW_SIGNAL
from tests.integration.versions.recording import (
    HOUR,
    OTHER_ID,
    WAITS,
    Scenario,
    ScenarioRig,
    add_scenario,
    waiting_for_operator,
)
from tests.rigs.requests import CANONICAL_ID, quick_request
from tests.rigs.resumed_restores import is_at, is_waiting, wait_for_state

SCENARIOS: dict[str, Scenario] = {}
scenario = partial(add_scenario, SCENARIOS)


async def _cancelled_between_polls(rig: ScenarioRig, step: Step) -> None:
    wait_name, duration = WAITS[step]
    rig.set_durations(**{duration: 600.0})
    handle = await rig.start(quick_request(waits={wait_name: HOUR}), skip=False)
    await wait_for_state(handle, is_at(step))
    await handle.cancel()
    await rig.wait_for_end(handle)


SCENARIOS |= {f"cancelled-between-polls-of-{step}": partial(_cancelled_between_polls, step=step) for step in WAITS}


@scenario
async def poll_now(rig: ScenarioRig) -> None:
    rig.set_durations(copy=1.0)
    handle = await rig.start(quick_request(waits={"copy_snapshot": HOUR}), skip=False)
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await asyncio.sleep(1.2)
    await handle.signal(POLL_NOW_SIGNAL)
    await rig.wait_for_end(handle)


@scenario
async def under_another_id_while_the_target_is_restored(rig: ScenarioRig) -> None:
    rig.set_durations(copy=600.0)
    first = await rig.start(quick_request(waits={"copy_snapshot": HOUR}), skip=False, name="first")
    await wait_for_state(first, is_at(Step.CHECK_COPY_STATUS))
    await rig.run(skip=False, workflow_id=OTHER_ID)
    await first.cancel()
    await rig.wait_for_end(first)
    del rig.handles["first"]


@scenario
async def cancelled_under_another_id(rig: ScenarioRig) -> None:
    rig.set_durations(copy=600.0)
    handle = await rig.start(quick_request(waits={"copy_snapshot": HOUR}), skip=False, workflow_id=OTHER_ID)
    child = rig.real_time.get_workflow_handle(CANONICAL_ID)
    while not rig.incidents.calls.get(Step.CHECK_COPY_STATUS):  # noqa: ASYNC110 - it watches a worker
        await asyncio.sleep(0.05)
    await wait_for_state(child, is_at(Step.CHECK_COPY_STATUS))
    await handle.cancel()
    await rig.wait_for_end(handle)
    rig.handles["child"] = child


async def _decided(rig: ScenarioRig, decision: Decision, step: Step) -> None:
    rig.fail_step(step)
    handle = await rig.start(waiting_for_operator(), skip=False)
    await wait_for_state(handle, is_waiting)
    await rig.decide(handle, decision)
    await rig.wait_for_end(handle)


SCENARIOS |= {
    "operator-retries": partial(_decided, decision=Decision.RETRY, step=Step.RESTORE_SNAPSHOT),
    "operator-skips": partial(_decided, decision=Decision.SKIP, step=Step.ARCHIVE_SNAPSHOT),
    "operator-aborts": partial(_decided, decision=Decision.ABORT, step=Step.RESTORE_SNAPSHOT),
}


@scenario
async def operator_rolls_back(rig: ScenarioRig) -> None:
    keeping = {"replacement": "swap", "swap": {"keep_old": "PT1H"}}
    handle = await rig.start(quick_request(target=keeping), skip=False)
    for _ in range(600):
        if (await handle.describe()).typed_search_attributes.get(STEP) == KEEPING_OLD:
            break
        await asyncio.sleep(0.1)
    await rig.decide(handle, Decision.ROLLBACK)
    await rig.wait_for_end(handle)


@scenario
async def operator_retries_twice(rig: ScenarioRig) -> None:
    rig.fail_step(Step.RESTORE_SNAPSHOT, count=2)
    handle = await rig.start(waiting_for_operator(), skip=False)
    for _ in range(2):
        await wait_for_state(handle, is_waiting)
        await rig.decide(handle, Decision.RETRY)
        await wait_for_state(handle, lambda state: state.waiting_until is None)
    await rig.wait_for_end(handle)


@scenario
async def operator_is_refused_a_skip_then_aborts(rig: ScenarioRig) -> None:
    rig.fail_step(Step.COPY_SNAPSHOT)
    handle = await rig.start(waiting_for_operator(), skip=False)
    await wait_for_state(handle, is_waiting)
    await rig.decide(handle, Decision.SKIP)
    await rig.decide(handle, Decision.ABORT)
    await rig.wait_for_end(handle)


@scenario
async def cancelled_while_waiting_for_an_operator(rig: ScenarioRig) -> None:
    rig.fail_step(Step.RESTORE_SNAPSHOT)
    handle = await rig.start(waiting_for_operator(), skip=False)
    await wait_for_state(handle, is_waiting)
    await handle.cancel()
    await rig.wait_for_end(handle)


async def _retried(rig: ScenarioRig, failed: Step, step: Step | None = None) -> None:
    rig.fail_step(failed)
    await rig.retry(await rig.run(skip=False), step)


SCENARIOS |= {
    f"failed-at-{step}-and-retried": partial(_retried, failed=step)
    for step in (Step.COPY_SNAPSHOT, Step.RESTORE_SNAPSHOT, Step.ARCHIVE_SNAPSHOT, Step.SNS_NOTIFICATION)
}
SCENARIOS["failed-at-archive-snapshot-and-retried-from-restore-snapshot"] = partial(
    _retried, failed=Step.ARCHIVE_SNAPSHOT, step=Step.RESTORE_SNAPSHOT
)


@scenario
async def failed_twice_and_retried_twice(rig: ScenarioRig) -> None:
    rig.fail_step(Step.RESTORE_SNAPSHOT, count=2)
    await rig.retry(await rig.run(skip=False))
    await rig.retry(rig.handles[""])


@scenario
async def cancelled_and_retried(rig: ScenarioRig) -> None:
    rig.cancel_during(Step.CHECK_COPY_STATUS)
    await rig.retry(await rig.run(skip=False))


@scenario
async def terminated_and_retried(rig: ScenarioRig) -> None:
    rig.set_durations(copy=3.0)
    handle = await rig.start(quick_request(waits={"copy_snapshot": HOUR | {"first_interval": "PT1S"}}), skip=False)
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await handle.terminate("recorded")
    await rig.retry(handle)


@scenario
async def bad_input(rig: ScenarioRig) -> None:
    await rig.run({"source": "orders", "password": "-"}, skip=False)


@scenario
async def no_input(rig: ScenarioRig) -> None:
    await rig.wait_for_end(await rig.start(skip=False))


@scenario
async def two_inputs(rig: ScenarioRig) -> None:
    await rig.run(quick_request(), quick_request(), skip=False)


@scenario
async def cleanup_with_nothing_to_remove(rig: ScenarioRig) -> None:
    await rig.run(skip=False, workflow_type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_of_a_failed_copy(rig: ScenarioRig) -> None:
    await _leave_a_failed_copy(rig)
    await rig.run(skip=False, workflow_type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_that_fails(rig: ScenarioRig) -> None:
    await _leave_a_failed_copy(rig)
    rig.refuse("rds", "DeleteDBClusterSnapshot", "AccessDenied")
    await rig.run(skip=False, workflow_type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_that_is_cancelled(rig: ScenarioRig) -> None:
    rig.cancel_during("remove-orphans")
    await rig.run(skip=False, workflow_type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_under_another_id(rig: ScenarioRig) -> None:
    await rig.run(skip=False, workflow_type=CLEANUP_WORKFLOW, workflow_id="another")


@scenario
async def cleanup_without_input(rig: ScenarioRig) -> None:
    await rig.wait_for_end(await rig.start(skip=False, workflow_type=CLEANUP_WORKFLOW))


async def _leave_a_failed_copy(rig: ScenarioRig) -> None:
    rig.set_durations(copy=600.0)
    handle = await rig.start(quick_request(waits={"copy_snapshot": HOUR}), skip=False)
    await wait_for_state(handle, is_at(Step.CHECK_COPY_STATUS))
    await rig.fail_copies()
    await handle.signal(POLL_NOW_SIGNAL)
    await rig.wait_for_end(handle)
