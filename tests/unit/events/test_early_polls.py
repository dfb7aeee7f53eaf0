"""Which restores are asked to poll now, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from models.search_attributes import KEEPING_OLD, STEP
from runs import early_polls
from runs.early_polls import MOST_SIGNALS, EarlyPolls

ID = "aurora-restore:444455556666:eu-central-1:orders-staging"


@dataclass(frozen=True)
class Listed:
    """What Temporal lists of a run."""

    id: str
    run_id: str
    task_queue: str = "staging"
    step: str = "check-restore-status"

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        return TypedSearchAttributes([SearchAttributePair(STEP, self.step)])


@dataclass
class FakeTemporal:
    """Lists what it is given, and keeps the signals."""

    listed: list[Listed]
    error: RPCError | None = None
    queries: list[str] = field(default_factory=list)
    signals: list[tuple[str, str]] = field(default_factory=list)

    async def list_workflows(self, query: str) -> AsyncIterator[Listed]:
        self.queries.append(query)
        for each in self.listed:
            yield each

    def get_workflow_handle(self, workflow_id: str, *, run_id: str) -> Any:
        return _Handle(self, run_id)


@dataclass
class _Handle:
    temporal: FakeTemporal
    run_id: str

    async def signal(self, name: str) -> None:
        if self.temporal.error:
            raise self.temporal.error
        self.temporal.signals.append((name, self.run_id))


def polls(temporal: FakeTemporal) -> EarlyPolls:
    return EarlyPolls(cast("Client", temporal), "staging")


async def test_a_running_restore_of_the_own_task_queue_is_asked() -> None:
    """One query names all ids of a batch; not one that has ended, of another environment, or that only keeps its old cluster."""
    temporal = FakeTemporal(
        [Listed(ID, "run-1"), Listed(ID + "-2", "run-2", "production"), Listed(ID + "-3", "run-3", step=KEEPING_OLD)]
    )
    assert await polls(temporal).request({ID, ID + "-2", ID + "-3"}) == {ID}
    assert temporal.signals == [("poll_now", "run-1")]
    [query] = temporal.queries
    running = "WorkflowType = 'AuroraRestoreWorkflow' AND ExecutionStatus = 'Running'"
    assert query == f"{running} AND WorkflowId IN ('{ID}', '{ID}-2', '{ID}-3')"


async def test_without_an_id_nobody_is_asked() -> None:
    """Not even Temporal."""
    temporal = FakeTemporal([Listed(ID, "run-1")])
    assert await polls(temporal).request(frozenset()) == set()
    assert not temporal.queries


async def test_a_restore_that_has_ended_meanwhile_is_no_error() -> None:
    """Any other refusal is: the messages stay in the queue."""
    temporal = FakeTemporal([Listed(ID, "run-1")], RPCError("gone", RPCStatusCode.NOT_FOUND, b""))
    assert await polls(temporal).request({ID}) == set()
    temporal.error = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
    with pytest.raises(RPCError):
        await polls(temporal).request({ID})


async def test_events_without_end_do_not_fill_a_history() -> None:
    """A run is asked a limited number of times; the next run of the target begins anew."""
    temporal = FakeTemporal([Listed(ID, "run-1")])
    asking = polls(temporal)
    asked = [await asking.request({ID}) for _ in range(MOST_SIGNALS + 5)]
    assert asked == [{ID}] * MOST_SIGNALS + [set()] * 5
    assert len(temporal.signals) == MOST_SIGNALS
    temporal.listed = [Listed(ID, "run-2")]
    assert await asking.request({ID}) == {ID}


async def test_few_runs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked first is forgotten first."""
    monkeypatch.setattr(early_polls, "MOST_RUNS", 2)
    temporal = FakeTemporal([])
    asking = polls(temporal)
    for number in range(4):
        temporal.listed = [Listed(ID, f"run-{number}")]
        await asking.request({ID})
    assert list(asking._asked) == ["run-2", "run-3"]
