"""A night that ends without success: what it removes is what its request says, and people learn all of it at once."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from audit.plugin import AuroraRestorePlugin
from audit.rows import Phase
from clients.rds import find_cluster
from commands.following import ending_text
from devstack.demo_environment import REPLACED_BY, DemoEnvironment
from models.operation import RestoreState
from models.request import RestoreRequest
from models.steps import Outcome
from runs.endings import Ending
from tests.integration.restores.test_whole_restore import changes, failure, reaches, trail
from tests.rigs.emulator import MINUTES, another_evening, clusters_alone, tables_of
from tests.rigs.restores import Bench, bench, parts, request, skipped_time

TOLD = ("sns-notification", "SUCCESS", "Error notification sent")
REMOVED = ("remove-leftovers", "SUCCESS", "Leftovers removed")


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with clusters_alone(MINUTES) as demo:
        yield demo


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with skipped_time(AuroraRestorePlugin()) as client:
        yield client


@pytest.fixture
async def on(temporal: Client, demo: DemoEnvironment, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """With a target that has opted in, a new snapshot, no copy, tables of its own, and no fault."""
    another_evening(demo)
    rds = demo.client("rds")
    for copy in copies(demo):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy)
    opt_in = {"Key": REPLACED_BY, "Value": demo.source_arn}
    rds.add_tags_to_resource(ResourceName=demo.target_arn, Tags=[opt_in])
    demo.emulator.calls.clear()
    async with bench(temporal, demo, parts(demo, tables_of(request))) as built:
        yield built


def asked(*, deletion: str = "PT1H", **on_failure: str) -> RestoreRequest:
    """A request without users, which says what becomes of what is half-done."""
    plain = json.loads(request(users=[]).model_dump_json(exclude_none=True))
    waits = {"copy_snapshot": "PT2H", "delete_rds": deletion, "restore_snapshot": "PT2H"}
    plain["waits"] = {
        name: {"deadline": deadline, "first_interval": "PT1M", "maximum_interval": "PT5M"}
        for name, deadline in waits.items()
    }
    return RestoreRequest.model_validate_json(json.dumps(plain | {"on_failure": on_failure}))


def copies(demo: DemoEnvironment) -> dict[str, str]:
    """The copies that there are, and their statuses."""
    found = demo.client("rds").describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    return {each["DBClusterSnapshotIdentifier"]: each["Status"] for each in found}


def target(on: Bench) -> str | None:
    """The status of the target."""
    found = find_cluster(on.demo.client("rds"), "orders-staging")
    return found["Status"] if found else None


def fails(on: Bench, operation: str) -> None:
    """AWS refuses this once and for all."""
    on.demo.emulator.faults.add("rds", operation, "error", code="AccessDenied", message="no", status=400)


def message(on: Bench) -> str:
    [told] = on.demo.receive_notifications()
    return str(told["Message"])


async def ended(on: Bench, handle: WorkflowHandle[Any, Any]) -> RestoreState:
    """The night failed; how it stood then."""
    await failure(handle)
    return await on.state(handle)


async def test_by_default_everything_stays(on: Bench) -> None:
    """The half-restored cluster and its copy are there, and the message says in which state each is and how to go on."""
    fails(on, "CreateDBInstance")
    state = await ended(on, await on.start(asked()))
    assert trail(on)[-2:] == [("check-restore-status", "FAILED", "Access denied"), TOLD]
    assert state.removed_arns == ()
    assert (target(on), list(copies(on.demo).values())) == ("available", ["available"])
    told = message(on)
    assert re.search(r"- copy aurora-restore-orders-staging-\d{8}-\w{10}: available", told)
    assert "- target cluster orders-staging: available, restored by this operation" in told
    assert "- instances of orders-staging: none" in told
    assert "python starter.py retry op-001\n" in told


async def test_a_half_restored_target_is_removed_if_asked_for(on: Bench) -> None:
    """Before people are told, with its intent and its outcome in the trail; the copy stays, and the next night goes on."""
    fails(on, "CreateDBInstance")
    state = await ended(on, await on.start(asked(half_restored_target="remove")))
    assert trail(on)[-3:] == [("check-restore-status", "FAILED", "Access denied"), REMOVED, TOLD]
    assert state.removed_arns == (asked().target.arn,)
    assert (target(on), list(copies(on.demo).values())) == (None, ["available"])
    told = message(on)
    assert f"- removed by this operation: {asked().target.arn}" in told
    assert "- target cluster orders-staging: gone" in told
    assert "python starter.py retry op-001 --from restore-snapshot\n" in told
    [intent] = [row for row in on.table.list_rows("op-001") if row.phase is Phase.INTENT and not row.step.number]
    assert intent.resource_arns == (asked().target.arn,)

    said = ending_text(Ending(Outcome.FAILED, state, state.fault), "a night")
    assert f"Removed: {asked().target.arn}" in said
    assert "UTC: target cluster orders-staging: gone" in said
    assert "After fixing the cause:\n    python starter.py retry op-001 --from restore-snapshot" in said

    following = await (await on.start(asked())).result()
    assert (following.outcome, target(on)) == ("succeeded", "available")


async def test_an_unfinished_copy_is_removed_although_the_night_was_cancelled(on: Bench) -> None:
    """A cancelled workflow finishes what its request asks for, and ends as cancelled."""
    handle = await on.start(asked(unfinished_copy="remove"))
    await reaches(on, handle, "check-copy-status")
    await handle.cancel()
    assert isinstance(await failure(handle), CancelledError)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert trail(on)[-2:] == [REMOVED, TOLD]
    assert copies(on.demo) == {}
    state = await on.state(handle)
    assert state.removed_arns == (state.snapshot_copy_arn,)
    assert "python starter.py retry op-001 --from copy-snapshot\n" in message(on)
    assert target(on) == "available"


async def test_a_cancelled_nights_removal_waits_until_the_cluster_is_gone(on: Bench) -> None:
    """The cancellation ended the step's wait; it does not end the removal's, which has one of its own."""
    handle = await on.start(asked(half_restored_target="remove"))
    await reaches(on, handle, "check-restore-status")
    await handle.cancel()
    assert isinstance(await failure(handle), CancelledError)
    assert trail(on)[-2:] == [REMOVED, TOLD]
    assert target(on) is None


async def test_a_cancellation_during_the_removal_does_not_end_it(on: Bench) -> None:
    """A night that failed and is cancelled then has the cluster removed all the same, until it is gone."""
    fails(on, "CreateDBInstance")
    handle = await on.start(asked(half_restored_target="remove"))
    await reaches(on, handle, "remove-leftovers")
    await handle.cancel()
    await failure(handle)
    assert trail(on)[-2:] == [REMOVED, TOLD]
    assert target(on) is None


async def test_a_copy_past_its_deadline_is_removed(on: Bench) -> None:
    """The wait ended, not the copy: it is ended too."""
    plain = json.loads(asked(unfinished_copy="remove").model_dump_json(exclude_none=True))
    plain["waits"]["copy_snapshot"] |= {"deadline": "PT3M", "first_interval": "PT1M", "maximum_interval": "PT1M"}
    await ended(on, await on.start(RestoreRequest.model_validate_json(json.dumps(plain))))
    assert trail(on)[-2:] == [REMOVED, TOLD]
    assert copies(on.demo) == {}


async def test_what_a_night_adopted_is_not_its_own(on: Bench) -> None:
    """The copy of an earlier night stays, whatever becomes of the night that adopted it."""
    first = await on.start(asked())
    await reaches(on, first, "check-copy-status")
    await first.cancel()
    await failure(first)
    on.between.seen.clear()
    second = await on.start(asked(unfinished_copy="remove"))
    await reaches(on, second, "check-copy-status")
    await second.cancel()
    await failure(second)
    assert trail(on, "op-002")[-2:] == [("remove-leftovers", "SUCCESS", "Nothing to remove"), TOLD]
    assert len(copies(on.demo)) == 1
    assert (await on.state(second)).removed_arns == ()


async def test_before_a_copy_is_begun_there_is_nothing_to_remove(on: Bench) -> None:
    """A night that failed at its first look removes nothing, and asks for nothing."""
    on.demo.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code="AccessDenied", message="no")
    await ended(on, await on.start(asked(unfinished_copy="remove", half_restored_target="remove")))
    assert [row[0] for row in trail(on)] == ["snapshot-check", "sns-notification"]
    assert changes(on) == []


async def test_a_night_whose_users_were_set_keeps_its_cluster(on: Bench) -> None:
    """What fails after that is no reason to remove a cluster that is ready."""
    on.demo.emulator.faults.add("rds", "AddTagsToResource", "error", code="AccessDenied", message="no", skip=0, count=9)
    handle = await on.start(asked(unfinished_copy="remove", half_restored_target="remove"))
    await ended(on, handle)
    assert [row[0] for row in trail(on)[-2:]] == ["archive-snapshot", "sns-notification"]
    assert target(on) == "available"


async def test_a_guard_refuses_a_removal_and_the_night_ends_with_its_own_error(on: Bench) -> None:
    """The owner took the opt-in away: the cluster stays, a warning says why, and what failed is what is told."""
    rds = on.demo.client("rds")
    on.between.after["restore-snapshot"] = lambda: rds.remove_tags_from_resource(
        ResourceName=asked().target.arn, TagKeys=[REPLACED_BY]
    )
    fails(on, "CreateDBInstance")
    handle = await on.start(asked(half_restored_target="remove"))
    error = await failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.message.startswith("check-restore-status: Access denied")
    assert trail(on)[-2:] == [("remove-leftovers", "FAILED", "Target has not opted in"), TOLD]
    assert target(on) == "available"
    assert "Leftovers were not removed: Target has not opted in" in message(on)


async def test_a_removal_has_a_deadline(on: Bench) -> None:
    """RDS does not let go of the cluster: people are told so, within the request's wait for a deletion."""
    fails(on, "CreateDBInstance")
    busy = on.demo.emulator.faults.add(
        "rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message="busy", count=None, skip=1
    )
    state = await ended(on, await on.start(asked(deletion="PT10M", half_restored_target="remove")))
    on.demo.emulator.faults.remove(busy)
    assert trail(on)[-2][0:2] == ("remove-leftovers", "FAILED")
    assert "Leftovers were not removed: Leftovers not removed: orders-staging (available)" in state.warnings[-1]
    assert "WARNINGS\nLeftovers were not removed" in message(on)


