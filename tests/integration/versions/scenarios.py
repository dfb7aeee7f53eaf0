"""Every kind of night of which a history is kept. A scenario's name is the name of its file."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from devstack.demo_environment import ACCOUNT, SUBNET_GROUP, TARGET_REGION
from models.decisions import Decision
from models.steps import Outcome, Step
from models.workflow_names import CLEANUP_WORKFLOW, POLL_NOW_SIGNAL
from tests.integration.versions.recording import Studio, opt_in_to, remove_target, wish
from tests.rigs.emulator import MINUTES
from tests.rigs.restores import request

Scenario = Callable[[Studio], Awaitable[Any]]
SCENARIOS: dict[str, Scenario] = {}
"""In the order in which they are played: first those in real time, because the emulator's clock never goes back."""

OTHER_ID = "aurora-restore-orders-staging-2026-11-23T00:05:00Z"
QUARTERS = {"deadline": "PT1H", "first_interval": "PT15M", "maximum_interval": "PT15M"}
HOUR = {"deadline": "PT1H", "first_interval": "PT1M", "maximum_interval": "PT1M"}
WAITED = {
    Step.CHECK_COPY_STATUS: ("copy_snapshot", "copy"),
    Step.DELETE_RDS: ("delete_rds", "cluster_delete"),
    Step.CHECK_RESTORE_STATUS: ("restore_snapshot", "cluster_restore"),
}
"""The wait of each step that waits, and what RDS takes its time with meanwhile."""
FAILURES: dict[Step, tuple[str, str, str]] = {
    Step.SNAPSHOT_CHECK: ("kms", "DescribeKey", "NotFoundException"),
    Step.COPY_SNAPSHOT: ("rds", "CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault"),
    Step.DELETE_RDS: ("rds", "DeleteDBCluster", "AccessDenied"),
    Step.RESTORE_SNAPSHOT: ("rds", "RestoreDBClusterFromSnapshot", "InvalidVPCNetworkStateFault"),
    Step.CHECK_RESTORE_STATUS: ("rds", "CreateDBInstance", "AccessDenied"),
    Step.SETUP_DB_USERS: ("secretsmanager", "GetSecretValue", "AccessDeniedException"),
    Step.ARCHIVE_SNAPSHOT: ("rds", "AddTagsToResource", "AccessDenied"),
    Step.SNS_NOTIFICATION: ("sns", "Publish", "NotFound"),
}
"""What AWS answers to the step that fails; a copy fails without any call."""


def scenario(played: Scenario) -> Scenario:
    """Keep what this plays, under the name of the function."""
    SCENARIOS[played.__name__.replace("_", "-")] = played
    return played


# In real time


async def _cancelled_waiting(at: Studio, step: Step) -> None:
    wait, slow = WAITED[step]
    at.takes(**{slow: 600.0})
    handle = await at.start(wish(waits={wait: HOUR}), skip=False)
    await at.waits_at(handle, step)
    await handle.cancel()
    await at.ended(handle)


SCENARIOS |= {f"cancelled-waiting-in-{step}": partial(_cancelled_waiting, step=step) for step in WAITED}


@scenario
async def poll_now(at: Studio) -> None:
    at.takes(copy=1.0)
    handle = await at.start(wish(waits={"copy_snapshot": HOUR}), skip=False)
    await at.waits_at(handle, Step.CHECK_COPY_STATUS)
    await asyncio.sleep(1.2)
    await handle.signal(POLL_NOW_SIGNAL)
    await at.ended(handle)


@scenario
async def under_another_id_while_the_target_is_restored(at: Studio) -> None:
    at.takes(copy=600.0)
    first = await at.start(wish(waits={"copy_snapshot": HOUR}), skip=False, name="first")
    await at.waits_at(first, Step.CHECK_COPY_STATUS)
    await at.night(skip=False, workflow_id=OTHER_ID)
    await first.cancel()
    await at.ended(first)
    del at.handles["first"]


