"""The fault campaign in small: real processes are killed, frozen and cut off, and every promise holds.

`make faults` is the whole of it. A night is repeated with `python -m tests.chaos --plan PLAN`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.chaos.campaign import Campaign, Result
from tests.chaos.defects import DEFECTS, defective
from tests.chaos.regressions import KEPT
from tests.chaos.transient_faults import incidents_of

STAGES = 3
PLANS = (
    # The long ones first: three stages take them side by side.
    "woken-without-a-look@delete-rds",
    "replaced-while-frozen@restore-snapshot",
    "frozen@sns-notification",
    "killed-after-effect@restore-snapshot",
    "killed-before-effect@delete-rds + temporal-killed@check-restore-status",
    "dynamodb-down@copy-snapshot + database-closes@setup-db-users",
    "killed-in-compensation@after-the-message",
    "one-of-two-killed@check-restore-status + http500@sns.Publish",
    "stopped@copy-snapshot + reset-after@rds.RestoreDBClusterFromSnapshot",
    "database-crashes@setup-db-users + reset-before@rds.DeleteDBInstance#2",
    "throttled@rds.CopyDBClusterSnapshot + expired@rds.CreateDBInstance + reset-after@rds.DeleteDBCluster",
    "neighbour-at-once@open-operation + reset-after@dynamodb.PutItem#4",
    "denied@rds.RestoreDBClusterFromSnapshot",
    "cancelled@delete-rds",
    "terminated@delete-rds",
    "deadline-of-restore@check-restore-status",
    "stranger-has-the-name@copy-snapshot",
)


@pytest.fixture(scope="module")
def nights() -> Iterator[dict[str, Future[Result]]]:
    """All nights are under way at once; a test waits for its own."""
    campaign = Campaign(STAGES)
    yield {plan: campaign.submit(plan, 0, always_followed=False) for plan in (*KEPT, *PLANS)}
    campaign.close()


@pytest.mark.parametrize("plan", [*KEPT, *PLANS])
def test_every_promise_holds(nights: dict[str, Future[Result]], plan: str) -> None:
    """What was to strike struck, the night ended as it may, no promise broke, and a following night succeeds."""
    result = nights[plan].result()
    assert not result.broken, f"again: {result.repeat}\n{result.report}"
    assert {fault for fault, _ in result.hits} == {incident.entry.name for incident in incidents_of(plan)}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_still_fits_the_code(name: str) -> None:
    """The text that a deliberate defect changes is there; whether it is caught, `make faults` shows."""
    with defective(DEFECTS[name]) as root:
        assert (root / "worker.py").exists()
