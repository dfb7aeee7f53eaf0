"""A row of the trail, its sort key, and its DynamoDB item."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from audit.rows import AuditRow, Phase, from_item, stamp, to_item
from models.steps import Status, Step
from tests.rigs.audit_tables import MOMENTS, ROWS, START, later, row


@settings(deadline=None)  # on a busy machine an example may take a while
@given(ROWS)
def test_a_row_survives_the_conversion_to_an_item_and_back(written: AuditRow) -> None:
    """What is read from the table equals what was written, whatever the texts contain."""
    assert from_item(to_item(written)) == written


@settings(deadline=None)  # on a busy machine an example may take a while
@given(ROWS, st.sampled_from([-11, -3.5, 0, 5.75, 14]))
def test_the_time_zone_does_not_change_key_or_date(written: AuditRow, hours: float) -> None:
    """The same moment in another time zone gives the same key and the same date."""
    zone = timezone(timedelta(hours=hours))
    moved = written.model_copy(update={"timestamp": written.timestamp.astimezone(zone)})
    assert (moved.event_key, moved.date) == (written.event_key, written.date)


@settings(deadline=None)  # on a busy machine an example may take a while
@given(MOMENTS, MOMENTS)
def test_stamps_sort_chronologically(one: datetime, other: datetime) -> None:
    """Comparing two stamps as texts gives the same result as comparing the moments."""
    assert (stamp(one) < stamp(other)) == (one < other)


def test_details_and_status_are_not_part_of_the_key() -> None:
    """Two workers that record the same fact differently use the same key, so that the second write is a conflict."""
    keys = {row(details=details, status=status).event_key for details in ("a", "b") for status in Status}
    assert keys == {row().event_key}


def test_keys_of_a_step_sort_in_the_order_of_its_events() -> None:
    """At the same time: started, then the failed attempts by poll and attempt, then the outcome, then the next step."""
    rows = [
        row(phase=Phase.STARTED),
        *(row(phase=Phase.ATTEMPT, poll=poll, attempt=attempt) for poll in (1, 2, 10) for attempt in (1, 2, 9, 10, 11)),
        row(phase=Phase.OUTCOME, poll=11),
        row(step=Step.CHECK_COPY_STATUS, phase=Phase.STARTED),
    ]
    keys = [each.event_key for each in rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_the_date_of_a_row_is_its_day_in_utc() -> None:
    """00:05 in Berlin is the previous day in UTC."""
    berlin = timezone(timedelta(hours=1))
    assert row(timestamp=datetime(2024, 3, 20, 0, 5, tzinfo=berlin)).date == "2024-03-19"
    assert row(timestamp=START).date == "2024-03-20"


def test_a_row_refuses_a_time_without_a_zone() -> None:
    """A naive time could be any moment within a day."""
    with pytest.raises(ValidationError, match="timezone"):
        row(timestamp=later().replace(tzinfo=None))