@scenario
async def cancelled_under_another_id(at: Studio) -> None:
    at.takes(copy=600.0)
    handle = await at.start(wish(waits={"copy_snapshot": HOUR}), skip=False, workflow_id=OTHER_ID)
    child = at.waiting.get_workflow_handle(request().target.workflow_id)
    while not at.during.calls.get(Step.CHECK_COPY_STATUS):  # noqa: ASYNC110 - it watches a worker
        await asyncio.sleep(0.05)
    await at.waits_at(child, Step.CHECK_COPY_STATUS)
    await handle.cancel()
    await at.ended(handle)
    at.handles["child"] = child


async def _decided(at: Studio, decision: Decision, step: Step) -> None:
    at.fails(*FAILURES[step])
    handle = await at.start(_waiting_for_an_operator(), skip=False)
    await at.asks(handle)
    await at.decide(handle, decision)
    await at.ended(handle)


SCENARIOS |= {
    "operator-retries": partial(_decided, decision=Decision.RETRY, step=Step.RESTORE_SNAPSHOT),
    "operator-skips": partial(_decided, decision=Decision.SKIP, step=Step.ARCHIVE_SNAPSHOT),
    "operator-aborts": partial(_decided, decision=Decision.ABORT, step=Step.RESTORE_SNAPSHOT),
}


@scenario
async def operator_retries_twice(at: Studio) -> None:
    at.fails(*FAILURES[Step.RESTORE_SNAPSHOT], count=2)
    handle = await at.start(_waiting_for_an_operator(), skip=False)
    for _ in range(2):
        await at.asks(handle)
        await at.decide(handle, Decision.RETRY)
        await at.state(handle, lambda state: state.waiting_until is None or state.outcome is not Outcome.WAITING)
    await at.ended(handle)


@scenario
async def operator_is_refused_a_skip_then_aborts(at: Studio) -> None:
    at.fails(*FAILURES[Step.COPY_SNAPSHOT])
    handle = await at.start(_waiting_for_an_operator(), skip=False)
    await at.asks(handle)
    await at.decide(handle, Decision.SKIP)
    await at.decide(handle, Decision.ABORT)
    await at.ended(handle)


@scenario
async def cancelled_while_an_operator_is_waited_for(at: Studio) -> None:
    at.fails(*FAILURES[Step.RESTORE_SNAPSHOT])
    handle = await at.start(_waiting_for_an_operator(), skip=False)
    await at.asks(handle)
    await handle.cancel()
    await at.ended(handle)


async def _goes_on(at: Studio, failed: Step, again: Step | None = None) -> None:
    at.fails(*FAILURES[failed])
    await at.goes_on(await at.night(skip=False), again)


SCENARIOS |= {
    f"failed-at-{step}-and-goes-on": partial(_goes_on, failed=step)
    for step in (Step.COPY_SNAPSHOT, Step.RESTORE_SNAPSHOT, Step.ARCHIVE_SNAPSHOT, Step.SNS_NOTIFICATION)
}
SCENARIOS["failed-at-archive-snapshot-and-goes-on-at-restore-snapshot"] = partial(
    _goes_on, failed=Step.ARCHIVE_SNAPSHOT, again=Step.RESTORE_SNAPSHOT
)


@scenario
async def fails_twice_and_goes_on_twice(at: Studio) -> None:
    at.fails(*FAILURES[Step.RESTORE_SNAPSHOT], count=2)
    await at.goes_on(await at.night(skip=False))
    await at.goes_on(at.handles[""])


@scenario
async def cancelled_and_goes_on(at: Studio) -> None:
    at.cancels(Step.CHECK_COPY_STATUS)
    await at.goes_on(await at.night(skip=False))


@scenario
async def terminated_and_goes_on(at: Studio) -> None:
    at.takes(copy=3.0)
    wait = HOUR | {"first_interval": "PT1S"}
    handle = await at.start(wish(waits={"copy_snapshot": wait}), skip=False)
    await at.waits_at(handle, Step.CHECK_COPY_STATUS)
    await handle.terminate("recorded")
    await at.goes_on(handle)


