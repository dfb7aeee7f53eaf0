"""The runs under a workflow id, which all operations of a target share: listed and described once for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode


class WorkflowRuns:
    """Finds the runs of one operation among those of its workflow id."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        """Nothing is read yet."""
        self._client = client
        self._workflow_id = workflow_id
        self._listed: list[str] | None = None
        self._first_run_ids: dict[str, str] = {}
        """By run: the first run of its chain, which never changes."""

    async def list_ids(self, first_run_id: str) -> list[str]:
        """The first run, and every listed run that is not known to belong to another one.

        Raises `RPCError` if Temporal is unavailable.
        """
        if self._listed is None:
            self._listed = [run_id async for run_id in self._list()]
        known = self._first_run_ids
        return [first_run_id, *(run_id for run_id in self._listed if known.get(run_id, first_run_id) == first_run_id)]

    async def describe_links(self, run_id: str) -> tuple[str, str]:
        """The ids of the first run in this run's chain, and of the run that this one was last reset to.

        Raises `RPCError`, with NOT_FOUND if Temporal no longer has the run.
        """
        handle = self._client.get_workflow_handle(self._workflow_id, run_id=run_id)
        description = (await handle.describe()).raw_description
        first_run_id = description.workflow_execution_info.first_run_id
        self._first_run_ids[run_id] = first_run_id
        return first_run_id, description.workflow_extended_info.reset_run_id

    async def _list(self) -> AsyncIterator[str]:
        """Every run. The newest is described too, because the list is eventually consistent."""
        try:
            yield (await self._client.get_workflow_handle(self._workflow_id).describe()).run_id
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        async for execution in self._client.list_workflows(f"WorkflowId = '{self._workflow_id}'"):
            yield execution.run_id
