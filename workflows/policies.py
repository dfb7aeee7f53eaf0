"""Timeouts and retries, named once by kind of call and never written at a call.

Start-to-close is longer than all of botocore's own attempts together. The heartbeat timeout notices a dead worker.
Temporal repeats a transient failure until schedule-to-close.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig


def _policy(*, start_to_close: timedelta, schedule_to_close: timedelta, maximum_attempts: int = 0) -> ActivityConfig:
    return ActivityConfig(
        start_to_close_timeout=start_to_close,
        schedule_to_close_timeout=schedule_to_close,
        # Every activity heartbeats while its process lives (heartbeat.py): so soon is a dead worker noticed.
        heartbeat_timeout=timedelta(seconds=15),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=2),
            maximum_interval=timedelta(minutes=1),
            maximum_attempts=maximum_attempts,  # 0: as many as the time allows
        ),
        # A running call is never abandoned: a cancelled restore must know what the call did.
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


AWS_CALL = _policy(start_to_close=timedelta(minutes=5), schedule_to_close=timedelta(minutes=30))
"""Reads and changes through boto3. Outlasts half an hour of throttling or of an outage."""

DATABASE_CALL = _policy(start_to_close=timedelta(minutes=3), schedule_to_close=timedelta(minutes=5))
"""SQL in the restored database. A new endpoint needs a minute to appear in DNS; after five the network is wrong."""

DATABASE_WORK = _policy(start_to_close=timedelta(hours=4), schedule_to_close=timedelta(hours=12), maximum_attempts=8)
"""The operator's own SQL, which may take hours. Eight attempts to connect take as long as `DATABASE_CALL` allows."""

NOTIFICATION = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(hours=1))
"""The notification must go out, even if SNS is unavailable for most of an hour."""

PING = _policy(start_to_close=timedelta(seconds=30), schedule_to_close=timedelta(minutes=1), maximum_attempts=2)
"""One ping of the monitor, which may delay a restore no longer than that."""

TRAIL_CALL = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(hours=1))
"""The operation's number, without which nothing begins, and its last seal."""

SEAL_CALL = _policy(start_to_close=timedelta(minutes=1), schedule_to_close=timedelta(minutes=5))
"""The seal that the notification quotes; the notification does not wait longer for it."""

INVENTORY = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(minutes=3))
"""The inventory that the notification lists; the notification does not wait longer for it."""

REMOVAL = _policy(start_to_close=timedelta(minutes=5), schedule_to_close=timedelta(minutes=10))
"""Removing leftovers, for which the notification waits, or orphans, for which the next restore would wait."""

WORKER_CALL = _policy(start_to_close=timedelta(minutes=4), schedule_to_close=timedelta(minutes=5), maximum_attempts=2)
"""What a command asks of a worker: a person waits for the answer, and repeats the command."""

WATCH = _policy(start_to_close=timedelta(minutes=25), schedule_to_close=timedelta(minutes=55))
"""As `AWS_CALL`, for an activity that polls by itself for `WATCH_LENGTH`."""

WATCH_LENGTH = timedelta(minutes=15)
"""After how long a watch returns, so that the history shows how far the step is."""


def with_summary(policy: ActivityConfig, summary: str) -> ActivityConfig:
    """The policy for one call, with the line that the Web UI shows for it."""
    return {**policy, "summary": short_summary(summary)}


def short_summary(text: str) -> str:
    """At most 200 bytes, which is Temporal's limit for a summary."""
    return text.encode()[:200].decode(errors="ignore")
