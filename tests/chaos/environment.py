"""One stack that lives for many nights: real worker processes, Temporal on its file, the emulator, real PostgreSQL."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
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
from devstack.pipeline import ROOT, start_worker
from devstack.processes import Scratch, Server, ServerError
from devstack.stack import SEARCH_ATTRIBUTES, Stack
from models.identifiers import copy_identifier
from tests.rigs.restores import TIMERS_AT_ONCE, request_json

AUDIT_TABLE, OPERATIONS_TABLE, TASK_QUEUE = "aurora-restore-audit", "aurora-restore-operations", "aurora-restore"
BYSTANDER = "orders-staging-reports"
"""A cluster whose name begins as the target's, which has opted in as well, and which no request names."""
QUICK = Durations(
    snapshot=0.1, copy=0.5, cluster_create=0.1, cluster_restore=0.4, cluster_modify=0.1, cluster_delete=0.3,
    instance_create=0.4, instance_delete=0.3, instance_modify=0.1, master_password=0.2,
)  # fmt: skip
WAIT = {"deadline": "PT90S", "first_interval": "PT0.1S", "maximum_interval": "PT0.4S"}
WORKER_STARTS = 15
"""A worker gives up after 10 s without Temporal, which is away for two minutes at most."""
CHANGING_FACTS = frozenset({"LatestRestorableTime", "EarliestRestorableTime"})


