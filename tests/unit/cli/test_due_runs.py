"""What runs, and what is due and waits for a worker, from one list of Temporal's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from models.workflow_names import CANONICAL_ID_PREFIX, RESTORE_WORKFLOW, SCHEDULED_DRILL_ID_PREFIX, SCHEDULED_ID_PREFIX
from runs.due_runs import SCHEDULED_START_TIME, list_running

DUE = datetime(2026, 11, 25, 0, 5, tzinfo=UTC)
RESTORE = f"{CANONICAL_ID_PREFIX}111122223333:eu-central-1:orders-staging"


class ScriptedClient:
    """A client whose list of running workflows is given."""

    def __init__(self, *ids: str) -> None:
        self._ids = ids

    async def list_workflows(self, _: str) -> AsyncIterator[Any]:
        for workflow_id in self._ids:
            scheduled = {SCHEDULED_START_TIME: DUE} if workflow_id.startswith(SCHEDULED_ID_PREFIX) else {}
            yield SimpleNamespace(
                id=workflow_id,
                workflow_type=RESTORE_WORKFLOW,
                start_time=DUE,
                task_queue="aurora-restore",
                typed_search_attributes=scheduled,
            )


async def test_a_scheduled_run_waits_unless_its_target_is_restored() -> None:
    """One that waits for its child has its restore; a cluster of the same name in another region has none."""
    targets = ("111122223333:eu-central-1:orders-staging", "111122223333:eu-north-1:orders-staging")
    prefixes = (SCHEDULED_ID_PREFIX, SCHEDULED_DRILL_ID_PREFIX)
    ids = [f"{prefix}{target}-2026-11-25T00:05:00Z" for prefix in prefixes for target in targets]
    client: Any = ScriptedClient(RESTORE, *ids, "another-workflow")
    running, due = await list_running(client)
    assert [(run.cluster, run.operation_id) for run in running] == [("orders-staging", None)]
    assert [(run.kind, run.target_workflow_id, run.cluster, run.due_at) for run in due] == [
        (kind, f"{CANONICAL_ID_PREFIX}{targets[1]}", "orders-staging", DUE) for kind in ("restore", "drill")
    ]
