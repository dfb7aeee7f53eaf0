"""What others do in the place of this pipeline: the same calls of AWS, one after the other, and polls at fixed times.

boto3's waiters are run as they are; Step Functions and Airflow are played with the intervals of their definitions.
Sources: botocore's waiters-2.json; the reference's state machine (waits of 30 s for copy and deletion, of 60 s for the
restore); apache-airflow-providers-amazon, RdsCreateDbInstanceOperator and its like (waiter_delay 30, waiter_max_attempts
40, 60 for instances).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.exceptions import ClientError, WaiterError

from devstack.demo_environment import SOURCE_REGION, TARGET, TARGET_REGION, DemoEnvironment

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

COPY = "copied-by-a-peer"
INSTANCES = (f"{TARGET}-1", f"{TARGET}-2")


class GaveUp(Exception):
    """A peer polled as often as it does, and AWS had not finished."""


class Clock(Protocol):
    """What a peer knows of the time."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class SkippedClock:
    """Time passes on the emulator's clock only."""

    def __init__(self, demo: DemoEnvironment) -> None:
        self._clock = demo.emulator.clock

    def now(self) -> datetime:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))


class Waits:
    """Polls at a fixed interval, a number of times."""

    def __init__(self, clock: Clock, seconds: dict[str, float], attempts: dict[str, int] | None = None) -> None:
        self.clock = clock
        self._seconds = seconds
        self._attempts = attempts or {}

    def until(self, phase: str, is_done: Callable[[], bool]) -> None:
        """Poll until it is done. Raises `GaveUp`."""
        for attempt in itertools.count(1):
            if is_done():
                return
            if attempt == self._attempts.get(phase):
                raise GaveUp(phase)
            self.clock.sleep(self._seconds[phase])


class Restore:
    """A restore in the order of the reference: copy, delete, restore, writer, reader, master password."""

    def __init__(self, client: Callable[[str, str], Any], waits: Waits, copy: str = COPY) -> None:
        """`client` makes a client of a service in a region; `copy` is the name of the copy."""
        self.rds: RDSClient = client("rds", TARGET_REGION)
        self._source: RDSClient = client("rds", SOURCE_REGION)
        self._waits = waits
        self._copy_name = copy
        self.deleted_at = waits.clock.now()
        self.steps: tuple[Callable[[], None], ...] = (
            self._copy,
            self._delete,
            self._restore,
            *(partial(self._create, instance) for instance in INSTANCES),
            self._change_password,
            self._delete_copy,
        )

    def run(self) -> None:
        """From the newest snapshot to a cluster with a master password of its own. Raises `GaveUp`."""
        for step in self.steps:
            step()

    def _copy(self) -> None:
        snapshots = self._source.describe_db_cluster_snapshots(SnapshotType="automated")["DBClusterSnapshots"]
        newest = max(snapshots, key=lambda each: each["SnapshotCreateTime"])
        self.rds.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=newest["DBClusterSnapshotArn"],
            TargetDBClusterSnapshotIdentifier=self._copy_name,
            KmsKeyId="alias/aws/rds",
            SourceRegion=SOURCE_REGION,
        )
        self.wait_for_copy()

    def _delete(self) -> None:
        self.deleted_at = self._waits.clock.now()
        [cluster] = self.rds.describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"]
        for member in cluster["DBClusterMembers"]:
            self.rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
        self.rds.delete_db_cluster(DBClusterIdentifier=TARGET, SkipFinalSnapshot=True)
        self.wait_for_deletion()

    def _restore(self) -> None:
        self.rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier=TARGET, SnapshotIdentifier=self._copy_name, Engine="aurora-postgresql"
        )
        self.wait_for_cluster()

    def _create(self, instance: str) -> None:
        self.rds.create_db_instance(
            DBInstanceIdentifier=instance,
            DBInstanceClass="db.r6g.large",
            Engine="aurora-postgresql",
            DBClusterIdentifier=TARGET,
        )
        self.wait_for_instance(instance)

    def _change_password(self) -> None:
        self.rds.modify_db_cluster(DBClusterIdentifier=TARGET, ManageMasterUserPassword=True, ApplyImmediately=True)
        self._waits.until("password", self._has_password)

    def _delete_copy(self) -> None:
        self.rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=self._copy_name)

    def wait_for_copy(self) -> None:
        self._waits.until("copy", self._is_copied)

    def wait_for_deletion(self) -> None:
        self._waits.until("delete", self._is_gone)

    def wait_for_cluster(self) -> None:
        self._waits.until("cluster", self._is_restored)

    def wait_for_instance(self, instance: str) -> None:
        self._waits.until("instance", lambda: self._is_created(instance))

    def _is_copied(self) -> bool:
        [copy] = self.rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=self._copy_name)[
            "DBClusterSnapshots"
        ]
        return bool(copy["Status"] == "available")

    def _is_gone(self) -> bool:
        try:
            self.rds.describe_db_clusters(DBClusterIdentifier=TARGET)
        except ClientError:
            return True
        return False

    def _is_restored(self) -> bool:
        return bool(self._cluster()["Status"] == "available")

    def _is_created(self, instance: str) -> bool:
        [created] = self.rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
        return created["DBInstanceStatus"] == "available"

    def _has_password(self) -> bool:
        return bool(self._cluster().get("MasterUserSecret", {}).get("SecretStatus") == "active")

    def _cluster(self) -> Any:
        [cluster] = self.rds.describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"]
        return cluster


class RestoreByWaiters(Restore):
    """A script of boto3's waiters, as most are; there is none for the master password."""

    def wait_for_copy(self) -> None:
        self._wait("db_cluster_snapshot_available", DBClusterSnapshotIdentifier=self._copy_name)

    def wait_for_deletion(self) -> None:
        self._wait("db_cluster_deleted", DBClusterIdentifier=TARGET)

    def wait_for_cluster(self) -> None:
        self._wait("db_cluster_available", DBClusterIdentifier=TARGET)

    def wait_for_instance(self, instance: str) -> None:
        self._wait("db_instance_available", DBInstanceIdentifier=instance)

    def _wait(self, name: Any, **resource: str) -> None:
        try:
            self.rds.get_waiter(name).wait(**resource)
        except WaiterError as error:
            raise GaveUp(name) from error


EVERY_30_S = dict.fromkeys(("copy", "delete", "cluster", "instance", "password"), 30.0)


def waits_of_boto3(clock: Clock) -> Waits:
    return Waits(clock, EVERY_30_S, {"password": 60})


def waits_of_step_functions(clock: Clock) -> Waits:
    return Waits(clock, EVERY_30_S | dict.fromkeys(("cluster", "instance", "password"), 60.0))


def waits_of_airflow(clock: Clock) -> Waits:
    return Waits(clock, EVERY_30_S, dict.fromkeys(EVERY_30_S, 40) | {"instance": 60})


PEERS: dict[str, Callable[[DemoEnvironment], Restore]] = {
    "boto3's waiters": lambda demo: RestoreByWaiters(demo.client, waits_of_boto3(SkippedClock(demo))),
    "Step Functions, waits of 30 and 60 s": lambda demo: Restore(
        demo.client, waits_of_step_functions(SkippedClock(demo))
    ),
    "Airflow's operators": lambda demo: Restore(demo.client, waits_of_airflow(SkippedClock(demo))),
}


@contextmanager
def waiters_sleep_by(clock: Clock) -> Iterator[None]:
    """The sleeps of botocore's waiters are those of this clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.waiter.time", SimpleNamespace(sleep=clock.sleep))
        yield
