"""`starter.py status` reads the progress of the masking from the heartbeat of the running activity."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.databases.login_changes import LoginChanges
from runs.heartbeats import describe_masking_progress


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
