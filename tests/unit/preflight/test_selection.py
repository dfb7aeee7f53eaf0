"""Which snapshot a selector selects, from lists of snapshots that are written out here."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activities.preflight import selection
from activities.preflight.selection import select_snapshot
from errors import StepFailed
from models.source import SnapshotSelector, Source

ACCOUNT = "111122223333"
NOW = datetime(2024, 3, 20, 22, tzinfo=UTC)


def a_snapshot(
    name: str, age: timedelta = timedelta(hours=1), *, cluster: str = "orders", status: str = "available"
) -> Any:
    return {
        "DBClusterSnapshotIdentifier": name,
        "DBClusterSnapshotArn": f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster-snapshot:{name}",
        "DBClusterIdentifier": cluster,
        "Status": status,
        "SnapshotCreateTime": NOW - age,
        "Engine": "aurora-postgresql",
        "EngineVersion": "16.6",
    }


def select(
    monkeypatch: pytest.MonkeyPatch,
    selector: dict[str, Any],
    manual: list[Any] | None = None,
    automated: list[Any] | None = None,
) -> str:
    """The name of the selected snapshot."""
    by_type = {"manual": manual or [], "automated": automated or []}
    monkeypatch.setattr(selection, "list_snapshots", lambda rds, snapshot_type, cluster: by_type[snapshot_type])
    source = Source(account_id=ACCOUNT, region="eu-west-1", cluster="orders", snapshot=SnapshotSelector(**selector))
    rds: Any = None
    return select_snapshot(rds, source, NOW).identifier


def test_a_prefix_selects_among_manual_and_automated_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest of the day, of either type."""
    manual, automated = a_snapshot("daily-2024-03-20-a", timedelta(hours=2)), a_snapshot("daily-2024-03-20-b")
    assert select(monkeypatch, {"prefix": "daily"}, [manual], [automated]) == "daily-2024-03-20-b"
    assert select(monkeypatch, {"prefix": "daily"}, [manual]) == "daily-2024-03-20-a"


def test_a_prefix_does_not_select_another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day is the one on which the restore starts, unless the request names one."""
    yesterday = a_snapshot("daily-2024-03-19")
    with pytest.raises(StepFailed, match="whose name begins with daily-2024-03-20; found none"):
        select(monkeypatch, {"prefix": "daily"}, [yesterday])
    assert select(monkeypatch, {"prefix": "daily", "date": date(2024, 3, 19)}, [yesterday]) == "daily-2024-03-19"


def test_a_snapshot_is_too_old_when_it_is_older_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly as old as the limit is not too old; the limit of an automated snapshot is 26 hours."""
    limit = timedelta(hours=26)
    assert select(monkeypatch, {}, automated=[a_snapshot("rds:a", limit)]) == "rds:a"
    with pytest.raises(StepFailed, match="Snapshot too old.*rds:a"):
        select(monkeypatch, {}, automated=[a_snapshot("rds:a", limit + timedelta(seconds=1))])


def test_an_unfinished_snapshot_is_not_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest available one is, even if a newer one is being created."""
    unfinished = a_snapshot("rds:b", timedelta(0), status="creating")
    assert select(monkeypatch, {}, automated=[a_snapshot("rds:a"), unfinished]) == "rds:a"
    del unfinished["SnapshotCreateTime"]
    with pytest.raises(StepFailed, match=r"found rds:b of cluster orders \(creating\)"):
        select(monkeypatch, {}, automated=[unfinished])


def test_a_snapshot_of_another_cluster_is_not_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS filters by cluster; the pipeline does not rely on it."""
    with pytest.raises(StepFailed, match=r"found rds:a of cluster invoices \(available\)"):
        select(monkeypatch, {}, automated=[a_snapshot("rds:a", cluster="invoices")])


def test_a_message_lists_five_snapshots_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region can hold a hundred manual snapshots."""
    others = [a_snapshot(f"rds:{number}", cluster="invoices") for number in range(9)]
    with pytest.raises(StepFailed) as failed:
        select(monkeypatch, {}, automated=others)
    assert failed.value.fault.message.count("of cluster invoices") == 5
