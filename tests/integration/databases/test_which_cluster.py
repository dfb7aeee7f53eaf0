"""setup-db-users reaches a cluster by its name, and changes only the cluster that this operation restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from activities.databases.closing import DatabaseCloser
from activities.rds.provenance import check_still_restored
from activities.rds.target import TargetCluster
from devstack.processes import free_port
from errors import Refused, StepFailed
from models.closing import Closing
from models.clusters import Endpoint
from models.users import OtherLogins
from tests.rigs.databases import Database, Postgres

FILES = ("first.sql", "second.sql")


def replace_target(database: Database) -> None:
    """Delete the target and create another cluster of its name."""
    rds, name = database.rig.rds(), database.rig.target.cluster
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    database.rig.advance_clock()
    database.rig.make_target(instances=0)


def closed_endpoint(database: Database) -> Endpoint:
    """An endpoint at which nothing listens: connecting to it fails with another error."""
    return database.endpoint.model_copy(update={"port": free_port()})


def test_the_cluster_is_checked_before_the_connection_after_the_session_lock_and_before_each_file(
    postgres: Postgres,
) -> None:
    """By its resource id."""
    restored = postgres.rig.make_target(instances=0)
    postgres.rig.clear_calls()
    files = tuple(postgres.file(name, "SELECT 1") for name in FILES)
    postgres.set_up(sql_files=files, cluster_resource_id=restored)
    assert len(postgres.rig.calls("DescribeDBClusters")) == 4


def replace_before_the_connection(database: Database, patch: pytest.MonkeyPatch) -> None:
    """Another cluster gets the target's name after the worker has read it."""
    session_lock: Callable[..., Any] = database.restored_database_class.session_lock

    def replace_target_first(*arguments: object) -> Any:
        replace_target(database)
        return session_lock(*arguments)

    patch.setattr(database.restored_database_class, "session_lock", replace_target_first)


def test_a_cluster_that_replaced_the_restored_one_is_not_changed(database: Database) -> None:
    """The step ends before it connects to that cluster."""
    restored = database.rig.make_target(instances=0)
    replace_target(database)
    user = database.user(database.unique("app"), "p")
    with pytest.raises(Refused, match="Another cluster has the target's name.*restored by this operation"):
        database.set_up(user, cluster_resource_id=restored, endpoint=closed_endpoint(database))


def test_a_cluster_that_replaced_the_restored_one_before_the_connection_is_not_changed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen between its read and its connection is connected to another cluster than it read."""
    restored, login = database.rig.make_target(instances=0), database.unique("production")
    database.make_login(login, "of-production")
    replace_before_the_connection(database, monkeypatch)
    file = database.file("mask.sql", "UPDATE orders SET customer = 'nobody'")
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        database.set_up(cluster_resource_id=restored, sql_files=(file,))
    assert database.as_user(login, "of-production", "SELECT 1", database.login_database) == [(1,)]
    assert database.orders() == [("Ada",)]


def test_a_cluster_that_replaced_the_restored_one_is_not_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """check-restore-status closes the database too, and may be connected to another cluster than it has read."""
    restored, login = database.rig.make_target(instances=0), database.unique("production")
    database.make_login(login, "of-production")

    def check_cluster() -> None:
        rig = database.rig
        check_still_restored(TargetCluster(rig.aws, rig.target, rig.operation_id), rig.target.arn, restored)

    replace_before_the_connection(database, monkeypatch)
    closing = Closing(users=(), other_logins=OtherLogins.LOCK)
    closer = DatabaseCloser(database.connectors, database.directory)
    closed = database.rig.run(
        lambda polled: closer.try_to_close(polled, closing, database.endpoint, check_cluster),
        database.rig.check_restore_input(restored),
    )
    assert closed is None
    assert database.as_user(login, "of-production", "SELECT 1", database.login_database) == [(1,)]


def test_a_deleted_cluster_is_reported_as_not_found(database: Database) -> None:
    """Rather than as a network problem with a name that DNS no longer resolves."""
    with pytest.raises(StepFailed, match="Restored cluster not found") as failure:
        database.set_up(cluster_resource_id="cluster-GONE", endpoint=closed_endpoint(database))
    assert database.rig.target.arn in str(failure.value)


def test_a_cluster_that_is_replaced_between_two_files_does_not_get_the_second(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file took hours, and the name went to another cluster meanwhile."""
    restored = database.rig.make_target(instances=0)
    run_once: Callable[..., str] = database.locked_session_class.run_once

    def replace_target_after(*arguments: object) -> str:
        digest = run_once(*arguments)
        replace_target(database)
        return digest

    monkeypatch.setattr(database.locked_session_class, "run_once", replace_target_after)
    files = tuple(database.file(name, f"UPDATE orders SET customer = '{name}'") for name in FILES)
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        database.set_up(sql_files=files, cluster_resource_id=restored)
    assert database.orders() == [("first.sql",)]


def test_without_a_resource_id_the_cluster_is_not_checked(postgres: Postgres) -> None:
    """The input of an older history does not name the cluster, which does not exist in the emulator here."""
    assert postgres.set_up(postgres.user(postgres.unique("app"), "p")).details == "Users configured"
    assert not postgres.rig.calls("DescribeDBClusters")


def test_a_request_without_users_files_and_checks_reads_nothing(postgres: Postgres) -> None:
    """Neither from RDS nor from the database."""
    postgres.set_up(
        other_logins=OtherLogins.KEEP, endpoint=closed_endpoint(postgres), cluster_resource_id="cluster-GONE"
    )
    assert not postgres.rig.calls("DescribeDBClusters")
