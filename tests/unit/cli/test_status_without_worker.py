"""`starter.py status` of a restore for which no worker answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from commands import status
from models.search_attributes import KEEPING_OLD, OPERATION, STEP
from models.steps import Step


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Step.COPY_SNAPSHOT.value, "op-007 is running, at copy-snapshot, for 5:00:0"),
        (KEEPING_OLD, "op-007 succeeded and keeps the old cluster; it began 5:00:0"),
    ],
)
def test_a_restore_that_only_keeps_the_old_cluster_is_done(
    step: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The search attribute says it: the hours since it began are not those of a restore."""
    description = SimpleNamespace(
        typed_search_attributes={OPERATION: "op-007", STEP: step},
        start_time=datetime.now(UTC) - timedelta(hours=5),
    )

    async def describe() -> Any:
        return description

    monkeypatch.setattr("runs.workers.waiting_since", lambda *_: None)
    run: Any = SimpleNamespace(workflow_id="aurora-restore:orders-staging", describe=describe)
    asyncio.run(status._print_without_worker(run))
    assert capsys.readouterr().out.startswith(text)
