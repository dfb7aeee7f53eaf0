"""The codes with which AWS throttles. Source: botocore's retries/standard.py, ThrottledRetryableChecker."""

from __future__ import annotations

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Of any service. LimitExceededException is not among them: KMS and Secrets Manager mean a quota that is used up."""
THROTTLED_BY_DYNAMODB = frozenset({"ProvisionedThroughputExceededException"})
