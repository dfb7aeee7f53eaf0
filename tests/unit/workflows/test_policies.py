"""The timeouts of activities hold together what several rooms rely on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clients.read_guard import MAX_READ_AGE_SECONDS
from heartbeat import HEARTBEATS_PER_TIMEOUT
from models.step_call import StepInput
from models.waits import Interval, Watch
from workflows import policies
from workflows.polling import policy_of_poll

POLICIES = {name: value for name, value in vars(policies).items() if isinstance(value, dict) and name.isupper()}


@pytest.mark.parametrize("name", POLICIES)
def test_a_worker_that_wakes_when_another_one_has_its_work_changes_nothing(name: str) -> None:
    """It was frozen for longer than the read guard believes what it read before."""
    timeout: timedelta = POLICIES[name]["heartbeat_timeout"]
    assert timeout - timeout / HEARTBEATS_PER_TIMEOUT >= timedelta(seconds=MAX_READ_AGE_SECONDS)


@pytest.mark.parametrize(
    ("length", "policy"), [(policies.WATCH_LENGTH, policies.WATCH), (timedelta(0), policies.AWS_CALL)]
)
def test_a_call_that_polls_by_itself_has_the_time_for_it(length: timedelta, policy: object) -> None:
    """Ended before, it would be repeated; one that polls once and hangs is noticed sooner."""
    second = timedelta(seconds=1)
    watch = Watch(first_pause=second, length=length, interval=Interval(shortest=second, longest=second))
    step_input = StepInput(operation_id="op-001", step_started_at=datetime(2026, 11, 27, tzinfo=UTC), watch=watch)
    chosen = policy_of_poll(step_input, policies.AWS_CALL)
    assert chosen is policy
    assert (chosen["start_to_close_timeout"] or timedelta(0)) > length
    assert policy_of_poll(step_input.model_copy(update={"watch": None}), policies.REMOVAL) is policies.REMOVAL