@scenario
async def bad_input(at: Studio) -> None:
    await at.night({"source": "orders", "password": "-"}, skip=False)


@scenario
async def no_input(at: Studio) -> None:
    await at.ended(await at.start(None, skip=False))


@scenario
async def two_inputs(at: Studio) -> None:
    await at.ended(await at.start(wish(), wish(), skip=False))


@scenario
async def cleanup_with_nothing_to_remove(at: Studio) -> None:
    await at.night(wish(), skip=False, type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_of_a_failed_copy(at: Studio) -> None:
    await _leave_a_failed_copy(at)
    await at.night(wish(), skip=False, type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_that_fails(at: Studio) -> None:
    await _leave_a_failed_copy(at)
    at.fails("rds", "DeleteDBClusterSnapshot", "AccessDenied")
    await at.night(wish(), skip=False, type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_that_is_cancelled(at: Studio) -> None:
    at.cancels("remove-orphans")
    await at.night(wish(), skip=False, type=CLEANUP_WORKFLOW)


@scenario
async def cleanup_under_another_id(at: Studio) -> None:
    await at.night(wish(), skip=False, type=CLEANUP_WORKFLOW, workflow_id="another")


@scenario
async def cleanup_without_input(at: Studio) -> None:
    await at.ended(await at.start(None, skip=False, type=CLEANUP_WORKFLOW))


# In skipped time


@scenario
async def a_good_night(at: Studio) -> None:
    at.demo.emulator.durations = MINUTES
    await at.night(wish(patient=True))


@scenario
async def a_first_night(at: Studio) -> None:
    at.demo.emulator.durations = MINUTES
    remove_target(at.demo)
    await at.night(wish(patient=True, target={"missing": "create"}))


@scenario
async def in_one_region_without_a_copy(at: Studio) -> None:
    rds, arn = at.demo.client("rds"), f"arn:aws:rds:{TARGET_REGION}:{ACCOUNT}:cluster:invoices"
    at.demo.make_cluster(rds, "invoices", SUBNET_GROUP, secrets.token_urlsafe(24), DeletionProtection=True)
    at.demo.control(
        "POST",
        "/_devstack/rds/automated-snapshot",
        {"account": ACCOUNT, "region": TARGET_REGION, "cluster": "invoices"},
    )
    opt_in_to(at.demo, arn)
    at.demo.emulator.durations = MINUTES
    await at.night(wish(patient=True, source={"region": TARGET_REGION, "cluster": "invoices"}))


@scenario
async def under_another_id(at: Studio) -> None:
    at.demo.emulator.durations = MINUTES
    await at.night(wish(patient=True), workflow_id=OTHER_ID)
    at.handles["child"] = at.waiting.get_workflow_handle(request().target.workflow_id)


@scenario
async def failed_under_another_id(at: Studio) -> None:
    at.fails(*FAILURES[Step.RESTORE_SNAPSHOT])
    await at.night(workflow_id=OTHER_ID)
    at.handles["child"] = at.waiting.get_workflow_handle(request().target.workflow_id)


async def _failed(at: Studio, step: Step) -> None:
    at.fails(*FAILURES[step], count=None)
    users = [user.model_dump(exclude_none=True) for user in request().users]
    await at.night(wish(users=users, other_logins="lock") if step is Step.SETUP_DB_USERS else wish())


SCENARIOS |= {f"failed-at-{step}": partial(_failed, step=step) for step in FAILURES}


@scenario
async def failed_at_check_copy_status(at: Studio) -> None:
    at.demo.emulator.durations = MINUTES
    at.during.happenings[Step.CHECK_COPY_STATUS, 2] = at.breaks_the_copy
    await at.night(wish(patient=True))


@scenario
async def failed_without_a_notification(at: Studio) -> None:
    at.fails(*FAILURES[Step.COPY_SNAPSHOT])
    at.fails(*FAILURES[Step.SNS_NOTIFICATION], count=None)
    await at.night()


@scenario
async def without_dynamodb_at_its_beginning(at: Studio) -> None:
    at.fails("dynamodb", "*", "AccessDeniedException", count=4)
    await at.night()


async def _cancelled(at: Studio, during: str) -> None:
    at.cancels(during)
    await at.night()


CALLS = ("open-operation", *Step, "take-inventory", "seal-trail")
SCENARIOS |= {f"cancelled-in-{call}": partial(_cancelled, during=call) for call in CALLS}


async def _deadline(at: Studio, step: Step) -> None:
    if step is Step.COPY_SNAPSHOT:
        at.fails("rds", "CopyDBClusterSnapshot", "InvalidDBClusterStateFault", count=None)
    else:
        at.takes(**{WAITED[step][1]: 7200.0})
    waits = dict.fromkeys((wait for wait, _ in WAITED.values()), QUARTERS)
    await at.night(wish(waits=waits))


SCENARIOS |= {f"deadline-of-{step}": partial(_deadline, step=step) for step in (Step.COPY_SNAPSHOT, *WAITED)}


@scenario
async def operator_does_not_answer(at: Studio) -> None:
    at.fails(*FAILURES[Step.RESTORE_SNAPSHOT])
    await at.night(_waiting_for_an_operator())


REMOVE = {"unfinished_copy": "remove", "half_restored_target": "remove"}


@scenario
async def removes_its_unfinished_copy(at: Studio) -> None:
    at.takes(copy=7200.0)
    await at.night(wish(waits={"copy_snapshot": QUARTERS}, on_failure=REMOVE))


@scenario
async def removes_its_half_restored_target(at: Studio) -> None:
    at.takes(cluster_delete=300.0)
    at.fails(*FAILURES[Step.CHECK_RESTORE_STATUS])
    await at.night(wish(waits={"delete_rds": QUARTERS}, on_failure=REMOVE))


@scenario
async def does_not_come_to_remove_its_half_restored_target(at: Studio) -> None:
    at.fails(*FAILURES[Step.CHECK_RESTORE_STATUS])
    at.fails("rds", "DeleteDBCluster", "AccessDenied", skip=1, count=None)
    await at.night(wish(on_failure=REMOVE))


@scenario
async def cancelled_and_removes_its_half_restored_target(at: Studio) -> None:
    at.takes(cluster_delete=300.0)
    at.cancels(Step.CHECK_RESTORE_STATUS)
    await at.night(wish(waits={"delete_rds": QUARTERS}, on_failure=REMOVE))


@scenario
async def without_dynamodb_for_a_while(at: Studio) -> None:
    """What every row is written with fails from the second step on; it is repeated through durable timers."""
    # A code that botocore does not repeat by itself, which would take real time.
    at.fails("dynamodb", "PutItem", "ResourceNotFoundException", skip=4, count=12)
    at.demo.emulator.durations = MINUTES
    await at.night(wish(patient=True))


@scenario
async def without_dynamodb_at_its_end(at: Studio) -> None:
    at.fails("dynamodb", "TransactWriteItems", "ResourceNotFoundException", skip=1, count=30)
    await at.night()


@scenario
async def in_bad_weather(at: Studio) -> None:
    for operation in ("CopyDBClusterSnapshot", "DeleteDBCluster", "RestoreDBClusterFromSnapshot"):
        at.demo.emulator.faults.add("rds", operation, "throttle", count=4)
    at.demo.emulator.durations = MINUTES
    await at.night(wish(patient=True))


def _waiting_for_an_operator() -> Any:
    return wish(on_failure={"wait_for_operator": "PT1H"})


async def _leave_a_failed_copy(at: Studio) -> None:
    at.takes(copy=600.0)
    handle = await at.start(wish(waits={"copy_snapshot": HOUR}), skip=False)
    await at.waits_at(handle, Step.CHECK_COPY_STATUS)
    await at.breaks_the_copy()
    await handle.signal(POLL_NOW_SIGNAL)
    await at.ended(handle)
