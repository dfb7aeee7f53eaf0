"""When the emulator starts, backs up, shows and destroys the database servers behind clusters."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from devstack.aws import Address, Emulator
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulated_aws import ENGINE, TARGET, EmulatedAws


class RecordingHost:
    """A database host that records its calls; they wait while `gate` is not set, and fail while `failing` is."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failing = False

    def _record(self, *call: str) -> None:
        self.gate.wait(10)
        self.calls.append(call)
        if self.failing:
            raise RuntimeError("no space left on device")

    def create(
        self, cluster: str, master_username: str, master_password: str, database_name: str | None, certificate: str
    ) -> Address:
        self._record("create", cluster, master_username, master_password, database_name or "")
        return self.address(cluster)

    def back_up(self, cluster: str, backup: str) -> None:
        self._record("back_up", cluster, backup)

    def restore(self, backup: str, cluster: str, certificate: str) -> Address:
        self._record("restore", backup, cluster)
        return self.address(cluster)

    def show_certificate(self, cluster: str, certificate: str) -> None:
        self._record("show_certificate", cluster)

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        self._record("password", cluster, username, password)

    def address(self, cluster: str) -> Address:
        return Address("127.0.0.1", 54321)

    def destroy(self, cluster: str) -> None:
        self._record("destroy", cluster)

    def discard(self, backup: str) -> None:
        self._record("discard", backup)

    def process_ids(self, cluster: str) -> set[int]:
        return set()

    def verbs(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def aws(host: RecordingHost) -> Iterator[EmulatedAws]:
    """An emulator whose transitions take no time; only the host's tasks do."""
    none = AT_ONCE
    with Emulator(host, durations=none) as emulator:
        yield EmulatedAws(emulator)


def wait_until_available(aws: EmulatedAws, instance: str, region: str) -> None:
    aws.client(region=region).get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=instance, WaiterConfig={"Delay": 0.02, "MaxAttempts": 200}
    )


def add_instance(aws: EmulatedAws, name: str, cluster: str, region: str = "us-west-2") -> None:
    aws.client(region=region).create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier=cluster, Engine=ENGINE, DBInstanceClass="db.r6g.large"
    )
    wait_until_available(aws, name, region)


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


def create_snapshot(aws: EmulatedAws) -> str:
    """The ARN of a new, available snapshot."""
    rds = aws.client()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    rds.get_waiter("db_cluster_snapshot_available").wait(
        DBClusterSnapshotIdentifier="s", WaiterConfig={"Delay": 0.02, "MaxAttempts": 200}
    )
    return str(rds.describe_db_cluster_snapshots()["DBClusterSnapshots"][0]["DBClusterSnapshotArn"])


def test_the_first_instance_starts_the_server(aws: EmulatedAws, host: RecordingHost) -> None:
    """The server starts with the first instance; the endpoint leads to it once that instance is available."""
    cluster = aws.create_cluster(DatabaseName="orders")
    assert host.calls == []
    assert not listens(cluster["Port"])
    add_instance(aws, "prod-1", "prod")
    assert host.calls == [("create", cluster["DbClusterResourceId"], "boss", "long-enough", "orders")]
    assert listens(aws.describe_cluster()["Port"])


def test_the_endpoint_of_a_cluster_without_instances_leads_nowhere(aws: EmulatedAws) -> None:
    """After the deletion of the last instance the endpoint no longer leads to the server."""
    aws.create_cluster()
    add_instance(aws, "prod-1", "prod")
    aws.client().delete_db_instance(DBInstanceIdentifier="prod-1")
    assert aws.client().describe_db_instances()["DBInstances"] == []
    assert not listens(aws.describe_cluster()["Port"])


def test_a_resource_is_available_only_after_its_server_task(aws: EmulatedAws, host: RecordingHost) -> None:
    """However far the clock jumps, a resource becomes available only when its task on the server is done."""
    aws.create_cluster()
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
    wait_until_available(aws, "prod-1", "us-west-2")


def test_a_failed_server_task_makes_its_resource_failed(aws: EmulatedAws, host: RecordingHost) -> None:
    """A snapshot whose backup fails has the status `failed`."""
    aws.create_cluster()
    add_instance(aws, "prod-1", "prod")
    host.failing = True
    rds = aws.client()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="s", DBClusterIdentifier="prod")
    while host.verbs()[-1] != "back_up":
        pass
    for _ in range(200):
        [snapshot] = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
        if snapshot["Status"] != "creating":
            break
    assert snapshot["Status"] == "failed"


def test_snapshot_copy_and_restore_share_one_backup(aws: EmulatedAws, host: RecordingHost) -> None:
    """A backup is deleted when neither snapshot nor copy nor restore needs it any more."""
    aws.create_cluster()
    add_instance(aws, "prod-1", "prod")
    arn = create_snapshot(aws)
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
    backup = host.calls[1][2]
    assert host.calls[2:] == [
        ("restore", backup, new),
        ("password", new, "boss", "another-one"),
        ("discard", backup),
    ]


def test_deleting_a_cluster_destroys_its_server(aws: EmulatedAws, host: RecordingHost) -> None:
    """The server is destroyed with its cluster, after the backup for the final snapshot."""
    aws.create_cluster()
    add_instance(aws, "prod-1", "prod")
    rds = aws.client()
    rds.delete_db_instance(DBInstanceIdentifier="prod-1")
    rds.delete_db_cluster(DBClusterIdentifier="prod", FinalDBSnapshotIdentifier="last")
    rds.describe_db_clusters()
    aws.emulator.stop()
    assert host.verbs() == ["create", "back_up", "destroy"]


def test_connections_that_hung_reach_the_server_once_the_cluster_is_reachable(
    aws: EmulatedAws, host: RecordingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When an unreachable cluster becomes reachable, its old port leads to its server, also for waiting connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(host, "address", lambda _: Address(*server.getsockname()))
        arn = aws.create_cluster()["DBClusterArn"]
        add_instance(aws, "prod-1", "prod")
        aws.control("rds/unreachable", arn=arn, unreachable=True)
        silent_port = aws.describe_cluster()["Port"]
        with socket.create_connection(("127.0.0.1", silent_port), timeout=10) as waiting:
            waiting.sendall(b"hello")
            aws.control("rds/unreachable", arn=arn, unreachable=False)
            assert is_connected(server, waiting)
            with socket.create_connection(("127.0.0.1", silent_port), timeout=10) as late:
                late.sendall(b"hello")
                assert is_connected(server, late)


def is_connected(server: socket.socket, client: socket.socket) -> bool:
    """Whether the server receives from the client, and the client receives the reply."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(5).upper())
        return client.recv(5) == b"HELLO"


def test_an_aurora_mysql_cluster_starts_no_postgresql_server(aws: EmulatedAws, host: RecordingHost) -> None:
    """The host of Aurora PostgreSQL clusters is never called for an Aurora MySQL cluster."""
    aws.create_cluster(Engine="aurora-mysql")
    aws.client().create_db_instance(
        DBInstanceIdentifier="i",
        DBClusterIdentifier="prod",
        Engine="aurora-mysql",
        DBInstanceClass="db.r6g.large",
    )
    wait_until_available(aws, "i", "us-west-2")
    assert host.calls == []
