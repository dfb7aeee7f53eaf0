"""Which restore a command is about, when a schedule has started runs too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from models.search_attributes import OPERATION
from models.workflow_names import CANONICAL_ID_PREFIX, RESTORE_WORKFLOW, SCHEDULED_ID_PREFIX
from runs.restores import RestoreRefused, RestoreRuns

RESTORE = f"{CANONICAL_ID_PREFIX}111122223333:eu-central-1:orders-staging"
SCHEDULED = f"{SCHEDULED_ID_PREFIX}orders-staging-2026-11-25T00:05:00Z"


class ScriptedClient:
    """A client whose list of workflows is given, newest first."""

    namespace = "default"

    def __init__(self, *ids: str, newest_operation: str = "op-007", queues: tuple[str, ...] = ("own",)) -> None:
        """Every id has a run in each of the task queues; the newest run is of the first of them."""
        self.ids, self.newest_operation, self.queues = ids, newest_operation, queues

    async def list_workflows(self, _: str) -> AsyncIterator[Any]:
        for workflow_id in self.ids:
            for queue in self.queues:
                yield SimpleNamespace(id=workflow_id, run_id=f"listed-{queue}", task_queue=queue)

    def get_workflow_handle(self, workflow_id: str, *, run_id: str | None = None, **_: Any) -> Any:
        async def describe() -> Any:
            return SimpleNamespace(
                id=workflow_id,
                run_id="newest",
                task_queue=self.queues[0],
                workflow_type=RESTORE_WORKFLOW,
                typed_search_attributes={OPERATION: self.newest_operation},
            )

        return SimpleNamespace(id=workflow_id, run_id=run_id, describe=describe)


async def test_the_newest_restore_is_not_the_run_that_a_schedule_started() -> None:
    """A scheduled run only waits for the restore of its target, or was refused because one was running."""
    client: Any = ScriptedClient(SCHEDULED, RESTORE)
    assert (await RestoreRuns(client).find_newest("own")).workflow_id == RESTORE


async def test_a_scheduled_run_alone_is_no_restore() -> None:
    """The refusal names the trail, which has older restores."""
    client: Any = ScriptedClient(SCHEDULED)
    with pytest.raises(RestoreRefused, match=r"^Temporal has no restore in namespace default"):
        await RestoreRuns(client).find_newest("own")


async def test_an_operation_is_its_newest_run() -> None:
    """After a retry Temporal's lists may still have only the run that was reset."""
    client: Any = ScriptedClient(RESTORE)
    assert (await RestoreRuns(client).find("op-007", "own")).run_id == "newest"


async def test_an_operation_is_its_own_run_after_a_later_one() -> None:
    """The newest run of the target then belongs to another operation."""
    client: Any = ScriptedClient(RESTORE, newest_operation="op-008")
    assert (await RestoreRuns(client).find("op-007", "own")).run_id == "listed-own"


async def test_an_operation_is_the_own_environments() -> None:
    """Another environment counts from op-001 too, and its op-007 of the same target is the newest run."""
    client: Any = ScriptedClient(RESTORE, queues=("other", "own"))
    assert (await RestoreRuns(client).find("op-007", "own")).run_id == "listed-own"
    assert (await RestoreRuns(client).find_newest("own")).run_id == "listed-own"


@pytest.mark.parametrize("name", ["op-007", None])
async def test_what_only_other_environments_have_is_refused(name: str | None) -> None:
    """With what was found and what to set: to cancel or retry by a number must not meet another environment."""
    client: Any = ScriptedClient(RESTORE, queues=("billing", "orders"))
    restores = RestoreRuns(client)
    with pytest.raises(RestoreRefused) as refused:
        await (restores.find(name, "own") if name else restores.find_newest("own"))
    assert "found the task queue billing, orders, expected own. Set AURORA_RESTORE_ENVIRONMENT" in str(refused.value)


async def test_a_target_is_its_last_restore_in_any_environment() -> None:
    """One workflow id belongs to one target, so that only one environment's restore of it can run."""
    client: Any = ScriptedClient(RESTORE, queues=("other",))
    assert (await RestoreRuns(client).find(RESTORE, "own")).run_id == "newest"
