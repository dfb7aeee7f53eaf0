"""The background task: what it does with a batch, and that nothing ends it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError
from structlog.testing import capture_logs
from temporalio.client import Client

from clients.aws import AwsClients
from events import reader, reading_events
from events.queue import MOST_MESSAGES, WAIT_SECONDS
from events.reader import EventReader, run_beside
from runs.early_polls import EarlyPolls
from tests.rigs.activity_resources import session_of

QUEUE_ARN = "arn:aws:sqs:eu-central-1:444455556666:aurora-restore-events"
STAGING = "aurora-restore:444455556666:eu-central-1:orders-staging"


def message(cluster: str) -> str:
    arn = f"arn:aws:rds:eu-central-1:444455556666:cluster:{cluster}"
    return json.dumps({"source": "aws.rds", "detail-type": "RDS DB Cluster Event", "detail": {"SourceArn": arn}})


@dataclass
class FakeSqs:
    """A queue whose answers a test writes out; then it is empty until the test ends."""

    answers: list[list[str] | Exception]
    calls: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ends: threading.Event = field(default_factory=threading.Event)

    def get_queue_url(self, **names: str) -> dict[str, str]:
        assert names == {"QueueName": "aurora-restore-events", "QueueOwnerAWSAccountId": "444455556666"}
        return {"QueueUrl": "https://sqs.example/queue"}

    def receive_message(self, **call: Any) -> dict[str, Any]:
        self.calls.append(call)
        self.asked.release()
        if not self.answers:
            self.ends.wait(10)
            return {}
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        bodies = list(enumerate(answer))
        messages = [{"MessageId": str(n), "ReceiptHandle": f"handle-{n}", "Body": body} for n, body in bodies]
        return {"Messages": messages} if messages else {}

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - SQS's names
        assert QueueUrl == "https://sqs.example/queue"
        assert len({each["Id"] for each in Entries}) == len(Entries)
        self.deleted += [each["ReceiptHandle"] for each in Entries]
        return {}


@dataclass
class FakeAws:
    """The clients of a worker that has one queue."""

    queue: FakeSqs
    environment: str = "aurora-restore"

    def sqs(self, region: str) -> FakeSqs:
        assert region == "eu-central-1"
        return self.queue


@dataclass
class FakePolls:
    """One restore waits."""

    failures: list[Exception] = field(default_factory=list)
    requests: list[set[str]] = field(default_factory=list)

    async def request(self, workflow_ids: Collection[str]) -> set[str]:
        if self.failures:
            raise self.failures.pop(0)
        self.requests.append(set(workflow_ids))
        return {STAGING} & set(workflow_ids)


async def read(
    queue: FakeSqs, polls: FakePolls, until: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], list[Any]]:
    """Let a reader run until the queue was asked so often; returns what it counted and logged."""
    monkeypatch.setattr(reader, "FIRST_DELAY_SECONDS", 0.01)
    counted: Counter[str] = Counter()
    aws, asking = cast("AwsClients", FakeAws(queue)), cast("EarlyPolls", polls)
    with capture_logs() as lines:
        async with run_beside([EventReader(aws, QUEUE_ARN, asking, lambda each: counted.update([each]))]):
            for _ in range(until):
                assert await asyncio.to_thread(queue.asked.acquire, timeout=5)
    queue.ends.set()
    return counted, lines


async def test_a_batch_is_one_request_and_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long polls of ten messages after a first short one; all ids at once; each message is counted by what became of it."""
    queue = FakeSqs(
        [[message("orders-staging"), message("orders-staging"), message("other"), "no event", "nor this"], []]
    )
    polls = FakePolls()
    counted, lines = await read(queue, polls, 3, monkeypatch)
    call = {"QueueUrl": "https://sqs.example/queue", "MaxNumberOfMessages": MOST_MESSAGES}
    assert queue.calls[:2] == [{**call, "WaitTimeSeconds": 0}, {**call, "WaitTimeSeconds": WAIT_SECONDS}]
    [asked] = polls.requests
    assert STAGING in asked
    assert counted == {"asked": 2, "unmatched": 1, "foreign": 2}
    assert queue.deleted == [f"handle-{number}" for number in range(5)]
    foreign = [line for line in lines if "no event" in line["event"]]
    assert [line["message_id"] for line in foreign] == ["3"], "one line for the first, and nothing of its text"


async def test_failures_are_two_lines_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One when it begins to fail, one when it works again, whatever the error is; botocore's own retries come before."""
    away = EndpointConnectionError(endpoint_url="https://sqs.example")
    queue = FakeSqs([away, ValueError("a defect"), away, [message("orders-staging")], []])
    counted, lines = await read(queue, FakePolls(), 6, monkeypatch)
    assert counted == {"asked": 1}
    assert [line["log_level"] for line in lines] == ["warning", "info"]
    assert lines[0]["reason"].startswith("EndpointConnectionError: Could not connect")


async def test_messages_stay_while_temporal_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come again after the queue's visibility timeout."""
    queue = FakeSqs([[message("orders-staging")], [message("orders-staging")]])
    counted, _ = await read(queue, FakePolls([RuntimeError("Temporal is away")]), 3, monkeypatch)
    assert counted == {"asked": 1}
    assert queue.deleted == ["handle-0"]


async def test_the_pause_after_a_failure_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It doubles, up to a limit, and begins anew after a success."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("events.reader.asyncio.sleep", sleep)
    failing = EventReader(cast("AwsClients", FakeAws(FakeSqs([]))), QUEUE_ARN, cast("EarlyPolls", None), print)
    reads = 0

    async def fail() -> None:
        nonlocal reads
        reads += 1
        if reads != 10:
            raise OSError if reads < 12 else asyncio.CancelledError

    monkeypatch.setattr(failing, "_read", fail)
    with pytest.raises(asyncio.CancelledError):
        await failing.run()
    assert slept == [1, 2, 4, 8, 16, 32, 60, 60, 60, 1]


async def test_the_end_of_a_worker_waits_for_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long poll that SQS holds back is left to its thread."""
    queue = FakeSqs([])
    began = asyncio.get_running_loop().time()
    await read(queue, FakePolls(), 1, monkeypatch)
    assert asyncio.get_running_loop().time() - began < 8


def test_a_long_poll_is_no_read_timeout() -> None:
    """The client waits for an answer longer than SQS holds it back."""
    config: Any = AwsClients(session_of("444455556666")).sqs("eu-central-1").meta.config
    assert config.read_timeout >= WAIT_SECONDS + 5


async def test_without_a_queue_nothing_is_called() -> None:
    """A worker without the setting has no task more."""
    before = asyncio.all_tasks()
    async with reading_events([], cast("AwsClients", None), cast("Client", None), "staging", print):
        assert asyncio.all_tasks() == before
