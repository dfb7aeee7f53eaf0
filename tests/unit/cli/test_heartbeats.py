"""`starter.py` reads from the heartbeat of the running activity how far it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import ActivityType, Payloads
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import ActivityEnvironment

from activities.databases.login_changes import LoginChanges
from models.restore_state import RestoreState, StepState
from models.steps import Status, Step
from models.waits import WatchedProgress
from runs.heartbeats import describe_masking_progress, with_watched_progress

AT = datetime(2024, 3, 20, 2, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def watched(details: str, percent: int | None = None) -> WatchedProgress:
    """The heartbeat of a watch that polled at 02:05 and first saw this a minute before."""
    times = {"last_poll_at": AT, "next_poll_at": AT + MINUTE, "unchanged_since": AT - MINUTE}
    return WatchedProgress(details=details, percent=percent, **times)


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
    payloads = await pydantic_data_converter.encode([watched("copying 43 %", 43)])
    pending = PendingActivityInfo(
        activity_type=ActivityType(name=activity_type), heartbeat_details=Payloads(payloads=payloads)
    )
    description: Any = SimpleNamespace(
        raw_description=SimpleNamespace(pending_activities=[pending]), data_converter=pydantic_data_converter
    )
    [shown] = (await with_watched_progress(state, description)).steps
    assert (shown.details, shown.percent) == (("copying 43 %", 43) if seen else ("copying", None))
    assert (shown.last_poll_at, shown.next_poll_at) == ((AT, AT + MINUTE) if seen else (None, None))


@pytest.mark.parametrize(("percent", "since"), [(43, AT - 60 * MINUTE), (44, AT - MINUTE)])
async def test_what_a_watch_finds_unchanged_is_so_since_before_it(percent: int, since: datetime) -> None:
    """Else a copy that is stuck would begin to be stuck with each watch."""
    step = StepState(
        step=Step.CHECK_COPY_STATUS,
        status=Status.IN_PROGRESS,
        details="copying",
        percent=43,
        started_at=AT - 90 * MINUTE,
        unchanged_since=AT - 60 * MINUTE,
    )
    state = RestoreState(source_arn="source", target_arn="target", started_at=step.started_at, steps=(step,))
    payloads = Payloads(payloads=await pydantic_data_converter.encode([watched("copying", percent)]))
    pending = PendingActivityInfo(activity_type=ActivityType(name=step.step), heartbeat_details=payloads)
    description: Any = SimpleNamespace(
        raw_description=SimpleNamespace(pending_activities=[pending]), data_converter=pydantic_data_converter
    )
    [shown] = (await with_watched_progress(state, description)).steps
    assert (shown.last_poll_at, shown.unchanged_since) == (AT, since)


@pytest.mark.parametrize(
    ("heartbeat", "locked"),
    [(asdict(LoginChanges(locked=["app"])), ["app"]), (watched("creating").model_dump(), [])],
)
def test_an_attempt_goes_on_from_a_heartbeat_of_its_own_kind(heartbeat: dict[str, Any], locked: list[str]) -> None:
    """check-restore-status polls by itself and closes the database: the worker may die in either."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_details=[heartbeat])
    assert environment.run(LoginChanges.from_last_heartbeat).locked == locked
