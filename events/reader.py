"""The background task that reads one queue: receive, ask the restores that wait, delete.

It only ever makes a wait shorter. Whatever goes wrong, a restore ends its waits by polling, so the task logs one line when it
begins to fail and one when it works again, and tries again after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from clients.aws import AwsClients
from events.messages import find_resource
from events.queue import WAIT_SECONDS, EventQueue
from events.targets import list_workflow_ids
from runs.early_polls import EarlyPolls

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = structlog.stdlib.get_logger("events")

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 60.0
"""The pause after a failure; it doubles with each in a row."""
LONGEST_REASON = 300
"""Characters of an error's text in the log."""
ASKED, UNMATCHED, FOREIGN = "asked", "unmatched", "foreign"
"""What became of a message: a restore was asked to poll, none waits for its resource, or it is no event of RDS."""


class EventReader:
    """Reads one queue until it is cancelled."""

    def __init__(self, aws: AwsClients, queue_arn: str, polls: EarlyPolls, count: Callable[[str], None]) -> None:
        """`count` gets of each message what became of it."""
        self._queue = EventQueue(aws, queue_arn)
        self._environment = aws.environment
        self._polls = polls
        self._count = count
        self._delay = FIRST_DELAY_SECONDS
        self._is_working: bool | None = None
        self._has_seen_foreign = False

    async def run(self) -> None:
        """Read and ask, again and again; never ends by itself."""
        try:
            while True:
                try:
                    await self._read()
                except Exception as error:  # noqa: BLE001 - no failure of this task may end the worker
                    self._log_failure(error)
                    await asyncio.sleep(self._delay)
                    self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)
                else:
                    self._log_success()
                    self._delay = FIRST_DELAY_SECONDS
        finally:
            self._queue.close()

    async def _read(self) -> None:
        # Until it works the answer comes at once, so that the log says whether it does.
        messages = await self._queue.receive(WAIT_SECONDS if self._is_working else 0)
        if not messages:
            return
        awaited_by = [self._find_workflow_ids(message) for message in messages]
        asked = await self._polls.request(set().union(*(ids for ids in awaited_by if ids)))
        await self._queue.delete(messages)
        for ids in awaited_by:
            self._count(FOREIGN if ids is None else ASKED if ids & asked else UNMATCHED)

    def _find_workflow_ids(self, message: MessageTypeDef) -> frozenset[str] | None:
        """The ids under which a restore may wait for what the message is about; None if it is no event of RDS."""
        resource = find_resource(message.get("Body", ""))
        if resource is not None:
            return list_workflow_ids(resource, self._environment)
        if not self._has_seen_foreign:
            # Not its text, which may be anything; and not for each, because the next ones are alike.
            self._has_seen_foreign = True
            text = "a message in the queue is no event of RDS and will be deleted; further ones are counted, but not logged"
            log.warning(text, queue=self._queue.arn, message_id=message.get("MessageId"))
        return None

    def _log_success(self) -> None:
        if not self._is_working:
            log.info("events of RDS shorten waits", queue=self._queue.arn)
        self._is_working = True

    def _log_failure(self, error: Exception) -> None:
        if self._is_working is not False:
            reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            log.warning("no events of RDS: waits end by polling", queue=self._queue.arn, reason=reason)
        self._is_working = False


@asynccontextmanager
async def run_beside(readers: Sequence[EventReader]) -> AsyncIterator[None]:
    """Run the readers, a task each, while the block runs."""
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
