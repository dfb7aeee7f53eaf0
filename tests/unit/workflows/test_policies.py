"""The timeouts of activities hold together what several rooms rely on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clients.read_guard import MAX_READ_AGE_SECONDS
from heartbeat import HEARTBEATS_PER_TIMEOUT
from workflows import policies

POLICIES = {name: value for name, value in vars(policies).items() if isinstance(value, dict) and name.isupper()}


@pytest.mark.parametrize("name", POLICIES)
def test_a_worker_that_wakes_when_another_one_has_its_work_changes_nothing(name: str) -> None:
    """It was frozen for longer than the read guard believes what it read before."""
    timeout: timedelta = POLICIES[name]["heartbeat_timeout"]
    assert timeout - timeout / HEARTBEATS_PER_TIMEOUT >= timedelta(seconds=MAX_READ_AGE_SECONDS)
