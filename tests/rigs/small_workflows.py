"""A workflow whose steps are told how to end, so that each way of ending can be held against the trail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from audit import trail
    from audit.activities import SealActivities
    from models.operation import StepOutcome
    from models.seal import SealInput
    from tests.rigs.scripted_activities import Call, Night, ScriptedInput, breaks


@workflow.defn(name="SmallNight")
class SmallNight:
    """Makes its calls one after the other; a step that fails ends nothing, unless the night says so."""

    @workflow.run
    async def run(self, night: Night) -> list[str]:
        """What each call ended with, in a word."""
        ended = [await self._ended(night, call) for call in night.calls]
        if night.sealed_for:
            await self._seal(night.operation_id, night.sealed_for)
        return ended

    async def _seal(self, operation_id: str, target: str) -> None:
        await trail.wait_until_written()
        seal_input = SealInput(
            operation_id=operation_id,
            target_arn=target,
            workflow_id=workflow.info().workflow_id,
            sealed_at=workflow.now(),
        )
        await workflow.execute_activity_method(
            SealActivities.seal_trail, seal_input, start_to_close_timeout=timedelta(seconds=20)
        )

    async def _ended(self, night: Night, call: Call) -> str:
        try:
            ended = await self._until_done(night, call)
        except ActivityError as error:
            if call.fatal:
                raise
            ended = type(error.cause).__name__
        if night.written_after_each:
            await trail.wait_until_written()
        if breaks(night.operation_id):
            raise RuntimeError("a workflow task that fails, as after the deployment of a defect")
        return ended

    async def _until_done(self, night: Night, call: Call) -> str:
        started_at = workflow.now()
        for poll in range(1, call.looks + 1):
            step_input = ScriptedInput(
                operation_id=night.operation_id,
                step_started_at=started_at,
                poll=poll,
                behaviour=call.behaviour if poll == call.looks else "not-yet",
            )
            await self._call(call, step_input)
        return "done"

    async def _call(self, call: Call, step_input: ScriptedInput) -> None:
        config: dict[str, Any] = {
            "start_to_close_timeout": timedelta(seconds=call.start_to_close),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=call.attempts),
        }
        if call.heartbeat:
            config["heartbeat_timeout"] = timedelta(seconds=call.heartbeat)
        if call.task_queue:
            config |= {"task_queue": call.task_queue, "schedule_to_start_timeout": timedelta(seconds=1)}
        handle = workflow.start_activity(call.step, step_input, result_type=StepOutcome, **config)
        if call.cancelled_at_once:
            await asyncio.sleep(0)
            handle.cancel()
        await handle
