"""A short fault campaign: real processes are killed, frozen and disconnected, and every promise holds.

`make faults` runs the whole campaign. `python -m tests.chaos --plan PLAN` runs one plan again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.chaos.campaign import Campaign, Result
from tests.chaos.campaign_fault import STEPS
from tests.chaos.defects import DEFECTS, Defect, defective_copy
from tests.chaos.plans import parse_plan
from tests.chaos.regressions import REGRESSIONS
from tests.rigs import warm
from tests.rigs.cli import WORKER

ENVIRONMENTS = 2
PLANS = (
    # What needs real processes; refusals, cancellations and deadlines are in tests/integration/restores, in skipped time.
    # A restore is the dearest part of a plan: faults that do not meet share one.
    # The long ones first, so that the environments end at about the same time.
    "resumed-in-a-read@delete-rds",
    "replaced-while-frozen@restore-snapshot",
    "killed-before-effect@delete-rds + temporal-killed@check-restore-status",
    "killed-after-effect@restore-snapshot + throttled@rds.CopyDBClusterSnapshot + expired@rds.CreateDBInstance",
    "dynamodb-down@copy-snapshot + reset-after-effect@rds.DeleteDBCluster#2 + database-closes@setup-db-users",
    "killed-in-compensation@after-the-message",
    "swap-killed-after-effect@rename-1",
    (
        "html-page-before-effect@dynamodb.PutItem#8 + reset-before-effect@rds.DeleteDBInstance#2 + "
        "truncated-body-after-effect@rds.DeleteDBCluster#2 + database-crashes@setup-db-users"
    ),
    "spoiled-answers@proxy-0",
    "terminated-and-reset@delete-rds",
    "older-run-reset@check-restore-status",
)


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Future[Result]]]:
    """The results of all plans, which run concurrently; each test waits for its own."""
    campaign = Campaign(ENVIRONMENTS, warm.command(WORKER))
    yield {plan: campaign.submit(plan, 0, always_run_next=False) for plan in (*REGRESSIONS, *PLANS)}
    campaign.close()


@pytest.mark.parametrize("plan", [*REGRESSIONS, *PLANS])
def test_every_promise_holds_under_the_faults_of_a_plan(results: dict[str, Future[Result]], plan: str) -> None:
    """Each fault is injected, the outcome is an allowed one, no promise is broken, and the next restore succeeds."""
    result = results[plan].result()
    assert not result.broken, f"replay: {result.replay}\n{result.report}"
    assert {fault for fault, _ in result.injections} == {fault.name for fault in parse_plan(plan)}
    planned = {
        (name, place) for name, _, place in (each.partition("@") for each in plan.split(" + ")) if place in STEPS
    }
    assert planned <= set(result.injections), "a fault struck another step than the planned one"


def test_the_defects_can_be_applied_to_the_current_code() -> None:
    """Each text that one of them replaces occurs once, and the worker starts from the copy; `make faults` shows the rest."""
    changes = tuple(change for defect in DEFECTS.values() for change in defect.changes)
    with defective_copy(Defect("all at once", changes, plan="", breaks="")) as root:
        worker = subprocess.run(
            [sys.executable, root / "worker.py", "--help"], cwd=root, capture_output=True, text=True, check=False
        )
    assert (worker.returncode, worker.stdout[:6]) == (0, "usage:"), worker.stderr
