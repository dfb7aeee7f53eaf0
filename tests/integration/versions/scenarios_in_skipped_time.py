"""The kinds of run that are recorded in skipped time."""

from __future__ import annotations

import secrets
from functools import partial

from devstack.demo_environment import ACCOUNT, SUBNET_GROUP, TARGET_REGION
from models.identifiers import cluster_arn
from models.steps import Step
from tests.integration.versions.recording import (
    OTHER_ID,
    QUARTERS,
    REMOVE,
    WAITS,
    Scenario,
    ScenarioRig,
    add_scenario,
    waiting_for_operator,
)
from tests.rigs.durations import MINUTES
from tests.rigs.emulator import delete_target, opt_in
from tests.rigs.failing_calls import FAILING_CALLS
from tests.rigs.requests import CANONICAL_ID, every_wait, quick_request, request, request_json

SWAP, DRILL = {"replacement": "swap"}, {"replacement": "drill"}
SCENARIOS: dict[str, Scenario] = {}
scenario = partial(add_scenario, SCENARIOS)


@scenario
async def successful_restore(rig: ScenarioRig) -> None:
    rig.demo.emulator.durations = MINUTES
    await rig.run(request(users=[]))


@scenario
async def first_restore(rig: ScenarioRig) -> None:
    rig.demo.emulator.durations = MINUTES
    delete_target(rig.demo)
    await rig.run(request(users=[], target={"missing": "create"}))


@scenario
async def in_one_region_without_a_copy(rig: ScenarioRig) -> None:
    demo, rds = rig.demo, rig.demo.client("rds")
    demo.make_cluster(rds, "invoices", SUBNET_GROUP, secrets.token_urlsafe(24), DeletionProtection=True)
    body = {"account": ACCOUNT, "region": TARGET_REGION, "cluster": "invoices"}
    demo.control("POST", "/_devstack/rds/automated-snapshot", body)
    opt_in(demo, cluster_arn(TARGET_REGION, ACCOUNT, "invoices"))
    demo.emulator.durations = MINUTES
    await rig.run(request(users=[], source={"region": TARGET_REGION, "cluster": "invoices"}))


@scenario
async def under_another_id(rig: ScenarioRig) -> None:
    rig.demo.emulator.durations = MINUTES
    await rig.run(request(users=[]), workflow_id=OTHER_ID)
    rig.handles["child"] = rig.real_time.get_workflow_handle(CANONICAL_ID)


@scenario
async def failed_under_another_id(rig: ScenarioRig) -> None:
    rig.fail_step(Step.RESTORE_SNAPSHOT)
    await rig.run(workflow_id=OTHER_ID)
    rig.handles["child"] = rig.real_time.get_workflow_handle(CANONICAL_ID)


async def _failed(rig: ScenarioRig, step: Step) -> None:
    rig.fail_step(step, count=None)
    users = request_json()["users"] if step is Step.SETUP_DB_USERS else []
    await rig.run(quick_request(users=users))


SCENARIOS |= {f"failed-at-{step}": partial(_failed, step=step) for step in FAILING_CALLS}


@scenario
async def successful_swap(rig: ScenarioRig) -> None:
    await rig.run(quick_request(target=SWAP))


@scenario
async def successful_swap_that_keeps_the_old(rig: ScenarioRig) -> None:
    await rig.run(quick_request(target=SWAP | {"swap": {"keep_old": "PT12H"}}))


@scenario
async def failed_at_swap_clusters(rig: ScenarioRig) -> None:
    """At the second rename: the first one is taken back."""
    rig.refuse("rds", "ModifyDBCluster", "AccessDenied", skip=2)
    await rig.run(quick_request(target=SWAP))


@scenario
async def successful_drill(rig: ScenarioRig) -> None:
    await rig.run(quick_request(target=DRILL))


@scenario
async def failed_at_remove_drill(rig: ScenarioRig) -> None:
    """A failed drill: remove-leftovers tries once more to remove what is left."""
    rig.refuse("rds", "DeleteDBCluster", "AccessDenied", count=None)
    await rig.run(quick_request(target=DRILL))