async def test_an_aws_that_is_away_keeps_nobody_from_being_told(on: Bench) -> None:
    """Neither removal nor survey hold back the message for longer than their time; it says what is not known."""
    handle = await on.start(asked(unfinished_copy="remove"))
    await reaches(on, handle, "check-copy-status")
    outage = on.demo.emulator.faults.add("rds", "*", "error", code="AccessDenied", message="no", count=None)
    await handle.cancel()
    await failure(handle)
    on.demo.emulator.faults.remove(outage)
    told = message(on)
    assert "Unknown: Access denied; check in AWS." in told
    assert "- target cluster orders-staging: unknown: Access denied" in told
    assert "Leftovers were not removed: Access denied" in told


async def test_orphans_are_reported_every_night(on: Bench) -> None:
    """Also by one that went well; tonight's own copy is none."""
    first = await on.start(asked())
    await reaches(on, first, "check-copy-status")
    await first.cancel()
    await failure(first)
    [orphan] = copies(on.demo)
    assert "ORPHANS OF EARLIER" not in message(on)
    on.demo.control(
        "POST", "/_devstack/rds/status", {"arn": (await on.state(first)).snapshot_copy_arn, "status": "failed"}
    )
    on.demo.take_automated_snapshot()

    for fault in (True, False):
        if fault:
            fails(on, "CopyDBClusterSnapshot")
            await failure(await on.start(asked()))
        else:
            state = await (await on.start(asked())).result()
            assert state.outcome == "succeeded"
        told = message(on)
        assert f"ORPHANS OF EARLIER RESTORES\n- {orphan}: failed (failed), of op-001" in told
        assert "python starter.py cleanup REQUEST_FILE" in told


async def test_a_night_that_waits_removes_nothing_yet(on: Bench) -> None:
    """Its operator may go on with what is there; when the time is over it is removed."""
    fails(on, "CreateDBInstance")
    handle = await on.start(asked(half_restored_target="remove", wait_for_operator="PT4H"))
    await failure(handle)
    first, last = (str(each["Message"]) for each in on.demo.receive_notifications())
    assert "waits for a decision" in first
    assert "- target cluster orders-staging: available, restored by this operation" in first
    assert "- target cluster orders-staging: gone" in last
    assert trail(on)[-3:] == [TOLD, REMOVED, TOLD]