class Stage:
    """Everything but the night. `root` is the folder whose worker.py is run: a defective copy, to see it caught."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._worker_numbers = 0
        self.workers: list[Server] = []
        self.planted: set[str] = set()
        self.marker = 100
        with ExitStack() as starting:
            self.scratch = starting.enter_context(Scratch("faults"))
            self.stack = starting.enter_context(
                Stack(
                    durations=QUICK, headless=True, db_filename=self.scratch.path / "temporal.db",
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
        self._make_bystander()
        self.new_worker()

    async def connect(self) -> Client:
        """A client of this loop."""
        return await Client.connect(self.temporal.address, plugins=[AuroraRestorePlugin()])

    def verifier(self, client: Client) -> Verifier:
        """What `starter.py audit verify` asks."""
        dynamodb = self.clients["dynamodb", TARGET_REGION]
        numbers = OperationNumbersTable(dynamodb, OPERATIONS_TABLE)
        return Verifier(client, self.trail, numbers, SealChains(dynamodb, AUDIT_TABLE, OPERATIONS_TABLE))

    def close(self) -> None:
        """Stop everything."""
        self._running.close()

    # Workers

    def new_worker(self) -> Server:
        """One more worker; ready when this returns. As a service manager it tries again while Temporal is away."""
        # As an operator may set it: a database that hangs is given up sooner.
        environment = {**self.stack.environment, "AURORA_RESTORE_DATABASE_CONNECT_SECONDS": "2"}
        for again in reversed(range(WORKER_STARTS)):
            self._worker_numbers += 1
            with suppress(ServerError) if again else nullcontext():
                worker = start_worker(self.scratch, environment, f"worker-{self._worker_numbers}", self._root)
                self.workers.append(worker)
                return worker
        raise AssertionError("the last start raises what it raises")

    def kill_worker(self, worker: Server | None = None) -> None:
        """SIGKILL one, the oldest if none is named."""
        worker = worker or next(iter(self.workers), None)
        if worker is not None and worker in self.workers:
            self.workers.remove(worker)
            worker.kill()

    def stop_worker(self) -> int | None:
        """SIGTERM the oldest and wait for its end; its exit status."""
        worker = self.workers.pop(0)
        worker.signal(signal.SIGTERM)
        worker._process.wait()
        return worker.exit_status()

    def one_worker(self) -> None:
        """As a service manager would have it in the morning: exactly one, alive."""
        self.workers = [worker for worker in self.workers if worker.exit_status() is None]
        for worker in self.workers[1:]:
            worker.kill()
        self.workers = self.workers[:1]
        if not self.workers:
            self.new_worker()

    # The night's surroundings

    def evening(self, durations: Durations = QUICK) -> str:
        """A day later: nothing is under way any more, the data has changed, a new backup is there. Returns its name."""
        self.emulator.faults.clear()
        self.emulator._state.durations = durations
        self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=15))
        self.one_worker()
        self.marker += 1
        self.demo.write_to_source("INSERT INTO orders VALUES (%s, 'tonight', 1)", self.marker)
        snapshot = self.demo.take_automated_snapshot()
        self.expire_backups()
        self.demo.receive_notifications()
        self.planted |= self.secrets()
        return snapshot

    def expire_backups(self, keep: int = 2) -> None:
        """RDS forgets automated snapshots by itself; here they would fill the disk."""
        state = self.emulator._state
        with state.lock:
            region = state.region(ACCOUNT, SOURCE_REGION)
            automated = [each for each in region.snapshots.values() if each.kind == "automated"]
            for old in sorted(automated, key=lambda each: each.taken)[:-keep]:
                remove_snapshot(state, region, old)

    def secrets(self) -> set[str]:
        """Every password there is now."""
        manager = self.clients["secretsmanager", TARGET_REGION]
        names = [secret["Name"] for secret in manager.list_secrets(MaxResults=100)["SecretList"]]
        texts = [manager.get_secret_value(SecretId=name)["SecretString"] for name in names]
        return {json.loads(text)["password"] for text in texts} | {self.demo.master_password}

    def picture(self) -> dict[str, Any]:
        """Of what no night may touch: the source with its roles, and the bystander."""
        source, target = self.clients["rds", SOURCE_REGION], self.clients["rds", TARGET_REGION]
        return {
            "source": _lasting(source.describe_db_clusters(DBClusterIdentifier=SOURCE)["DBClusters"][0]),
            "source instances": source.describe_db_instances()["DBInstances"],
            "bystander": _lasting(target.describe_db_clusters(DBClusterIdentifier=BYSTANDER)["DBClusters"][0]),
            "bystander's snapshot": target.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="by-hand")[
                "DBClusterSnapshots"
            ][0],
            "source's logins": self.logins_of_source(),
        }

    def logins_of_source(self) -> list[tuple[Any, ...]]:
        """Who may log in to production."""
        with self.demo._connect(SOURCE_REGION, SOURCE, "orders_admin", self.demo.master_password) as connection:
            return connection.execute("SELECT rolname, rolcanlogin FROM pg_roles ORDER BY 1").fetchall()

    def target(self) -> dict[str, Any] | None:
        """The target cluster as RDS shows it, if it is there."""
        clusters = self.clients["rds", TARGET_REGION].describe_db_clusters()["DBClusters"]
        return next((dict(found) for found in clusters if found["DBClusterIdentifier"] == TARGET), None)

    def request(self, **waits: dict[str, str]) -> dict[str, Any]:
        """The night's request, with waits as quick as this world."""
        target = {**request_json()["target"], "instances": [{"instance_class": "db.r6g.large"}] * 2}
        every = dict.fromkeys(("copy_snapshot", "delete_rds", "restore_snapshot"), WAIT)
        return request_json(target=target, archive={"keep": 2}, waits=every | waits)

    def plant_stranger(self, snapshot: str) -> None:
        """Somebody's snapshot of something else has the name that tonight's copy will get."""
        source = self.clients["rds", SOURCE_REGION].describe_db_cluster_snapshots(
            DBClusterSnapshotIdentifier=snapshot, SnapshotType="automated"
        )["DBClusterSnapshots"][0]
        name = copy_identifier(self.demo.target_arn, source["DBClusterSnapshotArn"], source["SnapshotCreateTime"])
        rds = self.clients["rds", TARGET_REGION]
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=TARGET)

    def users_see(self) -> bool:
        """Whether a user that the night made reads tonight's data in the restored target."""
        query = f"SELECT customer FROM orders WHERE id = {self.marker}"
        with suppress(ClientError, psycopg.Error):
            return all(self.demo.read_from_target(user, query) == [("tonight",)] for user in USERS)
        return False

    def logs(self) -> Iterator[tuple[str, str]]:
        """What every worker has said so far."""
        for path in self.scratch.path.glob("worker-*.log"):
            yield path.name, path.read_text()

    def _make_bystander(self) -> None:
        rds = self.clients["rds", TARGET_REGION]
        rds.create_db_cluster(
            DBClusterIdentifier=BYSTANDER, Engine="aurora-postgresql", MasterUsername="boss", MasterUserPassword="long-enough",
            DBSubnetGroupName="staging", Tags=[{"Key": REPLACED_BY, "Value": self.demo.source_arn}],
        )  # fmt: skip
        self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=5))
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="by-hand", DBClusterIdentifier=TARGET)
        self._until_available()

    def _until_available(self) -> None:
        rds = self.clients["rds", TARGET_REGION]
        by_hand = {"DBClusterSnapshotIdentifier": "by-hand"}
        while rds.describe_db_cluster_snapshots(**by_hand)["DBClusterSnapshots"][0]["Status"] != "available":
            self.emulator.clock.set(self.emulator.clock.now() + timedelta(minutes=1))
            time.sleep(0.05)


def _lasting(cluster: Any) -> dict[str, Any]:
    return {name: value for name, value in cluster.items() if name not in CHANGING_FACTS}


def slowed(**seconds: float) -> Durations:
    """A world in which something takes longer than a night will wait for it."""
    return replace(QUICK, **seconds)
