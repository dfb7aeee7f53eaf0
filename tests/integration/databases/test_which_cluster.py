"""setup-db-users reaches a cluster by its name: what it finds there must be what the night restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devstack.processes import free_port
from errors import Refused, StepFailed
from models.clusters import Endpoint
from models.users import OtherLogins
from tests.rigs.databases import Database, Postgres

FILES = ("first.sql", "second.sql")


def replaced(database: Database) -> None:
    """Somebody deletes the target and makes another cluster of its name."""
    rds, name = database.rig.rds(), database.rig.target.cluster
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    database.rig.advance_clock()
    database.rig.make_target(instances=0)


def unreachable(database: Database) -> Endpoint:
    """Whoever opens it fails in another way."""
    return database.endpoint.model_copy(update={"port": free_port()})


def test_the_nights_own_cluster_is_set_up(postgres: Postgres) -> None:
    """Told by its resource id; RDS is looked at before the database is, with the turn in hand, and before each file."""
    own = postgres.rig.make_target(instances=0)
    postgres.rig.clear_calls()
    files = tuple(postgres.file(name, "SELECT 1") for name in FILES)
    postgres.set_up(sql_files=files, cluster_resource_id=own)
    assert len(postgres.rig.calls("DescribeDBClusters")) == 4


def test_another_cluster_is_not_touched(database: Database) -> None:
    """No login of it is locked, none is made."""
    own = database.rig.make_target(instances=0)
    replaced(database)
    user = database.user(database.unique("app"), "p")
    with pytest.raises(Refused, match="Another cluster has the target's name.*this operation restored"):
        database.set_up(user, cluster_resource_id=own, endpoint=unreachable(database))


def test_a_cluster_replaced_before_the_turn_is_taken_is_not_touched(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still between its look and its connection is in another cluster than it looked at."""
    own, login = database.rig.make_target(instances=0), database.unique("production")
    database.make_login(login, "of-production")
    turn: Callable[..., Any] = database.kind.turn

    def late(*arguments: object) -> Any:
        replaced(database)
        return turn(*arguments)

    monkeypatch.setattr(database.kind, "turn", late)
    file = database.file("mask.sql", "UPDATE orders SET customer = 'nobody'")
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        database.set_up(cluster_resource_id=own, sql_files=(file,))
    where = "postgres" if isinstance(database, Postgres) else "information_schema"
    assert database.as_user(login, "of-production", "SELECT 1", where) == [(1,)]
    assert database.orders() == [("Ada",)]


def test_a_cluster_that_is_gone_is_said_to_be_gone(database: Database) -> None:
    """Before the network is blamed for a name that DNS does not know any more."""
    with pytest.raises(StepFailed, match="Restored cluster not found") as failed:
        database.set_up(cluster_resource_id="cluster-GONE", endpoint=unreachable(database))
    assert database.rig.target.arn in str(failed.value)


def test_a_cluster_replaced_within_the_night_gets_no_further_file(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file took hours, in which the name went to another cluster: the second is not run in it."""
    own = database.rig.make_target(instances=0)
    run_once: Callable[..., str] = database.turns.run_once

    def taking_hours(*arguments: object) -> str:
        digest = run_once(*arguments)
        replaced(database)
        return digest

    monkeypatch.setattr(database.turns, "run_once", taking_hours)
    files = tuple(database.file(name, f"UPDATE orders SET customer = '{name}'") for name in FILES)
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        database.set_up(sql_files=files, cluster_resource_id=own)
    assert database.orders() == [("first.sql",)]


def test_an_input_of_an_older_history_is_taken(postgres: Postgres) -> None:
    """It does not name the cluster, and RDS does not know it here."""
    assert postgres.set_up(postgres.user(postgres.unique("app"), "p")).details == "Users configured"
    assert not postgres.rig.calls("DescribeDBClusters")


def test_where_nothing_is_asked_nothing_is_looked_at(postgres: Postgres) -> None:
    """Neither RDS nor the database."""
    postgres.set_up(other_logins=OtherLogins.KEEP, endpoint=unreachable(postgres), cluster_resource_id="cluster-GONE")
    assert not postgres.rig.calls("DescribeDBClusters")
