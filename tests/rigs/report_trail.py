"""A month of a fleet in rows of the trail: five targets, the reference's four failures, and what else can happen.

The texts are the pipeline's, the durations vary with a fixed seed. Nothing runs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from audit.numbers import OpenedOperation
from audit.rows import AuditRow, Phase
from errors import Fault
from models.identifiers import canonical_workflow_id, cluster_arn
from models.snapshots import SNAPSHOT_CREATED_AT_FACT, SOURCE_FACT
from models.steps import STEPS, Replacement, Status, Step
from models.waits import DURATIONS_FACT, Change
from reports.measure_charts import Days
from reports.measures import Objectives
from reports.operation_page import WebUi
from reports.operations import ReportedOperation, report_operation
from reports.page import ReportInput

ACCOUNT, REGION, SOURCE_REGION = "111122223333", "eu-central-1", "us-east-1"
NOW = datetime(2026, 11, 27, 6, 31, tzinfo=UTC)
DAYS = 30
MINUTES = {
    Step.SNAPSHOT_CHECK: 0.1,
    Step.COPY_SNAPSHOT: 0.05,
    Step.CHECK_COPY_STATUS: 24.0,
    Step.DELETE_RDS: 11.0,
    Step.RESTORE_SNAPSHOT: 0.05,
    Step.CHECK_RESTORE_STATUS: 28.0,
    Step.SETUP_DB_USERS: 1.5,
    Step.ARCHIVE_SNAPSHOT: 0.06,
    Step.SNS_NOTIFICATION: 0.02,
}
"""How long each step of a target of size 1 takes."""
DETAILS = {
    Step.COPY_SNAPSHOT: "Started copy to target region",
    Step.CHECK_COPY_STATUS: "Copy completed",
    Step.DELETE_RDS: "Deleted existing cluster",
    Step.RESTORE_SNAPSHOT: "Started restore process",
    Step.CHECK_RESTORE_STATUS: "Restore completed",
    Step.SETUP_DB_USERS: "Users configured",
    Step.ARCHIVE_SNAPSHOT: "Snapshot archived",
    Step.SNS_NOTIFICATION: "Notification sent",
}
CHANGES = {
    Step.CHECK_COPY_STATUS: Change.SNAPSHOT_COPY,
    Step.DELETE_RDS: Change.CLUSTER_DELETION,
    Step.CHECK_RESTORE_STATUS: Change.CLUSTER_RESTORE,
}


class MonthlyTarget(NamedTuple):
    """A target and how its restores differ from the others."""

    cluster: str
    size: float
    starts_at_minute: int

    @property
    def arn(self) -> str:
        """Its ARN."""
        return cluster_arn(REGION, ACCOUNT, self.cluster)


TARGETS = (
    MonthlyTarget("analytics", 2.4, 340),
    MonthlyTarget("billing-staging", 0.7, 20),
    MonthlyTarget("catalog-staging", 0.5, 35),
    MonthlyTarget("orders-dr-copy", 1.2, 50),
    MonthlyTarget("orders-staging", 1.0, 5),
)
FAILURES = {
    (4, 3): (
        Step.SETUP_DB_USERS,
        "Connection timeout",
        None,
        "the writer of orders-staging did not answer on port 5432",
    ),
    (4, 9): (
        Step.RESTORE_SNAPSHOT,
        "Invalid VPC configuration",
        "DBSubnetGroupNotFoundFault",
        "no subnet group staging-db",
    ),
    (4, 16): (Step.DELETE_RDS, "Cluster not found", "DBClusterNotFoundFault", "somebody deleted orders-staging"),
    (4, 22): (Step.COPY_SNAPSHOT, "Invalid snapshot ID", "DBClusterSnapshotNotFoundFault", "the snapshot is gone"),
    (0, 13): (Step.SETUP_DB_USERS, "Connection timeout", None, "the writer of analytics did not answer on port 5432"),
    (3, 21): (Step.CHECK_COPY_STATUS, "Deadline passed", None, "the copy was at 61 % after 12 hours"),
    (1, 27): (Step.RESTORE_SNAPSHOT, "Invalid VPC configuration", "InvalidVPCNetworkStateFault", "no free address"),
}
"""By target and day: the step that fails, its short text, AWS's code, and the message."""
RETRIED = {(4, 3): 42, (0, 13): 95}
"""Minutes after which an operator retries, and it succeeds."""
SKIPPED = {(2, 18)}
CANCELLED = {(3, 11)}
RUNNING = {(0, 29)}


def month() -> list[ReportedOperation]:
    """The restores of the month, the newest first."""
    operations = []
    for opened, rows in monthly_rows():
        operation = report_operation(opened, rows)
        assert operation is not None
        operations.append(operation)
    return operations[::-1]


def monthly_report(**changes: Any) -> ReportInput:
    """The report of the month."""
    operations = month()
    last = NOW.date()
    report = ReportInput(
        target_arns=[target.arn for target in TARGETS],
        operations=operations,
        detailed=operations,
        days=Days(last - timedelta(days=DAYS - 1), last),
        objectives=Objectives(timedelta(hours=2), timedelta(hours=26)),
        now=NOW,
        trail=f"aurora-restore-audit ({REGION})",
        web_ui=WebUi("http://localhost:8233", "default"),
    )
    return report._replace(**changes)


