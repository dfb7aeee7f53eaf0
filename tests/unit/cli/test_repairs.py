"""`audit verify --repair`: a call to a worker that fails is said with its operation, and hides no other result."""

from __future__ import annotations

from typing import Any

import pytest

from audit.verify.findings import Finding, FindingKind, State, Verification, as_fields, as_plain
from commands.audit_verify import _repair
from errors import Final
from runs.restores import RestoreRefused


class ScriptedWorker:
    """A worker that refuses to repair, and a verifier that is not asked again."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def repair(self, _: str) -> tuple[str, ...]:
        raise self._error


@pytest.mark.parametrize("error", [RestoreRefused("Not done: No worker."), Final("Not done", "No worker.")])
async def test_a_refused_call_leaves_the_verification(error: Exception) -> None:
    """With the findings as they were."""
    missing = Finding(kind=FindingKind.MISSING_SEAL, operation_id="op-001")
    before = Verification(operation_id="op-001", state=State.ENDED, rows=1, seals=0, findings=(missing,))
    worker: Any = ScriptedWorker(error)
    operation: Any = before
    after = await _repair(worker, worker, operation, before)
    assert (after.findings, after.added) == (before.findings, ())
    assert as_plain(after).splitlines()[-1] == "not repaired: Not done: No worker."
    assert as_fields(after)["not_repaired"] == "Not done: No worker."


@pytest.mark.parametrize("state", [State.RUNNING, State.ENDED, State.HISTORY_EXPIRED])
async def test_a_worker_is_asked_only_where_something_can_be_repaired(state: State) -> None:
    """Not while the operation runs, not without its history, and not if nothing is missing."""
    missing = Finding(kind=FindingKind.MISSING_SEAL, operation_id="op-001")
    findings = () if state is State.ENDED else (missing,)
    before = Verification(operation_id="op-001", state=state, rows=1, seals=0, findings=findings)
    worker: Any = ScriptedWorker(AssertionError("asked"))
    operation: Any = before
    assert await _repair(worker, worker, operation, before) == before
