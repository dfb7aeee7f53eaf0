"""A workflow whose steps end as its input says, so that each kind of end can be compared with the trail."""

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
    from models.decisions import Decision, OperatorDecision
    from models.seal import SealInput
    from models.step_call import StepOutcome
    from models.steps import Step
    from tests.rigs.scripted_activities import ScriptedInput, ScriptedOperation, ScriptedStep, fails_workflow_task


@workflow.defn(name="ScriptedWorkflow")
class ScriptedWorkflow:
    """Runs its steps one after another. A failed step does not end it, unless the step is fatal."""

    @workflow.run
    async def run(self, operation: ScriptedOperation) -> list[str]:
        """How each step ended: "done", or the name of the error."""
        self._asked_at = workflow.now()  # then the start of the last step, as of the notification that asks
        ends = [await self._run_step(operation, step) for step in operation.steps]
        if operation.decided_by:
            ends.append(await self._record_decision(operation.operation_id, operation.decided_by))
        if operation.written_within is not None:
            is_written = await trail.wait_until_written_within(timedelta(seconds=operation.written_within))
            ends.append("written" if is_written else "not written")
        if operation.seal_target_arn:
            await self._seal(operation.operation_id, operation.seal_target_arn)
        return ends

    async def _record_decision(self, operation_id: str, operator: str) -> str:
        decision = OperatorDecision(decision=Decision.RETRY, by=operator)
        try:
            await trail.record_decision(operation_id, Step.COPY_SNAPSHOT, decision, self._asked_at)
        except asyncio.CancelledError:
            return "cancelled"
        return "decided"

    async def _seal(self, operation_id: str, target_arn: str) -> None:
        await trail.wait_until_written()
        seal_input = SealInput(
            operation_id=operation_id,
            target_arn=target_arn,
            workflow_id=workflow.info().workflow_id,
            sealed_at=workflow.now(),
        )
        await workflow.execute_activity_method(
            SealActivities.seal_trail, seal_input, start_to_close_timeout=timedelta(seconds=20)
        )

    async def _run_step(self, operation: ScriptedOperation, step: ScriptedStep) -> str:
        try:
            await self._poll(operation, step)
            end = "done"
        except ActivityError as error:
            if step.fatal:
                raise
            end = type(error.cause).__name__
        if operation.wait_after_each_step:
            await trail.wait_until_written()
        if fails_workflow_task(operation.operation_id):
            raise RuntimeError("a workflow task that fails, as one of a defective worker does")
        return end

    async def _poll(self, operation: ScriptedOperation, step: ScriptedStep) -> None:
        started_at = self._asked_at = workflow.now()
        for poll in range(1, step.polls + 1):
            step_input = ScriptedInput(
                operation_id=operation.operation_id,
                step_started_at=started_at,
                poll=poll,
                behaviour=step.behaviour if poll == step.polls else "not-done",
            )
            await self._call(step, step_input)

    async def _call(self, step: ScriptedStep, step_input: ScriptedInput) -> None:
        config: dict[str, Any] = {
            "start_to_close_timeout": timedelta(seconds=step.start_to_close),
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=step.attempts),
        }
        if step.heartbeat:
            config["heartbeat_timeout"] = timedelta(seconds=step.heartbeat)
        if step.task_queue:
            config |= {"task_queue": step.task_queue, "schedule_to_start_timeout": timedelta(seconds=1)}
        handle = workflow.start_activity(step.step, step_input, result_type=StepOutcome, **config)
        if step.cancelled_at_once:
            await asyncio.sleep(0)
            handle.cancel()
        await handle
