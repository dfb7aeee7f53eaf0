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
from tests.rigs.activities import Night, Shared
from tests.rigs.crash_injector import Death, Scythe, mortal_clients

Activity = Callable[[Any], Any]
Prepared = tuple[Activity, Any]
Mortal = tuple[AwsClients, Scythe]


def delete_rds(night: Night) -> Prepared:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    return night.clusters.delete_rds, night.delete_input(snapshot, night.make_target())


def restore_snapshot(night: Night) -> Prepared:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    return night.clusters.restore_snapshot, night.restore_input(snapshot)


def check_restore_status(night: Night) -> Prepared:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    restored = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    return night.restored.check_restore_status, night.check_restore_input(restored.cluster_resource_id)


def check_restore_status_with_own_secret(night: Night) -> Prepared:
    secret = night.make_secret("master", '{"password": "correct-horse"}')
    night.target = night.target.model_copy(update={"master_user_secret_id": secret})
    return check_restore_status(night)


def copy_snapshot(night: Night) -> Prepared:
    night.make_source()
    return night.snapshots.copy_snapshot, night.copy_input(night.make_snapshot())


def copy_snapshot_after_a_failed_one(night: Night) -> Prepared:
    activity, of = copy_snapshot(night)
    night.force_status(night.make_copy(of.snapshot).arn, "failed")
    return activity, of


def archive_snapshot(night: Night) -> Prepared:
    night.make_source()
    for name in ("a", "b", "c"):
        night.make_copy(night.make_snapshot(f"{name}-{night.number}"))
    tonight = night.make_copy(night.make_snapshot(f"d-{night.number}"))
    return night.snapshots.archive_snapshot, night.archive_input(tonight, keep=2)


def remove_leftovers(night: Night) -> Prepared:
    _, of = check_restore_status(night)
    night.until_done(night.restored.check_restore_status, of)
    asked = RemoveLeftoversInput(
        operation_id=night.operation_id,
        step_started_at=night.now,
        source=night.source,
        target=night.target,
        snapshot_arn=None,
        unfinished_copy=False,
        cluster_resource_id=of.cluster_resource_id,
    )
    return LeftoverActivities(night.aws, night.intents).remove_leftovers, asked


def remove_an_unfinished_copy(night: Night) -> Prepared:
    activity, of = copy_snapshot(night)
    night.run(activity, of)
    asked = RemoveLeftoversInput(
        operation_id=night.operation_id,
        step_started_at=night.now,
        source=night.source,
        target=night.target,
        snapshot_arn=of.snapshot.arn,
        unfinished_copy=True,
        cluster_resource_id=None,
    )
    return LeftoverActivities(night.aws, night.intents).remove_leftovers, asked


def remove_orphans(night: Night) -> Prepared:
    night.make_source()
    for name in ("a", "b", "c"):
        night.make_copy(night.make_snapshot(f"{name}-{night.number}"))
    asked = RemoveOrphansInput(
        operation_id=night.operation_id, step_started_at=night.now, target=night.target, archive=Archive(keep=1)
    )
    return LeftoverActivities(night.aws, night.intents).remove_orphans, asked


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


def ending(night: Night, answer: Any) -> Ending:
    night.later()
    cluster = night.cluster()
    changes = night.changes()
    return Ending(
        answer=night.anonymous(answer.details),
        cluster=_cluster(night, cluster) if cluster else None,
        instances={night.anonymous(name): status for name, status in night.instances().items()},
        copies={_of(copy): _copy(night, copy) for copy in night.copies().values()},
        rows=tuple(night.rows()),
        deletions=tuple(change for change in changes if change.startswith("Delete")),
        creations=tuple(change for change in changes if change.startswith(("Copy", "Create", "Restore"))),
    )


def _cluster(night: Night, cluster: dict[str, Any]) -> tuple[Any, ...]:
    return cluster["Status"], cluster["EngineVersion"], _tags(night, cluster), "MasterUserSecret" in cluster


def _copy(night: Night, copy: dict[str, Any]) -> tuple[Any, ...]:
    return copy["Status"], _tags(night, copy)