def monthly_rows() -> Iterator[tuple[OpenedOperation, list[AuditRow]]]:
    """Each operation with its rows, in chronological order."""
    chance = random.Random(7)
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) - timedelta(days=DAYS - 1)
    number = 411
    for day in range(DAYS):
        for index, target in sorted(enumerate(TARGETS), key=lambda each: each[1].starts_at_minute):
            number += 1
            at = midnight + timedelta(days=day, minutes=target.starts_at_minute)
            operation = _Operation(f"op-{number}", target, at, chance, growth=1 + day / 60)
            yield operation.opened, list(operation.rows((index, day)))


class _Operation:
    """Writes the rows of one operation."""

    def __init__(
        self, operation_id: str, target: MonthlyTarget, at: datetime, chance: random.Random, growth: float
    ) -> None:
        workflow_id = canonical_workflow_id(REGION, ACCOUNT, target.cluster)
        self.opened = OpenedOperation(
            operation_id=operation_id,
            workflow_id=workflow_id,
            first_run_id=f"0193-{operation_id}",
            target_arn=target.arn,
            opened_at=at,
        )
        self._target, self._chance, self._growth, self._now = target, chance, growth, at

    def rows(self, which: tuple[int, int]) -> Iterator[AuditRow]:
        """All rows, in chronological order."""
        steps = STEPS[Replacement.DELETE_FIRST]
        if which in SKIPPED:
            fault = Fault(type="Skipped", short="Begins too late", message="due at 00:35, 1 h 12 min ago")
            yield self._outcome(Step.SNAPSHOT_CHECK, Status.FAILED, fault.short, fault=fault)
            yield self._outcome(Step.SNS_NOTIFICATION, Status.SUCCESS, "Notification sent")
            return
        if which in CANCELLED:
            yield from map(self._success, steps[:2])
            fault = Fault(type="Cancelled", short="Cancelled", message="by an operator, at copying 38 %")
            yield self._outcome(Step.CHECK_COPY_STATUS, Status.FAILED, fault.short, fault=fault)
            yield self._outcome(Step.SNS_NOTIFICATION, Status.SUCCESS, "Error notification sent")
            return
        if which in RUNNING:
            yield from map(self._success, steps[:2])
            yield self._row(Step.CHECK_COPY_STATUS, Phase.STARTED, Status.IN_PROGRESS, "Started")
            return
        if which not in FAILURES:
            yield from map(self._success, steps)
            return
        yield from self._fail(which, steps)

    def _fail(self, which: tuple[int, int], steps: tuple[Step, ...]) -> Iterator[AuditRow]:
        step, short, code, message = FAILURES[which]
        yield from map(self._success, steps[: steps.index(step)])
        fault = Fault(type="StepFailed", short=short, message=f"{message}.", code=code)
        for attempt in (1, 2) if step is Step.SETUP_DB_USERS else ():
            at = self._now + timedelta(minutes=2 * attempt)
            yield self._row(step, Phase.ATTEMPT, Status.FAILED, short, timestamp=at, attempt=attempt, fault=fault)
        if step is Step.CHECK_COPY_STATUS:
            yield self._outcome(step, Status.FAILED, short, fault=fault, minutes=12 * 60)
        else:
            yield self._outcome(step, Status.FAILED, short, fault=fault, minutes=6)
        yield self._outcome(Step.SNS_NOTIFICATION, Status.SUCCESS, "Error notification sent")
        if which not in RETRIED:
            return
        decided_at = self._now + timedelta(minutes=RETRIED[which])
        details = "Retry, decided by ada@jumphost: opened the security group"
        yield self._row(step, Phase.DECISION, Status.IN_PROGRESS, details, timestamp=decided_at)
        self._now = decided_at + timedelta(seconds=3)
        yield from map(self._success, steps[steps.index(step) :])

    def _success(self, step: Step) -> AuditRow:
        began = self._now
        details = DETAILS.get(step, f"Found snapshot: daily-backup-{began:%Y-%m-%d}")
        return self._outcome(step, Status.SUCCESS, details)

    def _outcome(
        self, step: Step, status: Status, details: str, fault: Fault | None = None, minutes: float | None = None
    ) -> AuditRow:
        scale = self._target.size * self._growth * self._chance.uniform(0.85, 1.25)
        took = timedelta(minutes=MINUTES[step] * scale if minutes is None else minutes)
        facts = {DURATIONS_FACT: json.dumps({CHANGES[step]: int(took.total_seconds())})} if step in CHANGES else {}
        arns = (self._target.arn,)
        if step is Step.SNAPSHOT_CHECK and status is Status.SUCCESS:
            taken = self._now - timedelta(hours=self._chance.uniform(1.5, 3.5))
            source = cluster_arn(SOURCE_REGION, "444455556666", self._target.cluster.partition("-")[0])
            facts = {SNAPSHOT_CREATED_AT_FACT: taken.isoformat(), SOURCE_FACT: source}
            arns = (f"arn:aws:rds:{SOURCE_REGION}:444455556666:cluster-snapshot:daily-backup-{self._now:%Y-%m-%d}",)
        ended = self._now + took
        row = self._row(
            step, Phase.OUTCOME, status, details, timestamp=ended, fault=fault, facts=facts, resource_arns=arns
        )
        self._now = ended
        return row

    def _row(self, step: Step, phase: Phase, status: Status, details: str, **fields: Any) -> AuditRow:
        return AuditRow(
            **{
                "operation_id": self.opened.operation_id,
                "step": step,
                "phase": phase,
                "status": status,
                "details": details,
                "step_started_at": self._now,
                "timestamp": self._now,
                "workflow_id": self.opened.workflow_id,
                "run_id": self.opened.first_run_id,
                **fields,
            }
        )
