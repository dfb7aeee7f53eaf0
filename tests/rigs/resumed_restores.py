"""Nights that fail and go on: a world without waits, the real Temporal server in real time, starter.py inside."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

import starter
from audit.report import report_rows
from audit.rows import AuditRow
from models.operation import RestoreState
from models.request import RestoreRequest
from models.workflow_names import STATE_QUERY
from tests.rigs.restores import Bench, environment_variables, request

FAULTS = {
    "copy-snapshot": ("rds", "CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault"),
    "restore-snapshot": ("rds", "RestoreDBClusterFromSnapshot", "InvalidVPCNetworkStateFault"),
    "archive-snapshot": ("rds", "AddTagsToResource", "AccessDenied"),
    "sns-notification": ("sns", "Publish", "NotFound"),
}
TOLD = ("sns-notification", "SUCCESS", "Error notification sent")
REST = [
    ("check-restore-status", "SUCCESS", "Restore completed"),
    ("setup-db-users", "SUCCESS", "Users configured"),
    ("archive-snapshot", "SUCCESS", "Snapshot archived"),
    ("sns-notification", "SUCCESS", "Notification sent"),
]
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass
class GoingOn:
    """A bench whose nights fail as told, and its operator."""

    bench: Bench
    variables: Mapping[str, str]

    async def operator(self, *arguments: str) -> Said:
        """starter.py, inside this process, in a thread of its own."""
        return await asyncio.to_thread(self._operator, arguments)

    def _operator(self, arguments: tuple[str, ...]) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with (
            environment_variables(dict(self.variables)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = starter.main(arguments)
            except SystemExit as ended:  # argparse's way
                code = int(str(ended.code))
        return Said(code, out.getvalue(), err.getvalue())

    def failing(self, step: str, times: int = 1) -> None:
        """Let a step fail for good, so many times."""
        service, operation, code = FAULTS[step]
        self.bench.demo.emulator.faults.add(
            service, operation, "error", code=code, message="as AWS says it", status=400, count=times
        )

    async def start(self, asked: RestoreRequest, workflow_id: str | None = None) -> WorkflowHandle[Any, RestoreState]:
        """Start a night now."""
        handle: WorkflowHandle[Any, RestoreState] = await self.bench.start(
            asked, workflow_id=workflow_id, at=datetime.now(UTC)
        )
        return handle

    async def failed(self, asked: RestoreRequest) -> str:
        """A night that fails; its operation."""
        handle = await self.start(asked)
        await ended(handle)
        return await self.operation(handle)

    async def operation(self, handle: WorkflowHandle[Any, Any]) -> str:
        """The operation of a night."""
        operation_id = (await self.bench.state(handle)).operation_id
        assert operation_id is not None
        return operation_id

    async def waiting(self, asked: RestoreRequest) -> tuple[WorkflowHandle[Any, RestoreState], str]:
        """A night that waits for its operator, who has been told; its operation."""
        handle = await self.start(asked)
        await self.until(handle, lambda state: state.waiting_until is not None and told(state))
        return handle, await self.operation(handle)

    async def until(self, handle: WorkflowHandle[Any, Any], there: Callable[[RestoreState], bool]) -> None:
        """Until the night stands so."""
        for _ in range(400):
            state = await handle.query(STATE_QUERY, result_type=RestoreState)
            if there(state):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it did not come so far: {state}")

    def rows(self, operation_id: str) -> list[AuditRow]:
        """Every row of an operation."""
        return self.bench.table.list_rows(operation_id)

    def trail(self, operation_id: str) -> list[Row]:
        """As the report shows it."""
        return [(row.step.value, row.status.value, row.details) for row in report_rows(self.rows(operation_id))]

    def changes(self, operation: str) -> int:
        """How often an operation of RDS took effect since the test began."""
        return sum(call.operation == operation and call.outcome == "OK" for call in self.bench.demo.emulator.calls)


def told(state: RestoreState) -> bool:
    """Whether the notification that a step failed has gone out."""
    return bool(state.steps) and (state.steps[-1].step.value, state.steps[-1].status.value) == TOLD[:2]


async def ended(handle: WorkflowHandle[Any, Any]) -> BaseException:
    """How a night failed."""
    try:
        await handle.result(follow_runs=False)
    except WorkflowFailureError as error:
        return error.cause
    raise AssertionError("the night did not fail")


def asked(wait: str | None = None, **changed: Any) -> RestoreRequest:
    """A request without users, whose waits are short; `wait` is how long it waits for an operator."""
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True))
    short = {"deadline": "PT1M", "first_interval": "PT0.2S", "maximum_interval": "PT0.2S"}
    plain["waits"] = dict.fromkeys(("copy_snapshot", "delete_rds", "restore_snapshot"), short)
    plain["waits"] |= changed.pop("waits", {})
    plain |= {"on_failure": {"wait_for_operator": wait}} if wait else {}
    return RestoreRequest.model_validate_json(json.dumps(plain | changed))


def through(*, failed_at: str) -> list[Row]:
    """The rows of the steps that went well before the one that fails."""
    steps = [
        ("copy-snapshot", "SUCCESS", "Started copy to target region"),
        ("check-copy-status", "SUCCESS", "Copy completed"),
        ("delete-rds", "SUCCESS", "Deleted existing cluster"),
        ("restore-snapshot", "SUCCESS", "Started restore process"),
        *REST,
    ]
    names = [step for step, _, _ in steps]
    return steps[: names.index(failed_at)]