def _tags(night: Night, resource: dict[str, Any]) -> tuple[str, ...]:
    """The names and what they say, as far as no digest is in it."""
    return tuple(sorted(f"{tag['Key']}={_short(night.anonymous(tag['Value']))}" for tag in resource["TagList"]))


def _short(value: str) -> str:
    return value if ":cluster-snapshot:" not in value else "a snapshot"


def _of(copy: dict[str, Any]) -> str:
    return str(copy["SourceDBClusterSnapshotArn"].rpartition(":")[2].partition("-")[0])


@pytest.fixture(scope="module")
def mortal() -> Mortal:
    """A worker that can die, and what kills it."""
    return mortal_clients()


def undisturbed(shared: Shared, prepare: Callable[[Night], Prepared], mortal: Mortal) -> tuple[Ending, int]:
    """How the step ends when nothing happens, and how many moments it has."""
    night, scythe = Night(shared), mortal[1]
    activity, of = prepare_mortal(night, prepare, mortal)
    night.forget_calls()
    scythe.strike_at(None)
    answer = night.until_done(activity, of)
    return ending(night, answer), scythe.moments


def prepare_mortal(night: Night, prepare: Callable[[Night], Prepared], mortal: Mortal) -> Prepared:
    night.aws, scythe = mortal
    scythe.strike_at(None)
    return prepare(night)


def disturbed(night: Night, activity: Activity, of: Any, scythe: Scythe, moment: int) -> Any:
    scythe.strike_at(moment)
    with pytest.raises(Death):
        night.until_done(activity, of)
    return night.until_done(activity, of)


@pytest.mark.parametrize("prepare", STEPS)
def test_a_death_at_any_moment_changes_nothing(
    shared: Shared, night: Night, mortal: Mortal, prepare: Callable[[Night], Prepared]
) -> None:
    """One copy, one deletion, one restore, the same instances, wherever the worker died."""
    wanted, moments = undisturbed(shared, prepare, mortal)
    for moment in range(1, moments + 1):
        night = Night(shared)
        activity, of = prepare_mortal(night, prepare, mortal)
        night.forget_calls()
        found = ending(night, disturbed(night, activity, of, mortal[1], moment))
        assert found == wanted, f"died at moment {moment} of {moments}"


@pytest.mark.parametrize("prepare", STEPS)
def test_a_lost_answer_changes_nothing(
    shared: Shared, night: Night, mortal: Mortal, prepare: Callable[[Night], Prepared]
) -> None:
    """A call that took effect and whose answer was lost is repeated by botocore; that is no second effect."""
    wanted, _ = undisturbed(shared, prepare, mortal)
    changes = [change.partition(" ")[0] for change in wanted.deletions + wanted.creations]
    for place, operation in enumerate(changes):
        night = Night(shared)
        activity, of = prepare(night)
        night.forget_calls()
        skip = changes[:place].count(operation)
        fault = shared.emulator.faults.add("rds", operation, "reset-after", skip=skip)
        assert ending(night, persevering(night, activity, of)) == wanted, f"lost the answer to {operation} {skip + 1}"
        assert fault.fired


@pytest.mark.parametrize("prepare", STEPS)
def test_bad_weather_is_waited_out(
    shared: Shared, night: Night, mortal: Mortal, prepare: Callable[[Night], Prepared]
) -> None:
    """An AWS that fails more often than botocore asks is a transient error, and the next attempt ends as always."""
    wanted, _ = undisturbed(shared, prepare, mortal)
    activity, of = prepare(night)
    night.forget_calls()
    # Three calls to botocore's one, at every second call of the step.
    kinds: tuple[Any, ...] = ("http500", "throttle", "http500")
    faults = [shared.emulator.faults.add("rds", "*", kind, count=3, skip=2 * nth) for nth, kind in enumerate(kinds)]
    assert ending(night, persevering(night, activity, of)) == wanted
    assert faults[0].fired == 3


def persevering(night: Night, activity: Activity, of: Any) -> Any:
    """What Temporal does about a transient error."""
    for _ in range(20):
        try:
            return night.until_done(activity, of)
        except Transient:
            continue
    raise AssertionError("still failing after 20 attempts")
