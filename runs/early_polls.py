"""Asking restores to poll now: the signal `poll_now`, which ends a pause early and decides nothing.

Restores are found by the workflow ids under which they would run, so that a call to Temporal names those and lists no others.
"""

from __future__ import annotations

from collections.abc import Collection

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from models.search_attributes import KEEPING_OLD, STEP
from models.workflow_names import POLL_NOW_SIGNAL, RESTORE_WORKFLOW

MOST_SIGNALS = 100
"""How often one process asks the same run: a restore has some dozen events, and its history keeps each signal."""
MOST_RUNS = 10_000
"""How many runs are remembered, each with how often it was asked."""


class EarlyPolls:
    """The running restores of one task queue that wait for AWS."""

    def __init__(self, client: Client, task_queue: str) -> None:
        """Restores of another task queue of the namespace are left alone: they belong to another environment."""
        self._client = client
        self._task_queue = task_queue
        self._asked: dict[str, int] = {}
        """By run id, in the order in which the runs were first asked."""

    async def request(self, workflow_ids: Collection[str]) -> set[str]:
        """Ask each restore that runs under one of these ids; returns the ids of those that were asked.

        One that was started within the last second may not be listed yet: it does not wait for anything yet either.
        A signal that arrives while a restore polls ends its next pause, and the pause of a watch if the worker that hears it
        runs the watch. Raises `RPCError` if Temporal refuses or is away.
        """
        if not workflow_ids:
            return set()
        ids = ", ".join(f"'{each}'" for each in sorted(workflow_ids))
        query = f"WorkflowType = '{RESTORE_WORKFLOW}' AND ExecutionStatus = 'Running' AND WorkflowId IN ({ids})"
        running = [each async for each in self._client.list_workflows(query) if self._waits(each)]
        return {each.id for each in running if await self._ask(each)}

    def _waits(self, execution: WorkflowExecution) -> bool:
        is_done = execution.typed_search_attributes.get(STEP) == KEEPING_OLD
        return execution.task_queue == self._task_queue and not is_done

    async def _ask(self, execution: WorkflowExecution) -> bool:
        """Returns whether the run could be asked: not if it has ended meanwhile, or was asked too often."""
        asked = self._asked.get(execution.run_id, 0)
        if asked >= MOST_SIGNALS:
            return False
        handle = self._client.get_workflow_handle(execution.id, run_id=execution.run_id)
        try:
            await handle.signal(POLL_NOW_SIGNAL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        self._asked[execution.run_id] = asked + 1
        if len(self._asked) > MOST_RUNS:
            del self._asked[next(iter(self._asked))]
        return True
