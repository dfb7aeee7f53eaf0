"""The reference trail: six restores, four of which fail, leave the reference's rows one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import pytest
from temporalio.client import WorkflowFailureError

from audit.report import ReportRow, report_rows
from devstack.demo_environment import SOURCE_REGION, SUBNET_GROUP, TARGET, DemoEnvironment
from models.request import RestoreRequest
from tests.rigs.requests import DEFAULT, every_wait, request, wait
from tests.rigs.restores import RestoreRig, TrailRow, run_worker, time_skipping_client, worker_parts

FIRST_DAY = date(2024, 3, 15)
STEPS = {
    "snapshot-check": "Found snapshot: daily-backup-{date}",
    "copy-snapshot": "Started copy to target region",
    "check-copy-status": "Copy completed",
    "delete-rds": "Deleted existing cluster",
    "restore-snapshot": "Started restore process",
    "check-restore-status": "Restore completed",
    "setup-db-users": "Users configured",
    "archive-snapshot": "Snapshot archived",
}


class Expected(NamedTuple):
    """How a day's restore ends in the reference."""

    failing_step: str | None
    failure: str
    notification: str


DAYS = (
    Expected(None, "", "Success notification sent"),
    Expected("setup-db-users", "Connection timeout", "Error notification sent"),
    Expected("restore-snapshot", "Invalid VPC configuration", "Error notification sent"),
    Expected("delete-rds", "Cluster not found", "Error notification sent"),
    Expected("copy-snapshot", "Invalid snapshot ID", "Error notification sent"),
    Expected(None, "", "Notification sent"),
)
"""In the order of time; the reference counts backwards."""
PATTERN = {"check-copy-status": (10, 3), "delete-rds": (11, 4), "check-restore-status": (40, 5)}
"""By step: the minutes after 00:05 at which it ends in the reference, and how far the restore may be from that."""


def snapshot_of(day: int) -> str:
    """The name of a day's backup."""
    return f"daily-backup-{FIRST_DAY + timedelta(days=day)}"


def expected_rows(day: int) -> list[TrailRow]:
    """The rows of a day, as the reference has them."""
    rows: list[TrailRow] = []
    for step, details in STEPS.items():
        if step == DAYS[day].failing_step:
            rows.append((step, "FAILED", DAYS[day].failure))
            break
        rows.append((step, "SUCCESS", details.format(date=FIRST_DAY + timedelta(days=day))))
    return [*rows, ("sns-notification", "SUCCESS", DAYS[day].notification)]


class Incidents:
    """Causes each failure as it happens in AWS: after snapshot-check has found it, a resource disappears."""

    def __init__(self, rig: RestoreRig) -> None:
        self._demo, self._hooks = rig.demo, rig.hooks

    def prepare(self, day: int) -> None:
        """Hook the day's incident in after the step that precedes it."""
        incidents: dict[int, tuple[str, Callable[[], Any]]] = {
            1: ("restore-snapshot", self._make_target_unreachable),
            2: ("delete-rds", lambda: self._rds().delete_db_subnet_group(DBSubnetGroupName=SUBNET_GROUP)),
            3: ("snapshot-check", self._delete_target),
            4: ("snapshot-check", lambda: self._delete_snapshot(day)),
        }
        if day in incidents:
            step, incident = incidents[day]
            self._hooks.after[step] = incident

    def fix(self, day: int) -> None:
        """What an operator does after the failure."""
        if day == 2:
            self._demo.make_subnet_group()
            self._demo.make_target()
        if day == 3:
            self._demo.make_target()

    def _rds(self, region: str | None = None) -> Any:
        return self._demo.client("rds", region) if region else self._demo.client("rds")

    def _make_target_unreachable(self) -> None:
        self._demo.control("POST", "/_devstack/rds/unreachable", {"arn": self._demo.target_arn, "unreachable": True})

    def _delete_target(self) -> None:
        rds, clock = self._rds(), self._demo.emulator.clock
        rds.delete_db_instance(DBInstanceIdentifier=f"{TARGET}-1", SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=TARGET, SkipFinalSnapshot=True)
        clock.set(clock.now() + timedelta(minutes=2))

    def _delete_snapshot(self, day: int) -> None:
        self._rds(SOURCE_REGION).delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot_of(day))


def request_of(day: int) -> RestoreRequest:
    """A day's request; the first day has a topic for successes."""
    topic = DEFAULT["notification"]["topic_arn"]
    success_topic = topic if DAYS[day].notification.startswith("Success") else None
    return request(
        source={"snapshot": {"prefix": "daily-backup", "date": str(FIRST_DAY + timedelta(days=day))}},
        waits=every_wait(wait("PT2H", "PT30S", "PT3M")),
        notification={"success_topic_arn": success_topic},
    )


@pytest.mark.timeout(480)  # its timers wait in real time; alone it takes a minute and a half
async def test_six_restores_leave_the_reference_trail(demo_with_databases: DemoEnvironment) -> None:
    """They leave the reference's forty rows: day by day the same steps, statuses, details and pattern of times."""
    demo = demo_with_databases
    parts = worker_parts(demo, "reference")
    first_start = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(0, 5), UTC)
    async with (
        time_skipping_client(parts.plugin, real_databases=True) as client,
        run_worker(client, demo, parts) as rig,
    ):
        incidents = Incidents(rig)
        for day in range(len(DAYS)):
            start = first_start + timedelta(days=day)
            demo.emulator.clock.set(start - timedelta(hours=1))
            demo.take_snapshot(snapshot_of(day))
            incidents.prepare(day)
            handle = await rig.start(request_of(day), at=start)
            if DAYS[day].failing_step is None:
                await handle.result()
            else:
                with pytest.raises(WorkflowFailureError):
                    await handle.result()
            incidents.fix(day)
    first = first_start.date()
    rows = report_rows(parts.table.list_rows_by_day(first, first + timedelta(days=len(DAYS))))
    assert len(rows) == 40
    for day in range(len(DAYS)):
        rows_of_day = [row for row in rows if row.timestamp.date() == first + timedelta(days=day)]
        assert [tuple(row.cells[2:5]) for row in rows_of_day] == expected_rows(day)
        assert {row.operation_id for row in rows_of_day} == {f"op-{day + 1:03d}"}
        check_times(rows_of_day, first_start + timedelta(days=day))


def check_times(rows: list[ReportRow], start: datetime) -> None:
    """The steps end at the reference's times, within what `PATTERN` allows."""
    minutes: dict[str, float] = {row.step: (row.timestamp - start).total_seconds() / 60 for row in rows}
    assert 0 <= minutes["snapshot-check"] < 1
    assert list(minutes.values()) == sorted(minutes.values())
    assert max(minutes.values()) <= 50
    for row in rows:
        if row.step in PATTERN and row.status == "SUCCESS":
            expected, tolerance = PATTERN[row.step]
            assert abs(minutes[row.step] - expected) <= tolerance, row
