"""The schema of a request's live target, read by a worker, for verbs that compare it with a masking file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from commands.restores import temporal_client
from commands.terminal import print_progress

if TYPE_CHECKING:
    from activities.databases.masking.schema import Schema
    from models.masking import LiveSchema
    from models.request import RestoreRequest


def read_live_schema(request: RestoreRequest, task_queue: str) -> Schema:
    """Every table of every database of the target.

    Raises `RestoreRefused` without a worker, `Final` if there is no cluster to log in to.
    """
    from activities.databases.masking.packed_schema import unpack_schema

    live = asyncio.run(_ask_worker(request, task_queue))
    print_progress(f"The schema of {request.target.arn} was read at {live.address}.")
    return unpack_schema(live.packed)


async def _ask_worker(request: RestoreRequest, task_queue: str) -> LiveSchema:
    from runs.worker_calls import WorkerCalls

    client = await temporal_client()
    print_progress(f"A worker of {task_queue} reads the schema of {request.target.cluster} …")
    return await WorkerCalls(client, task_queue).read_schema(request)
