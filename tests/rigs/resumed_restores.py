"""Restores that fail and are retried, in real time: RDS works at once, and the operator is `starter.py` in this process."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

import starter
from audit.rows import AuditRow
from models.decisions import Decision
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Step
from models.workflow_names import STATE_QUERY
from tests.rigs.cli import CommandResult
from tests.rigs.emulator import environment_variables
from tests.rigs.failing_calls import fail_step
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, RestoreRig, TrailRow

SUCCESSES: list[TrailRow] = [
    ("copy-snapshot", "SUCCESS", "Started copy to target region"),
    ("check-copy-status", "SUCCESS", "Copy completed"),
    ("delete-rds", "SUCCESS", "Deleted existing cluster"),
    ("restore-snapshot", "SUCCESS", "Started restore process"),
    ("check-restore-status", "SUCCESS", "Restore completed"),
    ("setup-db-users", "SUCCESS", "Users configured"),
    ("archive-snapshot", "SUCCESS", "Snapshot archived"),
    ("sns-notification", "SUCCESS", "Notification sent"),
]
"""The rows of a restore that succeeds, after the one of snapshot-check, whose text names the snapshot."""


def successes_before(step: Step) -> list[TrailRow]:
    """The rows of the steps that succeed before this one."""
    return [row for row in SUCCESSES if Step(row[0]).number < step.number]


def successes_from(step: Step) -> list[TrailRow]:
    """The rows of this step and the later ones, if they succeed."""
    return [row for row in SUCCESSES if Step(row[0]).number >= step.number]


@dataclass
class ResumedRestores:
    """A rig whose restores fail on request, and its operator."""

    rig: RestoreRig
    variables: Mapping[str, str]

    async def operator(self, *arguments: str) -> CommandResult:
        """Run `starter.py` with these arguments inside this process, in a thread of its own."""
        return await asyncio.to_thread(self._run_starter, arguments)

    def _run_starter(self, arguments: tuple[str, ...]) -> CommandResult:
        out, err = io.StringIO(), io.StringIO()
        with (
            environment_variables(dict(self.variables)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = starter.main(arguments)
            except SystemExit as exited:  # argparse exits by itself
                code = int(str(exited.code))
        return CommandResult(code, out.getvalue(), err.getvalue())

    def fail_step(self, step: Step, count: int = 1) -> None:
        """Let a step fail for good, so many times."""
        fail_step(self.rig.demo.emulator.faults, step, count)

    async def start(self, request: RestoreRequest, workflow_id: str | None = None) -> WorkflowHandle[Any, RestoreState]:
        """Start a restore now."""
        return await self.rig.start(request, workflow_id=workflow_id, at=datetime.now(UTC))

    def this_run(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
        """The handle of the run that was started, which no later run of the workflow id replaces."""
        return self.rig.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)

    async def run_to_failure(self, request: RestoreRequest) -> str:
        """Run a restore that fails; returns its operation."""
        handle = await self.start(request)
        await wait_for_failure(handle)
        return await self.operation(handle)

    async def operation(self, handle: WorkflowHandle[Any, Any]) -> str:
        """The operation of a restore."""
        operation_id = (await self.rig.state(handle)).operation_id
        assert operation_id is not None
        return operation_id

    async def run_until_waiting(self, request: RestoreRequest) -> tuple[WorkflowHandle[Any, RestoreState], str]:
        """Run a restore until it waits for its operator and has notified; returns its operation too."""
        handle = await self.start(request)
        await wait_for_state(handle, is_waiting)
        return handle, await self.operation(handle)

    async def decide(self, operation_id: str, decision: Decision, *options: str) -> CommandResult:
        """Let the operator decide, as kim@ops."""
        return await self.operator(decision.value, operation_id, "--by", "kim@ops", *options)

    def rows(self, operation_id: str) -> list[AuditRow]:
        """Every row of an operation."""
        return self.rig.table.list_rows(operation_id)

    def effects(self, operation: str) -> int:
        """How many calls of an RDS operation took effect since the test began."""
        return sum(call.operation == operation and call.outcome == "OK" for call in self.rig.demo.emulator.calls)


def is_waiting(state: RestoreState) -> bool:
    """Whether the restore waits for its operator, and the notification of the failure is sent."""
    return state.waiting_until is not None and is_failure_notified(state)


def is_failure_notified(state: RestoreState) -> bool:
    """Whether the last step that ran is the notification, and it is sent."""
    return (
        bool(state.steps) and (state.steps[-1].step.value, state.steps[-1].status.value) == ERROR_NOTIFICATION_SENT[:2]
    )


def is_at(step: Step) -> Callable[[RestoreState], bool]:
    """Whether the restore has polled in this step, and is still in it."""

    def polled(state: RestoreState) -> bool:
        return bool(state.steps) and state.steps[-1].step is step and state.steps[-1].details != "Started"

    return polled


async def wait_for_state(handle: WorkflowHandle[Any, Any], expected: Callable[[RestoreState], bool]) -> RestoreState:
    """Wait until the restore is in the expected state; returns the state."""
    for _ in range(400):
        state: RestoreState | None = await handle.query(STATE_QUERY, result_type=RestoreState)
        if state and expected(state):
            return state
        await asyncio.sleep(0.05)
    raise AssertionError(f"the expected state was not reached: {state}")


async def wait_for_failure(handle: WorkflowHandle[Any, Any]) -> BaseException:
    """Wait for the end of a run; returns the error that it fails with."""
    try:
        await handle.result(follow_runs=False)
    except WorkflowFailureError as error:
        return error.cause
    raise AssertionError("the restore did not fail")
