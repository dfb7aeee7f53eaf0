"""The environment of the campaign, used for many restores: worker processes, Temporal with a file, emulator, PostgreSQL."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from botocore.exceptions import ClientError
from temporalio.client import Client

from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.plugin import AuroraRestorePlugin
from audit.setup import create_audit_table, create_operations_table
from audit.table import AuditTable
from audit.verify.verifier import Verifier
from devstack.aws import Durations
from devstack.aws.rds.snapshots import remove_snapshot
from devstack.demo_environment import (
    ACCOUNT,
    REPLACED_BY,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    TARGET_REGION,
    USERS,
    DemoEnvironment,
)
from devstack.pipeline import ROOT
from devstack.processes import Scratch, ServerError
from devstack.stack import SEARCH_ATTRIBUTES, Stack
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier
from models.swap import NEXT, OLD
from tests.chaos.target_settings import enrich_target, read_target_settings
from tests.chaos.worker_process import WorkerProcess
from tests.rigs.durations import TENTHS
from tests.rigs.requests import every_wait, request_json
from tests.rigs.restores import TIMERS_AT_ONCE

WORKER = (sys.executable, ROOT / "worker.py")
AUDIT_TABLE, OPERATIONS_TABLE, TASK_QUEUE = "aurora-restore-audit", "aurora-restore-operations", "aurora-restore"
UNRELATED_CLUSTER = "orders-staging-reports"
"""A cluster that no request names, though its name begins with the target's and it has the opt-in tag."""
MANUAL_SNAPSHOT = {"DBClusterSnapshotIdentifier": "by-hand"}
"""A manual snapshot in the target's region that belongs to no restore."""
SHORT_WAIT = {"deadline": "PT90S", "first_interval": "PT0.1S", "maximum_interval": "PT0.4S"}
MAX_WORKER_STARTS = 15
"""A worker ends after 10 s without Temporal, and the longest fault stops Temporal for two minutes."""
NAMED_IN_THE_REQUEST = ("instances", "db_subnet_group_name", "vpc_security_group_ids", "kms_key_id")
"""The settings that the other tests' request has; here they come from the live target, or from the trail."""
TIME_DEPENDENT_FIELDS = frozenset({"LatestRestorableTime", "EarliestRestorableTime"})


