"""A worker may crash after any call, and any response may be lost: the effect is the same as if nothing had happened.

Each step is run once for each AWS call by which it changes something. After that call the worker crashes, the step runs
again as Temporal would run it, and its effect is compared with that of an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest

from clients.aws import AwsClients
from errors import Transient
from models.steps import Replacement
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import Shared
from tests.rigs.crash_injector import CrashInjector, WorkerCrash, crashing_clients
from tests.rigs.left_old import record_success, swap_under_a_number

Activity = Callable[[Any], Any]
Prepared = tuple[Activity, Any]
Prepare = Callable[[ActivityRig], Prepared]
CrashingWorker = tuple[AwsClients, CrashInjector]


def prepare_delete_rds(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.delete_rds, rig.delete_input(snapshot, rig.make_target())


def prepare_restore_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.restore_snapshot, rig.restore_input(snapshot)


def prepare_check_restore_status(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    restored = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    return rig.restored.check_restore_status, rig.check_restore_input(restored.cluster_resource_id)


def prepare_check_restore_status_with_own_secret(rig: ActivityRig) -> Prepared:
    secret = rig.make_secret("master", '{"password": "correct-horse"}')
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    return prepare_check_restore_status(rig)


def prepare_copy_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    return rig.snapshots.copy_snapshot, rig.copy_input(rig.make_snapshot())


def prepare_copy_snapshot_after_a_failed_one(rig: ActivityRig) -> Prepared:
    activity, step_input = prepare_copy_snapshot(rig)
    rig.force_status(rig.make_copy(step_input.snapshot).arn, "failed")
    return activity, step_input


def prepare_archive_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    for name in ("a", "b", "c"):
        rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}"))
    current = rig.make_copy(rig.make_snapshot(f"d-{rig.number}"))
    return rig.snapshots.archive_snapshot, rig.archive_input(current, keep=2)


def prepare_remove_leftovers(rig: ActivityRig) -> Prepared:
    _, step_input = prepare_check_restore_status(rig)
    rig.poll_until_done(rig.restored.check_restore_status, step_input)
    resource_id = step_input.cluster_resource_id
    return rig.leftovers.remove_leftovers, rig.leftovers_input(cluster_resource_id=resource_id)


def prepare_remove_an_unfinished_copy(rig: ActivityRig) -> Prepared:
    activity, step_input = prepare_copy_snapshot(rig)
    rig.run(activity, step_input)
    snapshot_arn = step_input.snapshot.arn
    return rig.leftovers.remove_leftovers, rig.leftovers_input(snapshot_arn=snapshot_arn, unfinished_copy=True)


def prepare_remove_orphans(rig: ActivityRig) -> Prepared:
    rig.make_source()
    for name in ("a", "b", "c"):
        rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}"))
    return rig.leftovers.remove_orphans, rig.orphans_input(step_started_at=rig.now)


def prepare_swap_clusters(rig: ActivityRig) -> Prepared:
    rig.target = rig.target.model_copy(update={"replacement": Replacement.SWAP})
    rig.make_source()
    new = rig.restore_beside(rig.make_snapshot())
    return rig.swap.swap_clusters, rig.swap_input(rig.make_target(), new)


def prepare_swap_back(rig: ActivityRig) -> Prepared:
    activity, step_input = prepare_swap_clusters(rig)
    rig.poll_until_done(activity, step_input)
    return rig.swap.swap_back, step_input


def prepare_remove_an_old_cluster(rig: ActivityRig) -> Prepared:
    record_success(rig, swap_under_a_number(rig))
    cleanup = rig.orphans_input(step_started_at=rig.now, source=rig.source)
    return rig.leftovers.remove_orphans, cleanup.model_copy(update={"operation_id": f"op-9{rig.number:05d}"})


STEPS = [
    prepare_delete_rds,
    prepare_restore_snapshot,
    prepare_check_restore_status,
    prepare_check_restore_status_with_own_secret,
    prepare_copy_snapshot,
    prepare_copy_snapshot_after_a_failed_one,
    prepare_archive_snapshot,
    prepare_remove_leftovers,
    prepare_remove_an_unfinished_copy,
    prepare_remove_orphans,
    prepare_remove_an_old_cluster,
    prepare_swap_clusters,
    prepare_swap_back,
]


@dataclass(frozen=True)
class Effect:
    """What a step left behind, without what differs between two operations."""

    outcome: str
    cluster: tuple[Any, ...] | None
    instances: dict[str, str]
    copies: dict[str, tuple[Any, ...]]
    rows: tuple[str, ...]
    deletions: tuple[str, ...]
    creations: tuple[str, ...]
    names: tuple[str, ...]


Undisturbed = Callable[[Prepare], tuple[Effect, int]]


def read_effect(rig: ActivityRig, outcome: Any) -> Effect:
    rig.advance_clock()
    cluster = rig.cluster()
    changes = rig.changes()
    return Effect(
        outcome=rig.normalize(outcome.details),
        cluster=_describe_cluster(rig, cluster) if cluster else None,
        instances={rig.normalize(name): status for name, status in rig.instances().items()},
        copies={_origin(copy): _describe_copy(rig, copy) for copy in rig.copies().values()},
        rows=tuple(rig.rows()),
        deletions=tuple(change for change in changes if change.startswith("Delete")),
        creations=tuple(change for change in changes if change.startswith(("Copy", "Create", "Restore"))),
        names=tuple(sorted(_names(rig))),
    )


def _names(rig: ActivityRig) -> Iterator[str]:
    """Each cluster that has the target's name or begins with it, and whether this operation restored it."""
    for cluster in rig.rds().get_paginator("describe_db_clusters").paginate().search("DBClusters[]"):
        name = cluster["DBClusterIdentifier"]
        if name == rig.target.cluster or name.startswith(f"{rig.target.cluster}-"):
            yield f"{rig.normalize(name)} {rig.operation_tag in str(cluster['TagList'])}"


