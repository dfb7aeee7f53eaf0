"""Whether workers poll the task queue, and since when a run has waited for one.

Source: DescribeTaskQueueResponse and DescribeWorkflowExecutionResponse in the Temporal API.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, PendingWorkflowTaskState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionDescription

POLL_SECONDS = 70
"""A worker's poll lasts a minute at most; Temporal lists pollers for five minutes, also those that are gone."""
PATIENCE = timedelta(seconds=10)
"""A task that nobody has taken for so long waits for a worker."""


async def count_workers(client: Client, task_queue: str, now: datetime) -> int:
    """How many workers have polled the task queue for workflow tasks within the last minute before `now` (aware)."""
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    since = now - timedelta(seconds=POLL_SECONDS)
    return len({poller.identity for poller in answer.pollers if _time(poller.last_access_time) >= since})


async def polls_from_this_host(client: Client, task_queue: str) -> bool:
    """Whether a worker process that runs on this host has polled the task queue for activities lately.

    Temporal lists a worker for minutes after its end, so the process itself is asked for too. A worker's identity begins
    with its process id. Raises `RPCError` if Temporal refuses the request.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    here = f"@{socket.gethostname()}"
    names = [poller.identity for poller in answer.pollers if poller.identity.endswith(here)]
    return any(_is_running(name.removesuffix(here)) for name in names)


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)  # sends nothing
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def waiting_since(description: WorkflowExecutionDescription, now: datetime) -> datetime | None:
    """Since when a task of the run has waited for a worker; None if none waits for longer than `PATIENCE`."""
    raw = description.raw_description
    task = raw.pending_workflow_task
    scheduled = [
        _time(pending.scheduled_time)
        for pending in raw.pending_activities
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    ]
    if task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        scheduled.append(_time(task.original_scheduled_time))
    # A retry of an activity is scheduled for a time to come.
    return min((moment for moment in scheduled if moment <= now - PATIENCE), default=None)


def no_worker_text(task_queue: str) -> str:
    """That no worker polls, and what to do."""
    return f"No worker polls the task queue {task_queue}. Start one:\n    python worker.py"


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
