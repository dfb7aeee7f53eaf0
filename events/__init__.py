"""Events of RDS from SQS queues: each asks the restore that waits for its resource to poll earlier, and decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client

    from clients.aws import AwsClients


@asynccontextmanager
async def reading_events(
    queue_arns: Sequence[str], aws: AwsClients, client: Client, task_queue: str, count: Callable[[str], None]
) -> AsyncIterator[None]:
    """Read the queues while the block runs, a background task each; without a queue nothing is imported or called.

    `count` gets of each message what became of it. Whatever a queue or Temporal refuses is logged and tried again, and never
    ends the block.
    """
    if not queue_arns:
        yield
        return
    from events.reader import EventReader, run_beside
    from runs.early_polls import EarlyPolls

    polls = EarlyPolls(client, task_queue)
    async with run_beside([EventReader(aws, arn, polls, count) for arn in queue_arns]):
        yield