def _describe_cluster(rig: ActivityRig, cluster: dict[str, Any]) -> tuple[Any, ...]:
    return cluster["Status"], cluster["EngineVersion"], _describe_tags(rig, cluster), "MasterUserSecret" in cluster


def _describe_copy(rig: ActivityRig, copy: dict[str, Any]) -> tuple[Any, ...]:
    return copy["Status"], _describe_tags(rig, copy)


def _describe_tags(rig: ActivityRig, resource: dict[str, Any]) -> tuple[str, ...]:
    """The tags, without the digests in their values."""
    return tuple(sorted(f"{tag['Key']}={_without_digest(rig.normalize(tag['Value']))}" for tag in resource["TagList"]))


def _without_digest(value: str) -> str:
    return value if ":cluster-snapshot:" not in value else "a snapshot"


def _origin(copy: dict[str, Any]) -> str:
    return str(copy["SourceDBClusterSnapshotArn"].rpartition(":")[2].partition("-")[0])


@pytest.fixture(scope="module")
def crashing() -> CrashingWorker:
    """A worker that can crash, and what makes it crash."""
    return crashing_clients()


@pytest.fixture(scope="module")
def undisturbed(shared: Shared, crashing: CrashingWorker) -> Undisturbed:
    """Runs a step once for all tests of this module."""
    return cache(partial(run_undisturbed, shared, crashing))


def run_undisturbed(shared: Shared, crashing: CrashingWorker, prepare: Prepare) -> tuple[Effect, int]:
    """The effect of a step that nothing disturbs, and how many of its calls change something."""
    rig, crash_injector = ActivityRig(shared), crashing[1]
    activity, step_input = prepare_crashing(rig, prepare, crashing)
    rig.clear_calls()
    crash_injector.crash_after(None)
    outcome = rig.poll_until_done(activity, step_input)
    return read_effect(rig, outcome), crash_injector.call_count


def prepare_crashing(rig: ActivityRig, prepare: Prepare, crashing: CrashingWorker) -> Prepared:
    rig.aws, crash_injector = crashing
    crash_injector.crash_after(None)
    return prepare(rig)


def run_with_crash(
    rig: ActivityRig, activity: Activity, step_input: Any, crash_injector: CrashInjector, call_number: int
) -> Any:
    crash_injector.crash_after(call_number)
    with pytest.raises(WorkerCrash):
        rig.poll_until_done(activity, step_input)
    return rig.poll_until_done(activity, step_input)


@pytest.mark.parametrize("prepare", STEPS)
def test_a_crash_after_any_call_leaves_the_same_effect(
    shared: Shared, rig: ActivityRig, crashing: CrashingWorker, undisturbed: Undisturbed, prepare: Prepare
) -> None:
    """One copy, one deletion, one restore, the same instances, wherever the worker crashed."""
    expected, call_count = undisturbed(prepare)
    assert call_count, "a step that changes nothing cannot crash after a change"
    for call_number in range(1, call_count + 1):
        rig = ActivityRig(shared)
        activity, step_input = prepare_crashing(rig, prepare, crashing)
        rig.clear_calls()
        actual = read_effect(rig, run_with_crash(rig, activity, step_input, crashing[1], call_number))
        assert actual == expected, f"crashed after call {call_number} of {call_count}"


@pytest.mark.parametrize("prepare", STEPS)
def test_a_lost_response_leaves_the_same_effect(
    shared: Shared, rig: ActivityRig, undisturbed: Undisturbed, prepare: Prepare
) -> None:
    """Botocore repeats a call that took effect and whose response was lost; that has no second effect."""
    expected, _ = undisturbed(prepare)
    changes = [change.partition(" ")[0] for change in expected.deletions + expected.creations]
    for position, operation in enumerate(changes):
        rig = ActivityRig(shared)
        activity, step_input = prepare(rig)
        rig.clear_calls()
        skip = changes[:position].count(operation)
        fault = shared.emulator.faults.add("rds", operation, "reset-after", skip=skip)
        assert read_effect(rig, run_with_retries(rig, activity, step_input)) == expected, (
            f"lost the response to {operation} {skip + 1}"
        )
        assert fault.fired


@pytest.mark.parametrize("prepare", STEPS)
def test_transient_faults_leave_the_same_effect(
    shared: Shared, rig: ActivityRig, undisturbed: Undisturbed, prepare: Prepare
) -> None:
    """AWS fails more often than botocore repeats: a transient error, and a later attempt completes the step."""
    expected, _ = undisturbed(prepare)
    activity, step_input = prepare(rig)
    rig.clear_calls()
    # Botocore makes three attempts of one call; this fails every second call of the step.
    kinds: tuple[Any, ...] = ("http500", "throttle", "http500")
    faults = [shared.emulator.faults.add("rds", "*", kind, count=3, skip=2 * nth) for nth, kind in enumerate(kinds)]
    assert read_effect(rig, run_with_retries(rig, activity, step_input)) == expected
    assert faults[0].fired == 3


def run_with_retries(rig: ActivityRig, activity: Activity, step_input: Any) -> Any:
    """Repeat a transient error, as Temporal does."""
    for _ in range(20):
        try:
            return rig.poll_until_done(activity, step_input)
        except Transient:
            continue
    raise AssertionError("still failing after 20 attempts")
