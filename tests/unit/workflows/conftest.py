"""Workflow code without Temporal: a clock that jumps to the end of each wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow
from temporalio.common import SearchAttributeUpdate


@dataclass
class FakeTemporal:
    """What `temporalio.workflow` answers to the code under test."""

    time: datetime = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
    cancelled: bool = False
    waits: list[timedelta] = field(default_factory=list)
    """The length of every wait so far."""
    workflow_id: str = ""
    run_id: str = "run-1"
    search_attributes: dict[str, str] = field(default_factory=dict)
    current_details: str = ""
    during_wait: dict[int, Callable[[], Any]] = field(default_factory=dict)
    """By the number of the wait: what happens while it lasts."""

    async def wait_condition(self, condition: Callable[[], bool], *, timeout: timedelta, **_: Any) -> None:
        """Return if the condition holds; else let the timeout pass. A cancellation during the wait ends it."""
        self.waits.append(timeout)
        if incident := self.during_wait.get(len(self.waits)):
            incident()
        if self.cancelled:
            raise asyncio.CancelledError
        if condition():
            return
        self.time += timeout
        raise TimeoutError

    def upsert_search_attributes(self, updates: Sequence[SearchAttributeUpdate[str]]) -> None:
        """Record the values."""
        self.search_attributes |= {update.key.name: str(update.value) for update in updates}

    def set_current_details(self, details: str) -> None:
        """Record the text."""
        self.current_details = details

    def info(self) -> SimpleNamespace:
        """The ids of the workflow and of its runs."""
        return SimpleNamespace(workflow_id=self.workflow_id, run_id=self.run_id, first_execution_run_id="run-1")

    def cancel(self) -> None:
        """Cancel the workflow."""
        self.cancelled = True


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> FakeTemporal:
    fake = FakeTemporal()
    monkeypatch.setattr(workflow, "now", lambda: fake.time)
    monkeypatch.setattr(workflow, "wait_condition", fake.wait_condition)
    monkeypatch.setattr(workflow, "cancellation_reason", lambda: "a test" if fake.cancelled else None)
    monkeypatch.setattr(workflow, "info", fake.info)
    monkeypatch.setattr(workflow, "upsert_search_attributes", fake.upsert_search_attributes)
    monkeypatch.setattr(workflow, "set_current_details", fake.set_current_details)
    monkeypatch.setattr(workflow, "logger", logging.getLogger(__name__))
    return fake
