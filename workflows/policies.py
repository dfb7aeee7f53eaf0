"""Timeouts and retries, named once by kind of step and never written at a call.

A call ends within start-to-close, which is longer than botocore's own attempts together; a worker that died is missed
after the heartbeat timeout; Temporal repeats what is transient until schedule-to-close.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig


def _policy(*, start_to_close: timedelta, schedule_to_close: timedelta, maximum_attempts: int = 0) -> ActivityConfig:
    return ActivityConfig(
        start_to_close_timeout=start_to_close,
        schedule_to_close_timeout=schedule_to_close,
        # Every activity beats while its process lives (heartbeat): this is how soon a dead one is missed.
        heartbeat_timeout=timedelta(seconds=15),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=2),
            maximum_interval=timedelta(minutes=1),
            maximum_attempts=maximum_attempts,  # 0: as many as the time allows
        ),
        # A call that is under way is never abandoned: a cancelled night must know what it did.
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


AWS_CALL = _policy(start_to_close=timedelta(minutes=5), schedule_to_close=timedelta(minutes=30))
"""Looks and changes through boto3. Half an hour of throttling or of an outage is waited out."""

DATABASE_CALL = _policy(start_to_close=timedelta(minutes=3), schedule_to_close=timedelta(minutes=5))
"""SQL in the restored database. An endpoint needs a minute to appear in DNS; after five the network is wrong."""

DATABASE_WORK = _policy(start_to_close=timedelta(hours=4), schedule_to_close=timedelta(hours=12), maximum_attempts=8)
"""SQL of the operator's own, which may take hours. Eight attempts to connect take as long as `DATABASE_CALL` may."""

NOTIFICATION = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(hours=1))
"""The message must come out, also of a bad hour."""

TRAIL_CALL = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(hours=1))
"""The operation's number, without which the night does not begin."""

SEAL_CALL = _policy(start_to_close=timedelta(minutes=1), schedule_to_close=timedelta(minutes=5))
"""The seal that stands in the notification, which does not wait for long for it."""

INVENTORY = _policy(start_to_close=timedelta(minutes=2), schedule_to_close=timedelta(minutes=3))
"""The look at what is there before people are told, who need not wait long for it."""

REMOVAL = _policy(start_to_close=timedelta(minutes=5), schedule_to_close=timedelta(minutes=10))
"""Removing what a failed night left half-done, for which its notification waits, or orphans, for which a night would."""

GROWTH = 1.5
"""Each wait between two looks is this much longer than the one before, up to the request's maximum."""


def with_summary(policy: ActivityConfig, summary: str) -> ActivityConfig:
    """The policy for one call, with the line that the Web UI shows on it."""
    return {**policy, "summary": short_summary(summary)}


def short_summary(text: str) -> str:
    """At most 200 bytes, as Temporal takes them."""
    return text.encode()[:200].decode(errors="ignore")
