"""The reference trail of six nights, four of which fail, comes out row by row."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from audit.report import ReportRow, report_rows
from devstack.demo_environment import SOURCE_REGION, SUBNET_GROUP, TARGET, DemoEnvironment
from models.request import RestoreRequest
from tests.rigs.restores import Bench, bench, parts, request, skipped_time

FIRST = date(2024, 3, 15)
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
# (the step that fails, its text, the notification's text), in the order of time: the reference counts backwards.
NIGHTS: tuple[tuple[str | None, str, str], ...] = (
    (None, "", "Success notification sent"),
    ("setup-db-users", "Connection timeout", "Error notification sent"),
    ("restore-snapshot", "Invalid VPC configuration", "Error notification sent"),
    ("delete-rds", "Cluster not found", "Error notification sent"),
    ("copy-snapshot", "Invalid snapshot ID", "Error notification sent"),
    (None, "", "Notification sent"),
)
# Minutes after 00:05 by which a step has ended in the reference, and how far ours may be from it.
PATTERN = {"check-copy-status": (10, 3), "delete-rds": (11, 4), "check-restore-status": (40, 5)}


def expected(night: int) -> list[tuple[str, str, str]]:
    """(step, status, details) of a night, as the reference has them."""
    failing, text, told = NIGHTS[night]
    rows = []
    for step, details in STEPS.items():
        if step == failing:
            rows.append((step, "FAILED", text))
            break
        rows.append((step, "SUCCESS", details.format(date=FIRST + timedelta(days=night))))
    return [*rows, ("sns-notification", "SUCCESS", told)]


class Fate:
    """Provokes each failure as AWS would: what fails vanishes after snapshot-check has seen it."""

    def __init__(self, demo: DemoEnvironment, bench: Bench) -> None:
        self.demo, self.between = demo, bench.between

    def prepare(self, night: int) -> None:
        happenings = {
            1: ("restore-snapshot", self.unreachable),
            2: ("delete-rds", lambda: self.rds().delete_db_subnet_group(DBSubnetGroupName=SUBNET_GROUP)),
            3: ("snapshot-check", self.delete_target),
            4: ("snapshot-check", lambda: self.delete_snapshot(night)),
        }
        if night in happenings:
            step, happening = happenings[night]
            self.between.after[step] = happening

    def mend(self, night: int) -> None:
        """What the operator does in the morning."""
        if night == 2:
            self.demo.make_subnet_group()
            self.demo.make_target()
        if night == 3:
            self.demo.make_target()

    def rds(self, region: str | None = None) -> Any:
        return self.demo.client("rds", region) if region else self.demo.client("rds")

    def unreachable(self) -> None:
        self.demo.control("POST", "/_devstack/rds/unreachable", {"arn": self.demo.target_arn, "unreachable": True})

    def delete_target(self) -> None:
        rds, clock = self.rds(), self.demo.emulator.clock
        rds.delete_db_instance(DBInstanceIdentifier=f"{TARGET}-1", SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=TARGET, SkipFinalSnapshot=True)
        clock.set(clock.now() + timedelta(minutes=2))

    def delete_snapshot(self, night: int) -> None:
        name = f"daily-backup-{FIRST + timedelta(days=night)}"
        self.rds(SOURCE_REGION).delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)


def night_request(night: int, demo: DemoEnvironment) -> RestoreRequest:
    asked = json.loads(request().model_dump_json(exclude_none=True))
    asked["source"]["snapshot"] = {"prefix": "daily-backup", "date": str(FIRST + timedelta(days=night))}
    wait = {"deadline": "PT2H", "first_interval": "PT30S", "maximum_interval": "PT3M"}
    asked["waits"] = {"copy_snapshot": wait, "delete_rds": wait, "restore_snapshot": wait}
    if NIGHTS[night][2].startswith("Success"):
        asked["notification"]["success_topic_arn"] = asked["notification"]["topic_arn"]
    return RestoreRequest.model_validate_json(json.dumps(asked))


async def test_six_nights_leave_the_reference_trail(demo: DemoEnvironment) -> None:
    """Six nights leave the reference's forty rows: day by day the same steps, statuses, details and pattern of times."""
    made = parts(demo, "reference")
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(0, 5), UTC)
    async with skipped_time(made[0], real_databases=True) as client, bench(client, demo, made) as on:
        fate = Fate(demo, on)
        for night in range(len(NIGHTS)):
            at = midnight + timedelta(days=night)
            demo.emulator.clock.set(at - timedelta(hours=1))
            snapshot = f"daily-backup-{FIRST + timedelta(days=night)}"
            demo.take_snapshot(snapshot)
            fate.prepare(night)
            handle = await on.start(night_request(night, demo), at=at)
            if NIGHTS[night][0] is None:
                await handle.result()
            else:
                with pytest.raises(WorkflowFailureError):
                    await handle.result()
            fate.mend(night)
    first = midnight.date()
    rows = report_rows(made[1].list_rows_by_day(first, first + timedelta(days=len(NIGHTS))))
    assert len(rows) == 40
    for night in range(len(NIGHTS)):
        of_night = [row for row in rows if row.timestamp.date() == first + timedelta(days=night)]
        assert [tuple(row.cells[2:5]) for row in of_night] == expected(night)
        assert {row.operation_id for row in of_night} == {f"op-{night + 1:03d}"}
        check_times(of_night, midnight + timedelta(days=night))


def check_times(rows: list[ReportRow], start: datetime) -> None:
    minutes: dict[str, float] = {row.step: (row.timestamp - start).total_seconds() / 60 for row in rows}
    assert 0 <= minutes["snapshot-check"] < 1
    assert list(minutes.values()) == sorted(minutes.values())
    assert max(minutes.values()) <= 50
    for row in rows:
        if row.step in PATTERN and row.status == "SUCCESS":
            about, within = PATTERN[row.step]
            assert abs(minutes[row.step] - about) <= within, row
