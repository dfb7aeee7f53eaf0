"""Runs a step: begins it, calls its activity, polls, and asks an operator if it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.types import MethodSyncSingleParam
from temporalio.workflow import ActivityConfig

from workflows import steps
from workflows.cancellation import await_outcome, is_cancelled, shield
from workflows.leftovers import take_inventory
from workflows.operation import seal_trail
from workflows.operator_wait import OperatorWait
from workflows.policies import AWS_CALL, NOTIFICATION, SEAL_CALL, with_summary
from workflows.polling import Answer, Input, Pause, policy_of_poll, poll_until_done
from workflows.progress import Progress
from workflows.steps import StepStart

with workflow.unsafe.imports_passed_through():
    from activities.notifications.delivery import NotificationActivities
    from audit import trail
    from errors import fault_of
    from models.decisions import Decision, OperatorDecision
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.steps import Step
    from models.waits import Wait

T = TypeVar("T")
P = ParamSpec("P")


class StepRunner:
    """Runs the steps of one restore and keeps its progress."""

    def __init__(self) -> None:
        """`start` comes first; a signal or an update may reach `pause` and `operator` even before it."""
        self.pause = Pause()
        self.operator = OperatorWait()
        self._progress: Progress | None = None

    def start(self, request: RestoreRequest) -> None:
        """Begin the progress of this restore."""
        self._progress = Progress(request)

    @property
    def progress(self) -> Progress:
        """The progress, once `start` has begun it."""
        if self._progress is None:
            raise RuntimeError("the restore has not started")
        return self._progress

    @property
    def state(self) -> RestoreState | None:
        """The state; None before `start`."""
        return self._progress.state if self._progress else None

    async def run_step(
        self,
        step: Callable[Concatenate[RestoreRequest, P], Awaitable[T]],
        request: RestoreRequest,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a step; if it fails and the request allows it, an operator decides how to go on."""
        while True:
            try:
                return await step(request, *args, **kwargs)
            except FailureError as error:
                failed_step = self.progress.state.failed_step
                decision = await self._ask_operator(request, failed_step, error) if failed_step else None
                if failed_step is None or decision is None or decision.decision is Decision.ABORT:
                    raise
                self.progress.resume()
                if decision.decision is Decision.SKIP:
                    self.progress.skip_step(failed_step, decision.by)
                    return cast("T", None)  # no later step needs the result of a step that can be skipped

    def begin(self, step: Step) -> StepStart:
        """Begin a step; returns what its input starts with. Raises `asyncio.CancelledError` in a cancelled workflow."""
        if is_cancelled():
            raise asyncio.CancelledError
        started_at = self.progress.begin_step(step)
        return StepStart(operation_id=self.progress.operation_id, step_started_at=started_at)

    async def call(
        self,
        activity: MethodSyncSingleParam[Any, Input, Answer],
        step_input: Input,
        policy: ActivityConfig,
        summary: str,
    ) -> Answer:
        """Call the step's activity once and record what it returns."""
        answer: Answer = await await_outcome(
            workflow.start_activity_method(activity, step_input, **with_summary(policy, summary))
        )
        self.progress.record_poll(answer)
        return answer

    async def poll(
        self, step: Step, activity: MethodSyncSingleParam[Any, Input, Answer], step_input: Input, wait: Wait
    ) -> Answer:
        """Call the step's activity until it reports that the step is done."""

        async def call(polled: Input) -> Answer:
            summary = f"poll {polled.poll}: {self.progress.state.steps[-1].details}"
            return await self.call(activity, polled, policy_of_poll(polled, AWS_CALL), summary)

        earlier = self.progress.earlier_durations
        self.progress.begin_wait(workflow.now() + wait.deadline)
        return await poll_until_done(call, step_input, wait, self.pause, step, earlier)

    async def notify(self, request: RestoreRequest) -> None:
        """Run sns-notification, also in a cancelled workflow: take the inventory, seal the trail, publish."""
        progress = self.progress
        inventory = await shield(take_inventory(request, progress))
        progress.record(inventory=inventory)
        await self.seal(request, SEAL_CALL)
        started_at = progress.begin_step(Step.SNS_NOTIFICATION)
        start = StepStart(operation_id=progress.operation_id, step_started_at=started_at)
        step_input = steps.sns_notification_input(start, request, workflow.info().workflow_id, progress.state)
        summary = f"notify that {progress.operation_id} {progress.state.outcome}"
        await self.call(NotificationActivities.sns_notification, step_input, NOTIFICATION, summary)

    async def notify_failure(self, request: RestoreRequest) -> None:
        """Run sns-notification for a failed step. If it fails too, that is a warning: the step's error counts."""
        try:
            await shield(self.notify(request))
        except Exception as unsent:  # noqa: BLE001 - whatever it is, the step's error is the one that counts
            fault = fault_of(unsent)
            workflow.logger.error("error notification not sent: %s", fault.message)
            self.progress.warn(f"The error notification was not sent: {fault.short}")

    async def seal(self, request: RestoreRequest, policy: ActivityConfig) -> None:
        """Seal the trail of the operation, if it has a number, and record the seal's digest."""
        operation_id = self.progress.state.operation_id
        if operation_id is None:
            return
        seal = await shield(seal_trail(operation_id, request.target.arn, policy))
        if seal is not None:
            self.progress.record(seal_digest=seal.digest)

    async def _ask_operator(
        self, request: RestoreRequest, failed_step: Step, error: FailureError
    ) -> OperatorDecision | None:
        """Notify, and wait for the decision on a failed step; None if the request does not wait, or none came in time."""
        length = request.on_failure.wait_for_operator
        if length is None or is_cancelled():
            return None
        self.operator.open(failed_step)
        self.progress.wait_for_operator(fault_of(error), workflow.now() + length)
        await self.notify_failure(request)
        if is_cancelled():
            raise asyncio.CancelledError
        notified_at = self.progress.state.steps[-1].started_at
        decision = await self.operator.wait(length)
        if decision is not None:
            await trail.record_decision(self.progress.operation_id, failed_step, decision, notified_at)
        return decision
