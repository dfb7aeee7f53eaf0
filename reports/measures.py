"""What the operations of a target measure: restore time (RTO) and age of the data (RPO), beside their objectives.

The restore time is from the operation's number to the handover of the target, waits for an operator included. The age of
the data is from the time of the source snapshot to the handover.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from models.steps import Outcome
from reports.operations import ReportedOperation


class Objectives(NamedTuple):
    """How long a restore may take, and how old the data may be at the handover; None means there is no objective."""

    rto: timedelta | None = None
    rpo: timedelta | None = None


class Measure(NamedTuple):
    """One measured duration of several operations, beside its objective."""

    values: tuple[timedelta, ...]
    """The newest first."""
    objective: timedelta | None

    @property
    def median(self) -> timedelta | None:
        """The upper one, if their number is even."""
        return sorted(self.values)[len(self.values) // 2] if self.values else None

    @property
    def longest(self) -> timedelta | None:
        """The longest of all."""
        return max(self.values, default=None)

    @property
    def met(self) -> int | None:
        """How many are within the objective; None without one."""
        return sum(value <= self.objective for value in self.values) if self.objective is not None else None


class TargetMeasures(NamedTuple):
    """One target over the days of the report."""

    target_arn: str
    operations: tuple[ReportedOperation, ...]
    """The newest first."""
    restore_time: Measure
    data_age: Measure

    @property
    def restored_at(self) -> datetime | None:
        """When the last good restore of these days ended."""
        return max((each.summary.restored_at for each in self.operations if each.summary.restored_at), default=None)

    def count(self, *outcomes: Outcome) -> int:
        """How many of the restores ended so, drills left out."""
        return sum(operation.outcome in outcomes and not operation.is_drill for operation in self.operations)


def measure_targets(
    target_arns: Sequence[str], operations: Sequence[ReportedOperation], objectives: Objectives
) -> list[TargetMeasures]:
    """The measures of each target, also of one without operations. `operations` are the newest first."""
    by_target: dict[str, list[ReportedOperation]] = {arn: [] for arn in target_arns}
    for operation in operations:
        by_target.setdefault(operation.target_arn, []).append(operation)
    return [
        TargetMeasures(
            target_arn=arn,
            operations=tuple(of_target),
            restore_time=Measure(
                _present(each.restore_time for each in of_target if not each.is_drill), objectives.rto
            ),
            data_age=Measure(_present(each.data_age for each in of_target if not each.is_drill), objectives.rpo),
        )
        for arn, of_target in by_target.items()
    ]


def _present(values: Iterable[timedelta | None]) -> tuple[timedelta, ...]:
    return tuple(value for value in values if value is not None)
