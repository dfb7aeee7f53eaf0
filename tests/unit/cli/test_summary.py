"""The summary of a fleet: what is not good or did not begin comes first, with its cure."""

from __future__ import annotations

from datetime import UTC, datetime

from activities.notifications.summary import add_schedule, describe_fleet, describe_subject
from models.fleet_summary import ScheduleReport, TargetReport

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


def test_a_restore_that_did_not_begin_is_in_it() -> None:
    """Its target is not good, however young its data is; a pause is only said."""
    missed = "no start of its restore of 2026-11-27 00:05 UTC is known"
    report = add_schedule(GOOD, ScheduleReport(missed=(missed,)))
    assert (report.is_good, report.what_to_do) == (False, "python starter.py list")
    assert report.text == f"{missed}; {GOOD.text}"
    paused = add_schedule(GOOD, ScheduleReport(notes=("paused by ada: a freeze",)))
    assert (paused.is_good, paused.text) == (True, f"{GOOD.text}; paused by ada: a freeze")
    assert add_schedule(GOOD, None) == GOOD
    assert "\nSCHEDULES\n- unreadable\n" in describe_fleet("laptop", [GOOD], AT, ["unreadable"])
