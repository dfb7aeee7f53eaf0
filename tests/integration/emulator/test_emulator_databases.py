"""When database servers are started, backed up, shown and destroyed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from devstack.aws import Address, Emulator
from tests.rigs.emulated_aws import ENGINE, TAKES, TARGET, EmulatedAws


class Recorder:
    """A host that writes down what it is asked for; `gate` holds its slow work back."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def _work(self, *asked: str) -> None:
        self.gate.wait(10)
        self.asked.append(asked)
        if self.broken:
            raise RuntimeError("no space left on device")

    def create(self, cluster: str, master_username: str, master_password: str, database_name: str | None) -> Address:
        self._work("create", cluster, master_username, master_password, database_name or "")
        return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        self._work("back_up", cluster, backup)

    def restore(self, backup: str, cluster: str) -> Address:
        self._work("restore", backup, cluster)
        return self.address(cluster)

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        self._work("password", cluster, username, password)

    def address(self, cluster: str) -> Address:
        return Address("127.0.0.1", 54321)

    def destroy(self, cluster: str) -> None:
        self._work("destroy", cluster)

    def discard(self, backup: str) -> None:
        self._work("discard", backup)

    def verbs(self) -> list[str]:
        return [asked[0] for asked in self.asked]


@pytest.fixture
def host() -> Recorder:
    return Recorder()


@pytest.fixture
def aws(host: Recorder) -> Iterator[EmulatedAws]:
    """An emulator whose durations are nil, so that only the host's work takes time."""
    nil = replace(TAKES, **dict.fromkeys(vars(TAKES), 0.0))
    with Emulator(host, durations=nil) as emulator:
        yield EmulatedAws(emulator)


def eventually_available(aws: EmulatedAws, instance: str, region: str) -> None:
    aws.client(region=region).get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=instance, WaiterConfig={"Delay": 0.02, "MaxAttempts": 200}
    )


def add_instance(aws: EmulatedAws, name: str, cluster: str, region: str = "us-west-2") -> None:
    aws.client(region=region).create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier=cluster, Engine=ENGINE, DBInstanceClass="db.r6g.large"
    )
    eventually_available(aws, name, region)


def snapshot(aws: EmulatedAws) -> str:
    rds = aws.client()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    rds.get_waiter("db_cluster_snapshot_available").wait(
        DBClusterSnapshotIdentifier="s", WaiterConfig={"Delay": 0.02, "MaxAttempts": 200}
    )
    return str(rds.describe_db_cluster_snapshots()["DBClusterSnapshots"][0]["DBClusterSnapshotArn"])


def test_a_server_is_there_with_the_first_instance(aws: EmulatedAws, host: Recorder) -> None:
    """The server starts with the first instance, and its address is shown when that is available."""
    cluster = aws.cluster(DatabaseName="orders")
    assert host.asked == []
    assert cluster["Port"] != 54321
    add_instance(aws, "prod-1", "prod")
    assert host.asked == [("create", cluster["DbClusterResourceId"], "boss", "long-enough", "orders")]
    assert aws.describe_cluster()["Port"] == 54321


def test_without_instances_a_server_is_hidden(aws: EmulatedAws) -> None:
    """When the last instance is gone the endpoint is not the server's any more."""
    aws.cluster()
    add_instance(aws, "prod-1", "prod")
    aws.client().delete_db_instance(DBInstanceIdentifier="prod-1")
    assert aws.client().describe_db_instances()["DBInstances"] == []
    assert aws.describe_cluster()["Port"] != 54321


def test_available_waits_for_the_work(aws: EmulatedAws, host: Recorder) -> None:
    """However far the clock jumps, nothing is available before the database work behind it is done."""
    aws.cluster()
    host.gate.clear()
    rds = aws.client()
    rds.create_db_instance(
        DBInstanceIdentifier="prod-1",
        DBClusterIdentifier="prod",
        Engine=ENGINE,
        DBInstanceClass="db.r6g.large",
    )
    aws.wait(86400)
    assert rds.describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "creating"
    host.gate.set()
    eventually_available(aws, "prod-1", "us-west-2")


