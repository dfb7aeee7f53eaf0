"""Timeouts and retries, named once by kind of step and never written at a call.

A call ends within start-to-close, which is longer than botocore's own attempts together; a worker that died is missed
after the heartbeat timeout; Temporal repeats what is transient until schedule-to-close.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

_HEARTBEAT = timedelta(seconds=15)
"""Every activity of the worker beats every 5 s while its process lives (activities.heartbeat)."""

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=2), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)

_WAIT_FOR_THE_CALL = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
"""A call that is under way is never abandoned: a cancelled night must know what it did."""

AWS_CALL = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_close_timeout=timedelta(minutes=30),
    heartbeat_timeout=_HEARTBEAT,
    retry_policy=_RETRY,
    cancellation_type=_WAIT_FOR_THE_CALL,
)
"""Looks and changes through boto3. Half an hour of throttling or of an outage is waited out."""

DATABASE_CALL = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=3),
    schedule_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=_HEARTBEAT,
    retry_policy=_RETRY,
    cancellation_type=_WAIT_FOR_THE_CALL,
)
"""SQL in the restored database. An endpoint needs a minute to appear in DNS; after five the network is wrong."""

NOTIFICATION = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=_HEARTBEAT,
    retry_policy=_RETRY,
    cancellation_type=_WAIT_FOR_THE_CALL,
)
"""The message must come out, also of a bad hour."""

TRAIL_CALL = ActivityConfig(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=_HEARTBEAT,
    retry_policy=_RETRY,
    cancellation_type=_WAIT_FOR_THE_CALL,
)
"""The operation's number, without which the night does not begin."""

GROWTH = 1.5
"""Each wait between two looks is this much longer than the one before, up to the request's maximum."""


def with_summary(policy: ActivityConfig, summary: str) -> ActivityConfig:
    """The policy for one call, with the line that the Web UI shows on it (at most 200 bytes)."""
    return {**policy, "summary": summary.encode()[:200].decode(errors="ignore")}
