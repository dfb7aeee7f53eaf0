"""The summary of a fleet: what is not good comes first, with its cure."""

from __future__ import annotations

from datetime import UTC, datetime

from activities.notifications.summary import describe_fleet, describe_subject
from models.fleet_summary import TargetReport

AT = datetime(2026, 11, 27, 7, 0, tzinfo=UTC)
GOOD = TargetReport(name="orders-staging", is_good=True, text="last good restore 3 h ago (op-007)")
BAD = TargetReport(
    name="orders-training",
    is_good=False,
    text="no good restore is known; op-008 failed at snapshot-check (Cluster not found)",
    what_to_do="python starter.py start REQUEST_FILE",
)


def test_the_message_says_how_each_target_is() -> None:
    """Targets that are not good first, each with what to do; the others with the age of their data."""
    assert describe_fleet("laptop", [GOOD, BAD], AT).splitlines() == [
        "laptop: 1 of 2 targets are not good, by the audit trail at 2026-11-27 07:00 UTC.",
        "",
        "NOT GOOD",
        "- orders-training: no good restore is known; op-008 failed at snapshot-check (Cluster not found)",
        "  what to do: python starter.py start REQUEST_FILE",
        "",
        "GOOD",
        "- orders-staging: last good restore 3 h ago (op-007)",
    ]
    assert describe_subject("laptop", [GOOD]) == "laptop: all 1 targets are good"
