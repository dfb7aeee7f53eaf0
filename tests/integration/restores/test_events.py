"""Events of RDS shorten a restore's waits, and a restore ends without them too."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from devstack.demo_environment import ACCOUNT, TARGET_REGION
from events import reading_events
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Outcome
from tests.rigs.durations import uniform
from tests.rigs.requests import quick_request, wait
from tests.rigs.resumed_restores import ResumedRestores

QUEUE = "aurora-restore-events"
QUEUE_ARN = f"arn:aws:sqs:{TARGET_REGION}:{ACCOUNT}:{QUEUE}"
LONG = wait("PT6H", "PT15M")
"""With the pause between two polls, for which nobody waits here. A copy has no events, and is polled often."""
RDS_SECONDS = uniform(1)


def make_queue(resumed: ResumedRestores) -> str:
    """A queue that gets events of clusters from EventBridge, those of instances by SNS; returns the queue's URL."""
    demo = resumed.rig.demo
    sqs, sns, events = demo.client("sqs"), demo.client("sns"), demo.client("events")
    url: str = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    topic = sns.create_topic(Name="rds-events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE_ARN)
    demo.client("rds").create_event_subscription(SubscriptionName=QUEUE, SnsTopicArn=topic, SourceType="db-instance")
    pattern = {"source": ["aws.rds"], "detail-type": ["RDS DB Cluster Event"]}
    events.put_rule(Name=QUEUE, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=QUEUE, Targets=[{"Id": "queue", "Arn": QUEUE_ARN}])
    return url


def count_messages(sqs: Any, url: str) -> int:
    """Those that the queue holds, and those that somebody has received and not deleted."""
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


@asynccontextmanager
async def reading(resumed: ResumedRestores, queue_arn: str = QUEUE_ARN) -> AsyncIterator[Counter[str]]:
    """Read the queue as the worker does; yields how many messages became of what."""
    counted: Counter[str] = Counter()
    rig = resumed.rig
    task_queue = rig.settings.task_queue
    async with reading_events([queue_arn], rig.parts.aws, rig.client, task_queue, lambda each: counted.update([each])):
        yield counted


async def run(resumed: ResumedRestores, request: RestoreRequest) -> RestoreState:
    handle = await resumed.start(request)
    state: RestoreState = await asyncio.wait_for(handle.result(), 90)
    return state


async def test_events_end_the_waits_of_a_restore(resumed: ResumedRestores) -> None:
    """Deletion, restore, writer and password are noticed in seconds, though the next poll is a quarter of an hour away.

    A message that is no event is deleted, as the first one of a subscription is, and the events after it are read.
    """
    url = make_queue(resumed)
    resumed.rig.demo.emulator.durations = RDS_SECONDS
    sqs = resumed.rig.demo.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody='{"half": ')
    async with reading(resumed) as counted:
        state = await run(resumed, quick_request(waits={"delete_rds": LONG, "restore_snapshot": LONG}))
        for _ in range(100):
            if (left := count_messages(sqs, url)) == 0:
                break
            await asyncio.sleep(0.1)
    assert state.outcome is Outcome.SUCCEEDED
    assert state.ended_at is not None
    assert state.ended_at - state.started_at < timedelta(minutes=1)
    assert counted["asked"] >= 3
    assert counted["foreign"] == 2
    assert left == 0


async def test_a_restore_ends_without_its_queue(resumed: ResumedRestores) -> None:
    """A queue that does not exist is one line in the log; the waits end by polling."""
    resumed.rig.demo.emulator.durations = RDS_SECONDS
    with capture_logs() as lines:
        async with reading(resumed, QUEUE_ARN + "-missing") as counted:
            state = await run(resumed, quick_request())
    assert state.outcome is Outcome.SUCCEEDED
    assert not counted
    [line] = [line for line in lines if line.get("queue")]
    assert line["log_level"] == "warning"
    assert "QueueDoesNotExist" in line["reason"]