class CampaignEnvironment:
    """The servers, tables, clusters and workers of the campaign.

    `worker` is the command that starts one: the pipeline's own, or that of a copy with a deliberate defect.
    """

    def __init__(self, worker: Sequence[str | Path] = WORKER) -> None:
        self._worker = worker
        self._worker_count = 0
        self.workers: list[WorkerProcess] = []
        """The running workers, the oldest first."""
        self.passwords: set[str] = set()
        """Every password that existed during the campaign."""
        self.has_users = False
        """Whether a restore has set up the request's users in the target."""
        self.newest_order = 100
        """The id of the newest row in the source."""
        with ExitStack() as starting:
            self.scratch = starting.enter_context(Scratch("faults"))
            self.stack = starting.enter_context(
                Stack(
                    durations=TENTHS, headless=True, db_filename=self.scratch.path / "temporal.db",
                    search_attributes=SEARCH_ATTRIBUTES, dynamic_config_values=[TIMERS_AT_ONCE],
                )
            )  # fmt: skip
            self._running = starting.pop_all()
        self.emulator, self.postgres, self.temporal = self.stack.emulator, self.stack.postgres, self.stack.temporal
        self.demo: DemoEnvironment = self.stack.demo
        self.clients = {
            (service, region): self.demo.client(service, region)
            for service, region in (
                ("rds", TARGET_REGION), ("rds", SOURCE_REGION), ("dynamodb", TARGET_REGION), ("secretsmanager", TARGET_REGION),
            )
        }  # fmt: skip
        dynamodb = self.clients["dynamodb", TARGET_REGION]
        create_audit_table(dynamodb, AUDIT_TABLE)
        create_operations_table(dynamodb, OPERATIONS_TABLE)
        self.trail = AuditTable(dynamodb, AUDIT_TABLE)
        enrich_target(self.demo)
        self.target_settings = read_target_settings(self.demo)
        """The target's settings before any restore."""
        self._make_unrelated_cluster()
        self.start_worker()

    async def connect(self) -> Client:
        """A Temporal client of the current event loop."""
        return await Client.connect(self.temporal.address, plugins=[AuroraRestorePlugin()])

    def verifier(self, client: Client) -> Verifier:
        """The verifier that `starter.py audit verify` uses."""
        dynamodb = self.clients["dynamodb", TARGET_REGION]
        numbers = OperationNumbersTable(dynamodb, OPERATIONS_TABLE)
        return Verifier(client, self.trail, numbers, SealChains(dynamodb, AUDIT_TABLE, OPERATIONS_TABLE))

    def close(self) -> None:
        """Stop every server and worker."""
        self._running.close()

    # Workers

    def start_worker(self) -> WorkerProcess:
        """Start one more worker; returns when it is ready. Like a service manager it tries again while Temporal is down."""
        # A shorter timeout than the default, so that a database that hangs is noticed sooner.
        environment = {**self.stack.environment, "AURORA_RESTORE_DATABASE_CONNECT_SECONDS": "2"}
        for remaining in reversed(range(MAX_WORKER_STARTS)):
            self._worker_count += 1
            with suppress(ServerError) if remaining else nullcontext():
                name = f"worker-{self._worker_count}"
                worker = WorkerProcess(self.scratch, environment, name, self._worker)
                self.workers.append(worker)
                return worker
        raise AssertionError("the last start either returns or raises")

    def kill_worker(self, worker: WorkerProcess | None = None) -> None:
        """SIGKILL a worker, by default the oldest."""
        worker = worker or next(iter(self.workers), None)
        if worker is not None and worker in self.workers:
            self.workers.remove(worker)
            worker.kill()

    def stop_worker(self) -> int | None:
        """SIGTERM the oldest worker and wait for its end; returns its exit status."""
        worker = self.workers.pop(0)
        worker.signal(signal.SIGTERM)
        worker.wait()
        return worker.exit_status()

    def ensure_one_worker(self) -> None:
        """Keep exactly one running worker, like a service manager: kill the others, or start one."""
        self.workers = [worker for worker in self.workers if worker.exit_status() is None]
        for worker in self.workers[1:]:
            worker.kill()
        self.workers = self.workers[:1]
        if not self.workers:
            self.start_worker()

    # Clusters and data

    def prepare_restore(self, durations: Durations = TENTHS) -> str:
        """Remove every fault, add a row to the source and take an automated snapshot; returns the snapshot's name."""
        self.emulator.faults.clear()
        self.emulator._state.durations = durations
        self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=15))
        self.ensure_one_worker()
        self.newest_order += 1
        self.demo.write_to_source("INSERT INTO orders VALUES (%s, 'newest', 1)", self.newest_order)
        snapshot = self.demo.take_automated_snapshot()
        self.expire_automated_snapshots()
        self.demo.receive_notifications()
        self.passwords |= self.list_passwords()
        return snapshot

    def expire_automated_snapshots(self, keep: int = 2) -> None:
        """Remove old automated snapshots, as RDS does after the retention period; otherwise they would fill the disk."""
        state = self.emulator._state
        with state.lock:
            region = state.region(ACCOUNT, SOURCE_REGION)
            automated = [each for each in region.snapshots.values() if each.kind == "automated"]
            for old in sorted(automated, key=lambda each: each.taken)[:-keep]:
                remove_snapshot(state, region, old)

    def list_passwords(self) -> set[str]:
        """Every password that exists now."""
        manager = self.clients["secretsmanager", TARGET_REGION]
        names = [secret["Name"] for secret in manager.list_secrets(MaxResults=100)["SecretList"]]
        texts = [manager.get_secret_value(SecretId=name)["SecretString"] for name in names]
        return {json.loads(text)["password"] for text in texts} | {self.demo.master_password}

    def describe_protected(self) -> dict[str, Any]:
        """What no restore may change: the source with its roles, the unrelated cluster and an unrelated snapshot."""
        source, target = self.clients["rds", SOURCE_REGION], self.clients["rds", TARGET_REGION]
        [source_cluster] = source.describe_db_clusters(DBClusterIdentifier=SOURCE)["DBClusters"]
        [unrelated] = target.describe_db_clusters(DBClusterIdentifier=UNRELATED_CLUSTER)["DBClusters"]
        [snapshot] = target.describe_db_cluster_snapshots(**MANUAL_SNAPSHOT)["DBClusterSnapshots"]
        return {
            "the source": _without_times(source_cluster),
            "the source's instances": source.describe_db_instances()["DBInstances"],
            "the source's roles": self.list_source_roles(),
            "the unrelated cluster": _without_times(unrelated),
            "the unrelated snapshot": snapshot,
        }

    def list_source_roles(self) -> list[tuple[Any, ...]]:
        """The roles of the source database, and whether each may log in."""
        with self.demo._connect(SOURCE_REGION, SOURCE, "orders_admin", self.demo.master_password) as connection:
            return connection.execute("SELECT rolname, rolcanlogin FROM pg_roles ORDER BY 1").fetchall()

    def find_target(self) -> dict[str, Any] | None:
        """The target cluster as RDS shows it; None if it does not exist."""
        clusters = self.clients["rds", TARGET_REGION].describe_db_clusters()["DBClusters"]
        return next((dict(cluster) for cluster in clusters if cluster["DBClusterIdentifier"] == TARGET), None)

    def list_swap_names(self) -> frozenset[str]:
        """The names of the target and of what a swap puts beside it, as far as clusters have them."""
        clusters = self.clients["rds", TARGET_REGION].describe_db_clusters()["DBClusters"]
        return frozenset({TARGET, TARGET + NEXT, TARGET + OLD} & {each["DBClusterIdentifier"] for each in clusters})

    def request(self, swap: Mapping[str, Any] | None = None, **waits: dict[str, str]) -> dict[str, Any]:
        """The request of a restore: waits as short as the emulator's durations, and no setting of the target's.

        With `swap`, its limits, the restored cluster takes the target's name; otherwise the target is deleted first.
        """
        target: dict[str, Any] = dict.fromkeys(NAMED_IN_THE_REQUEST)
        if swap is not None:
            target |= {"replacement": "swap", "swap": dict(swap)}
        return request_json(target=target, archive={"keep": 2}, waits=every_wait(SHORT_WAIT) | waits)

    def create_mismatched_snapshot(self, snapshot: str) -> None:
        """Create a snapshot of another cluster under the name that the copy of `snapshot` will get."""
        source = self.clients["rds", SOURCE_REGION].describe_db_cluster_snapshots(
            DBClusterSnapshotIdentifier=snapshot, SnapshotType="automated"
        )["DBClusterSnapshots"][0]
        arn, created = source["DBClusterSnapshotArn"], source["SnapshotCreateTime"]
        name = copy_identifier(DEFAULT_ENVIRONMENT, self.demo.target_arn, arn, created)
        rds = self.clients["rds", TARGET_REGION]
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=TARGET)

    def users_read_new_row(self) -> bool:
        """Whether every user that the restore creates reads the newest row in the restored target."""
        query = f"SELECT customer FROM orders WHERE id = {self.newest_order}"
        with suppress(ClientError, psycopg.Error):
            return all(self.demo.read_from_target(user, query) == [("newest",)] for user in USERS)
        return False

    def read_worker_logs(self) -> str:
        """The logs of all workers so far."""
        return "".join(path.read_text() for path in self.scratch.path.glob("worker-*.log"))

    def _make_unrelated_cluster(self) -> None:
        rds = self.clients["rds", TARGET_REGION]
        rds.create_db_cluster(
            DBClusterIdentifier=UNRELATED_CLUSTER, Engine="aurora-postgresql", MasterUsername="boss",
            MasterUserPassword="long-enough", DBSubnetGroupName="staging",
            Tags=[{"Key": REPLACED_BY, "Value": self.demo.source_arn}],
        )  # fmt: skip
        self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=5))
        rds.create_db_cluster_snapshot(**MANUAL_SNAPSHOT, DBClusterIdentifier=TARGET)
        while rds.describe_db_cluster_snapshots(**MANUAL_SNAPSHOT)["DBClusterSnapshots"][0]["Status"] != "available":
            self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=1))
            time.sleep(0.05)


def _without_times(cluster: Any) -> dict[str, Any]:
    return {name: value for name, value in cluster.items() if name not in TIME_DEPENDENT_FIELDS}


def longer_durations(**seconds: float) -> Durations:
    """The short durations, but for those that are given: longer than the request allows."""
    return replace(TENTHS, **seconds)
