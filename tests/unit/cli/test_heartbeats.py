"""`starter.py` reads from the heartbeat of the running activity how far it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import ActivityType, Payloads
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import ActivityEnvironment

from activities.databases.login_changes import LoginChanges
from models.operation import RestoreState, StepState
from models.steps import Status, Step
from models.waits import WatchedProgress
from runs.heartbeats import describe_masking_progress, with_watched_progress


@pytest.mark.parametrize(
    ("heartbeats", "expected"),
    [
        ([], None),
        ([LoginChanges(locked=["app"])], None),
        (
            [LoginChanges(), LoginChanges(masked_tables=3, masked_rows=1200, tables_left=7)],
            "Masking: 3 tables with 1,200 rows are masked, 7 tables are left.",
        ),
    ],
)
async def test_the_heartbeat_is_what_the_activity_sends(heartbeats: list[LoginChanges], expected: str | None) -> None:
    """The names of its fields are those that the activity writes."""
    pending = []
    for heartbeat in heartbeats:
        payloads = Payloads(payloads=await pydantic_data_converter.encode([asdict(heartbeat)]))
        pending.append(PendingActivityInfo(heartbeat_details=payloads))
    description: Any = SimpleNamespace(
        raw_description=SimpleNamespace(pending_activities=pending), data_converter=pydantic_data_converter
    )
    assert await describe_masking_progress(description) == expected


@pytest.mark.parametrize(("activity_type", "seen"), [("check-copy-status", True), ("delete-rds", False)])
async def test_a_watched_step_shows_what_its_activity_saw_last(activity_type: str, seen: bool) -> None:
    """The workflow itself learns of it only when the watch returns; another activity's heartbeat changes nothing."""
    at = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
    step = StepState(step=Step.CHECK_COPY_STATUS, status=Status.IN_PROGRESS, details="copying", started_at=at)
    state = RestoreState(source_arn="source", target_arn="target", started_at=at, steps=(step,))
    payloads = await pydantic_data_converter.encode([WatchedProgress(details="copying 43 %", percent=43)])
    pending = PendingActivityInfo(
        activity_type=ActivityType(name=activity_type), heartbeat_details=Payloads(payloads=payloads)
    )
    description: Any = SimpleNamespace(
        raw_description=SimpleNamespace(pending_activities=[pending]), data_converter=pydantic_data_converter
    )
    [shown] = (await with_watched_progress(state, description)).steps
    assert (shown.details, shown.percent) == (("copying 43 %", 43) if seen else ("copying", None))


@pytest.mark.parametrize(
    ("heartbeat", "locked"),
    [(asdict(LoginChanges(locked=["app"])), ["app"]), (WatchedProgress(details="creating").model_dump(), [])],
)
def test_an_attempt_goes_on_from_a_heartbeat_of_its_own_kind(heartbeat: dict[str, Any], locked: list[str]) -> None:
    """check-restore-status polls by itself and closes the database: the worker may die in either."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=[heartbeat])
    assert environment.run(LoginChanges.from_last_heartbeat).locked == locked
