"""One SQS queue: long polls in a thread of its own, and the deletion of what was read.

Source: SQS API Reference, ReceiveMessage and DeleteMessageBatch; SQS Developer Guide, "Amazon SQS short and long polling".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from clients.aws import AwsClients

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MOST_MESSAGES = 10
"""In one answer: SQS's limit, for a deletion too."""
WAIT_SECONDS = 20
"""How long SQS holds an answer back while the queue is empty: its limit."""


class EventQueue:
    """The queue with this ARN, in its own account and region, with the worker's own credentials."""

    def __init__(self, aws: AwsClients, arn: str) -> None:
        """Calls nothing yet."""
        self.arn = arn
        self._aws = aws
        # Of its own, because a long poll holds a thread for twenty seconds.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")

    async def receive(self, wait_seconds: int = WAIT_SECONDS) -> Sequence[MessageTypeDef]:
        """The next messages; none if there is none for so long. Raises botocore's errors.

        If the caller is cancelled, the messages of the call stay in the queue, and become visible to the next reader.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._receive, wait_seconds)

    async def delete(self, messages: Sequence[MessageTypeDef]) -> None:
        """Delete messages that were received; one that SQS does not delete comes again. Raises botocore's errors."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._delete, messages)

    def close(self) -> None:
        """Let the thread end after its call; nothing waits for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _receive(self, wait_seconds: int) -> Sequence[MessageTypeDef]:
        received = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=MOST_MESSAGES, WaitTimeSeconds=wait_seconds
        )
        return received.get("Messages", [])

    def _delete(self, messages: Sequence[MessageTypeDef]) -> None:
        handles = [message["ReceiptHandle"] for message in messages]
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
        self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]  # built here

    @cached_property
    def _sqs(self) -> SQSClient:
        return self._aws.sqs(self.arn.split(":")[3])

    @cached_property
    def _url(self) -> str:
        *_, account, name = self.arn.split(":")
        return self._sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
