"""A restore as a document of JSON: for every verb that starts, follows, shows or ends one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.json_output import fields_of
from models.cures import cure_command, left_old_cluster
from models.expected_end import expect_restore_end
from models.search_attributes import OPERATION, STEP
from models.steps import Outcome
from runs.workers import waiting_since

if TYPE_CHECKING:
    from temporalio.client import WorkflowExecutionDescription

    from models.restore_state import RestoreState
    from runs.endings import Ending
    from runs.restores import RestoreRun

ENDED_BADLY = (Outcome.FAILED, Outcome.CANCELLED, Outcome.WAITING)


def identify(run: RestoreRun) -> dict[str, Any]:
    """Which run it is."""
    return {"kind": "restore", "workflow_id": run.workflow_id, "run_id": run.run_id}


def describe_state(state: RestoreState, now: datetime) -> dict[str, Any]:
    """The state's own fields, where its time went until now (aware), where it failed, and what to do."""
    until = state.ended_at or now
    seconds = {"worked_seconds": state.time_worked(until), "waited_seconds": state.time_waited(until)}
    if state.keeps_old:
        seconds["kept_seconds"] = state.time_kept(until)
    failed = {"failed_step": state.failed_step} if state.outcome in ENDED_BADLY and state.failed_step else {}
    is_open = failed or left_old_cluster(state)
    cure = {"what_to_do": cure_command(state)} if is_open and state.operation_id else {}
    end = expect_restore_end(state, now)
    expected = {"expected_end_at": end} if end else {}
    whole = {name: round(length.total_seconds()) for name, length in seconds.items()}
    return {**fields_of(state), **whole, **expected, **failed, **cure}


def describe_ending(ending: Ending, run: RestoreRun) -> dict[str, Any]:
    """How the restore ended, with or without its state."""
    state = describe_state(ending.state, datetime.now(UTC)) if ending.state else {}
    fault = {"fault": fields_of(ending.fault)} if ending.fault else {}
    return {**identify(run), **state, "outcome": ending.outcome, **fault}


def describe_without_worker(description: WorkflowExecutionDescription, now: datetime) -> dict[str, Any]:
    """What Temporal knows of a running restore for which no worker answers at `now` (aware)."""
    attributes = description.typed_search_attributes
    return {
        "outcome": Outcome.RUNNING,
        "operation_id": attributes.get(OPERATION),
        "started_at": description.start_time,
        "step": attributes.get(STEP),
        "worker_answers": False,
        "waits_for_worker_since": waiting_since(description, now),
    }