@scenario
async def failed_at_check_copy_status(rig: ScenarioRig) -> None:
    rig.demo.emulator.durations = MINUTES
    rig.incidents.during[Step.CHECK_COPY_STATUS, 2] = rig.fail_copies
    await rig.run(request(users=[]))


@scenario
async def failed_without_a_notification(rig: ScenarioRig) -> None:
    rig.fail_step(Step.COPY_SNAPSHOT)
    rig.fail_step(Step.SNS_NOTIFICATION, count=None)
    await rig.run()


@scenario
async def without_dynamodb_at_the_beginning(rig: ScenarioRig) -> None:
    rig.refuse("dynamodb", "*", "AccessDeniedException", count=4)
    await rig.run()


async def _cancelled(rig: ScenarioRig, during: str) -> None:
    rig.cancel_during(during)
    targets = {Step.SWAP_CLUSTERS.value: SWAP, Step.REMOVE_DRILL.value: DRILL}
    await rig.run(quick_request(target=targets.get(during, {})))


SCENARIOS |= {
    f"cancelled-in-{activity_type}": partial(_cancelled, during=activity_type)
    for activity_type in ("open-operation", *Step, "take-inventory", "seal-trail")
}


async def _deadline(rig: ScenarioRig, step: Step) -> None:
    if step is Step.COPY_SNAPSHOT:
        rig.refuse("rds", "CopyDBClusterSnapshot", "InvalidDBClusterStateFault", count=None)
    else:
        rig.set_durations(**{WAITS[step][1]: 7200.0})
    await rig.run(quick_request(waits=every_wait(QUARTERS)))


SCENARIOS |= {f"deadline-of-{step}": partial(_deadline, step=step) for step in (Step.COPY_SNAPSHOT, *WAITS)}


@scenario
async def operator_does_not_decide(rig: ScenarioRig) -> None:
    rig.fail_step(Step.RESTORE_SNAPSHOT)
    await rig.run(waiting_for_operator())


@scenario
async def removes_its_unfinished_copy(rig: ScenarioRig) -> None:
    rig.set_durations(copy=7200.0)
    await rig.run(quick_request(waits={"copy_snapshot": QUARTERS}, on_failure=REMOVE))


@scenario
async def removes_its_half_restored_target(rig: ScenarioRig) -> None:
    rig.set_durations(cluster_delete=300.0)
    rig.fail_step(Step.CHECK_RESTORE_STATUS)
    await rig.run(quick_request(waits={"delete_rds": QUARTERS}, on_failure=REMOVE))


@scenario
async def fails_to_remove_its_half_restored_target(rig: ScenarioRig) -> None:
    rig.fail_step(Step.CHECK_RESTORE_STATUS)
    rig.refuse("rds", "DeleteDBCluster", "AccessDenied", skip=2, count=None)
    await rig.run(quick_request(on_failure=REMOVE))


@scenario
async def cancelled_and_removes_its_half_restored_target(rig: ScenarioRig) -> None:
    rig.set_durations(cluster_delete=300.0)
    rig.cancel_during(Step.CHECK_RESTORE_STATUS)
    await rig.run(quick_request(waits={"delete_rds": QUARTERS}, on_failure=REMOVE))


@scenario
async def without_dynamodb_for_a_while(rig: ScenarioRig) -> None:
    """From the second step on no row can be written; each is retried with durable timers."""
    # A code that botocore itself does not retry, which would take real time.
    rig.refuse("dynamodb", "PutItem", "ResourceNotFoundException", skip=4, count=12)
    rig.demo.emulator.durations = MINUTES
    await rig.run(request(users=[]))


@scenario
async def without_dynamodb_at_the_end(rig: ScenarioRig) -> None:
    rig.refuse("dynamodb", "TransactWriteItems", "ResourceNotFoundException", skip=1, count=30)
    await rig.run()


@scenario
async def throttled(rig: ScenarioRig) -> None:
    for operation in ("CopyDBClusterSnapshot", "DeleteDBCluster", "RestoreDBClusterFromSnapshot"):
        rig.demo.emulator.faults.add("rds", operation, "throttle", count=4)
    rig.demo.emulator.durations = MINUTES
    await rig.run(request(users=[]))
