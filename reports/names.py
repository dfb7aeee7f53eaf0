"""What the report calls a target: its name, and its place too if two targets have one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from limits import shorten

MAX_LABEL = 80
"""Characters; a cluster's name has at most 63."""


def target_labels(target_arns: Sequence[str]) -> dict[str, str]:
    """A different label for each ARN."""
    counts = Counter(map(_cluster, target_arns))
    return {
        arn: _cluster(arn) if counts[_cluster(arn)] == 1 else shorten(_with_place(arn), MAX_LABEL)
        for arn in target_arns
    }


def _cluster(arn: str) -> str:
    return shorten(arn.rpartition(":")[2], MAX_LABEL)


def _with_place(arn: str) -> str:
    """Source of the ARN's form: Service Authorization Reference, "Resource types defined by Amazon RDS"."""
    parts = arn.split(":")
    return f"{_cluster(arn)} ({parts[3]}, {parts[4]})" if len(parts) > 6 else arn  # noqa: PLR2004 - arn:aws:rds:REGION:ACCOUNT:cluster:NAME