def test_failed_work_shows_as_failed(aws: EmulatedAws, host: Recorder) -> None:
    """An instance whose server does not start is `failed`, and so is a snapshot that could not be taken."""
    aws.cluster()
    add_instance(aws, "prod-1", "prod")
    host.broken = True
    rds = aws.client()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    while host.verbs()[-1] != "back_up":
        pass
    for _ in range(200):
        (now,) = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
        if now["Status"] != "creating":
            break
    assert now["Status"] == "failed"


def test_a_copy_and_a_restore_share_one_backup(aws: EmulatedAws, host: Recorder) -> None:
    """A backup is discarded when the last of snapshot, copy and restore no longer needs it."""
    aws.cluster()
    add_instance(aws, "prod-1", "prod")
    arn = snapshot(aws)
    target = aws.client(region=TARGET)
    target.copy_db_cluster_snapshot(SourceDBClusterSnapshotIdentifier=arn, TargetDBClusterSnapshotIdentifier="copy")
    target.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="copy")
    aws.client().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="s")
    target.restore_db_cluster_from_snapshot(DBClusterIdentifier="new", SnapshotIdentifier="copy", Engine=ENGINE)
    target.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="copy")
    assert "discard" not in host.verbs()
    target.modify_db_cluster(DBClusterIdentifier="new", MasterUserPassword="another-one")
    target.describe_db_clusters()
    add_instance(aws, "new-1", "new", TARGET)
    new = aws.describe_cluster("new", TARGET)["DbClusterResourceId"]
    aws.emulator.stop()
    backup = host.asked[1][2]
    assert host.asked[2:] == [
        ("restore", backup, new),
        ("password", new, "boss", "another-one"),
        ("discard", backup),
    ]


def test_a_deleted_cluster_takes_its_server_along(aws: EmulatedAws, host: Recorder) -> None:
    """The server is destroyed with the cluster, after the final snapshot's backup."""
    aws.cluster()
    add_instance(aws, "prod-1", "prod")
    rds = aws.client()
    rds.delete_db_instance(DBInstanceIdentifier="prod-1")
    rds.delete_db_cluster(DBClusterIdentifier="prod", FinalDBSnapshotIdentifier="last")
    rds.describe_db_clusters()
    aws.emulator.stop()
    assert host.verbs() == ["create", "back_up", "destroy"]


def test_who_knows_only_the_endpoint_that_hung_is_let_through(
    aws: EmulatedAws, host: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an unreachable cluster is reachable again, its old endpoint leads to its server, also for who waited there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(host, "address", lambda _: Address(*server.getsockname()))
        arn = aws.cluster()["DBClusterArn"]
        add_instance(aws, "prod-1", "prod")
        aws.control("rds/unreachable", arn=arn, unreachable=True)
        hung = aws.describe_cluster()["Port"]
        with socket.create_connection(("127.0.0.1", hung), timeout=10) as waiting:
            waiting.sendall(b"hello")
            aws.control("rds/unreachable", arn=arn, unreachable=False)
            assert answered(server, waiting)
            with socket.create_connection(("127.0.0.1", hung), timeout=10) as late:
                late.sendall(b"hello")
                assert answered(server, late)


def answered(server: socket.socket, client: socket.socket) -> bool:
    """Whether the server hears the client, and the client its answer."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(5).upper())
        return client.recv(5) == b"HELLO"


def test_aurora_mysql_never_asks_the_host(aws: EmulatedAws, host: Recorder) -> None:
    """Only Aurora PostgreSQL clusters have servers."""
    aws.cluster(Engine="aurora-mysql")
    aws.client().create_db_instance(
        DBInstanceIdentifier="i",
        DBClusterIdentifier="prod",
        Engine="aurora-mysql",
        DBInstanceClass="db.r6g.large",
    )
    eventually_available(aws, "i", "us-west-2")
    assert host.asked == []
