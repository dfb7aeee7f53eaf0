"""A row, its key, and the item that DynamoDB keeps of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from audit.rows import AuditRow, Phase, from_item, stamp, to_item
from models.steps import Status, Step
from tests.rigs.audit_tables import MOMENTS, NIGHT, ROWS, later, row


@given(ROWS)
def test_a_row_comes_back_from_its_item(written: AuditRow) -> None:
    """What is read from the table is what was written, whatever the texts hold."""
    assert from_item(to_item(written)) == written


@given(ROWS, st.sampled_from([-11, -3.5, 0, 5.75, 14]))
def test_a_time_zone_changes_no_key(written: AuditRow, hours: float) -> None:
    """The same moment in another time zone is the same key and the same day."""
    elsewhere = timezone(timedelta(hours=hours))
    moved = written.model_copy(update={"timestamp": written.timestamp.astimezone(elsewhere)})
    assert (moved.event_key, moved.date) == (written.event_key, written.date)


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_time_passes(one: datetime, other: datetime) -> None:
    """Comparing stamps as texts is comparing moments."""
    assert (stamp(one) < stamp(other)) == (one < other)


def test_the_key_is_made_of_nothing_but_the_fact() -> None:
    """Two workers that tell the same fact write it under one key, each time they tell it."""
    keys = {row(details=details, status=status).event_key for details in ("a", "b") for status in Status}
    assert keys == {row().event_key}


def test_a_step_reads_in_the_order_in_which_it_happened() -> None:
    """Within one moment: started, failed attempts as they were made, outcome."""
    rows = [
        row(phase=Phase.STARTED),
        *(row(phase=Phase.ATTEMPT, poll=poll, attempt=attempt) for poll in (1, 2, 10) for attempt in (1, 2, 9, 10, 11)),
        row(phase=Phase.OUTCOME, poll=11),
        row(step=Step.CHECK_COPY_STATUS, phase=Phase.STARTED),
    ]
    keys = [written.event_key for written in rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_the_day_of_a_row_is_its_day_in_utc() -> None:
    """00:05 in Berlin is still yesterday for the index."""
    berlin = timezone(timedelta(hours=1))
    assert row(timestamp=datetime(2024, 3, 20, 0, 5, tzinfo=berlin)).date == "2024-03-19"
    assert row(timestamp=NIGHT).date == "2024-03-20"


def test_a_row_has_no_time_without_a_zone() -> None:
    """A naive time is refused at the door."""
    try:
        row(timestamp=later().replace(tzinfo=None))
    except ValueError as error:
        assert "timezone" in str(error)
    else:
        raise AssertionError("a naive time was taken")
