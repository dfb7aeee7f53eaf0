"""A worker may die at any moment, and any answer may be lost: the world ends as if nothing had happened.

For each step the moments after every single AWS call are gone through. At each the worker is killed, the step is
run again as Temporal would, and what it did to the world is compared with a night that nothing disturbed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from clients.aws import AwsClients
from errors import Transient
from models.leftovers import RemoveLeftoversInput, RemoveOrphansInput
from models.request import Archive
from tests.rigs.activities import ActivityRig, Shared
from tests.rigs.crash_injector import CrashInjector, WorkerCrash, crashing_clients

Activity = Callable[[Any], Any]
Prepared = tuple[Activity, Any]
CrashingWorker = tuple[AwsClients, CrashInjector]


def delete_rds(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.delete_rds, rig.delete_input(snapshot, rig.make_target())


def restore_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return rig.clusters.restore_snapshot, rig.restore_input(snapshot)


def check_restore_status(rig: ActivityRig) -> Prepared:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    restored = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    return rig.restored.check_restore_status, rig.check_restore_input(restored.cluster_resource_id)


def check_restore_status_with_own_secret(rig: ActivityRig) -> Prepared:
    secret = rig.make_secret("master", '{"password": "correct-horse"}')
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    return check_restore_status(rig)


def copy_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    return rig.snapshots.copy_snapshot, rig.copy_input(rig.make_snapshot())


def copy_snapshot_after_a_failed_one(rig: ActivityRig) -> Prepared:
    activity, of = copy_snapshot(rig)
    rig.force_status(rig.make_copy(of.snapshot).arn, "failed")
    return activity, of


def archive_snapshot(rig: ActivityRig) -> Prepared:
    rig.make_source()
    for name in ("a", "b", "c"):
        rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}"))
    tonight = rig.make_copy(rig.make_snapshot(f"d-{rig.number}"))
    return rig.snapshots.archive_snapshot, rig.archive_input(tonight, keep=2)


def remove_leftovers(rig: ActivityRig) -> Prepared:
    _, of = check_restore_status(rig)
    rig.poll_until_done(rig.restored.check_restore_status, of)
    asked = RemoveLeftoversInput(
        operation_id=rig.operation_id,
        step_started_at=rig.now,
        source=rig.source,
        target=rig.target,
        snapshot_arn=None,
        unfinished_copy=False,
        cluster_resource_id=of.cluster_resource_id,
    )
    return LeftoverActivities(rig.aws, rig.intents).remove_leftovers, asked


def remove_an_unfinished_copy(rig: ActivityRig) -> Prepared:
    activity, of = copy_snapshot(rig)
    rig.run(activity, of)
    asked = RemoveLeftoversInput(
        operation_id=rig.operation_id,
        step_started_at=rig.now,
        source=rig.source,
        target=rig.target,
        snapshot_arn=of.snapshot.arn,
        unfinished_copy=True,
        cluster_resource_id=None,
    )
    return LeftoverActivities(rig.aws, rig.intents).remove_leftovers, asked


def remove_orphans(rig: ActivityRig) -> Prepared:
    rig.make_source()
    for name in ("a", "b", "c"):
        rig.make_copy(rig.make_snapshot(f"{name}-{rig.number}"))
    asked = RemoveOrphansInput(
        operation_id=rig.operation_id, step_started_at=rig.now, target=rig.target, archive=Archive(keep=1)
    )
    return LeftoverActivities(rig.aws, rig.intents).remove_orphans, asked


STEPS = [
    delete_rds,
    restore_snapshot,
    check_restore_status,
    check_restore_status_with_own_secret,
    copy_snapshot,
    copy_snapshot_after_a_failed_one,
    archive_snapshot,
    remove_leftovers,
    remove_an_unfinished_copy,
    remove_orphans,
]


@dataclass(frozen=True)
class Ending:
    """What a step left behind, without what differs between any two nights."""

    answer: str
    cluster: tuple[Any, ...] | None
    instances: dict[str, str]
    copies: dict[str, tuple[Any, ...]]
    rows: tuple[str, ...]
    deletions: tuple[str, ...]
    creations: tuple[str, ...]


def ending(rig: ActivityRig, answer: Any) -> Ending:
    rig.advance_clock()
    cluster = rig.cluster()
    changes = rig.changes()
    return Ending(
        answer=rig.normalize(answer.details),
        cluster=_cluster(rig, cluster) if cluster else None,
        instances={rig.normalize(name): status for name, status in rig.instances().items()},
        copies={_of(copy): _copy(rig, copy) for copy in rig.copies().values()},
        rows=tuple(rig.rows()),
        deletions=tuple(change for change in changes if change.startswith("Delete")),
        creations=tuple(change for change in changes if change.startswith(("Copy", "Create", "Restore"))),
    )


def _cluster(rig: ActivityRig, cluster: dict[str, Any]) -> tuple[Any, ...]:
    return cluster["Status"], cluster["EngineVersion"], _tags(rig, cluster), "MasterUserSecret" in cluster


def _copy(rig: ActivityRig, copy: dict[str, Any]) -> tuple[Any, ...]:
    return copy["Status"], _tags(rig, copy)


def _tags(rig: ActivityRig, resource: dict[str, Any]) -> tuple[str, ...]:
    """The names and what they say, as far as no digest is in it."""
    return tuple(sorted(f"{tag['Key']}={_short(rig.normalize(tag['Value']))}" for tag in resource["TagList"]))


def _short(value: str) -> str:
    return value if ":cluster-snapshot:" not in value else "a snapshot"


def _of(copy: dict[str, Any]) -> str:
    return str(copy["SourceDBClusterSnapshotArn"].rpartition(":")[2].partition("-")[0])


@pytest.fixture(scope="module")
def crashing() -> CrashingWorker:
    """A worker that can die, and what kills it."""
    return crashing_clients()


def undisturbed(
    shared: Shared, prepare: Callable[[ActivityRig], Prepared], crashing: CrashingWorker
) -> tuple[Ending, int]:
    """How the step ends when nothing happens, and how many moments it has."""
    rig, crash_injector = ActivityRig(shared), crashing[1]
    activity, of = prepare_mortal(rig, prepare, crashing)
    rig.clear_calls()
    crash_injector.crash_at(None)
    answer = rig.poll_until_done(activity, of)
    return ending(rig, answer), crash_injector.moments


def prepare_mortal(rig: ActivityRig, prepare: Callable[[ActivityRig], Prepared], crashing: CrashingWorker) -> Prepared:
    rig.aws, crash_injector = crashing
    crash_injector.crash_at(None)
    return prepare(rig)


def disturbed(rig: ActivityRig, activity: Activity, of: Any, crash_injector: CrashInjector, moment: int) -> Any:
    crash_injector.crash_at(moment)
    with pytest.raises(WorkerCrash):
        rig.poll_until_done(activity, of)
    return rig.poll_until_done(activity, of)


@pytest.mark.parametrize("prepare", STEPS)
def test_a_death_at_any_moment_changes_nothing(
    shared: Shared, rig: ActivityRig, crashing: CrashingWorker, prepare: Callable[[ActivityRig], Prepared]
) -> None:
    """One copy, one deletion, one restore, the same instances, wherever the worker died."""
    wanted, moments = undisturbed(shared, prepare, crashing)
    for moment in range(1, moments + 1):
        rig = ActivityRig(shared)
        activity, of = prepare_mortal(rig, prepare, crashing)
        rig.clear_calls()
        found = ending(rig, disturbed(rig, activity, of, crashing[1], moment))
        assert found == wanted, f"died at moment {moment} of {moments}"


@pytest.mark.parametrize("prepare", STEPS)
def test_a_lost_answer_changes_nothing(
    shared: Shared, rig: ActivityRig, crashing: CrashingWorker, prepare: Callable[[ActivityRig], Prepared]
) -> None:
    """A call that took effect and whose answer was lost is repeated by botocore; that is no second effect."""
    wanted, _ = undisturbed(shared, prepare, crashing)
    changes = [change.partition(" ")[0] for change in wanted.deletions + wanted.creations]
    for place, operation in enumerate(changes):
        rig = ActivityRig(shared)
        activity, of = prepare(rig)
        rig.clear_calls()
        skip = changes[:place].count(operation)
        fault = shared.emulator.faults.add("rds", operation, "reset-after", skip=skip)
        assert ending(rig, persevering(rig, activity, of)) == wanted, f"lost the answer to {operation} {skip + 1}"
        assert fault.fired


@pytest.mark.parametrize("prepare", STEPS)
def test_bad_weather_is_waited_out(
    shared: Shared, rig: ActivityRig, crashing: CrashingWorker, prepare: Callable[[ActivityRig], Prepared]
) -> None:
    """An AWS that fails more often than botocore asks is a transient error, and the next attempt ends as always."""
    wanted, _ = undisturbed(shared, prepare, crashing)
    activity, of = prepare(rig)
    rig.clear_calls()
    # Three calls to botocore's one, at every second call of the step.
    kinds: tuple[Any, ...] = ("http500", "throttle", "http500")
    faults = [shared.emulator.faults.add("rds", "*", kind, count=3, skip=2 * nth) for nth, kind in enumerate(kinds)]
    assert ending(rig, persevering(rig, activity, of)) == wanted
    assert faults[0].fired == 3


def persevering(rig: ActivityRig, activity: Activity, of: Any) -> Any:
    """What Temporal does about a transient error."""
    for _ in range(20):
        try:
            return rig.poll_until_done(activity, of)
        except Transient:
            continue
    raise AssertionError("still failing after 20 attempts")
