"""The logins that came with the snapshot: which are locked, how completely, and which stay."""

from __future__ import annotations

import psycopg
import pymysql
import pytest

from errors import DatabaseUnreachable
from models.users import OtherLogins
from tests.rigs.databases import MASTER, Database, Postgres
from tests.rigs.hostile_names import HOSTILE_NAMES


def test_logins_that_the_request_does_not_name_are_locked(database: Database) -> None:
    """Even if the request names no user at all; the master user and the service's own are not locked."""
    name = database.unique("production")
    database.make_login(name, "of-production")
    locked = database.set_up().locked
    assert [login for login in locked if login.removesuffix("@%") == name]
    with pytest.raises(DatabaseUnreachable):
        database.session(name, "of-production")
    assert database.as_master("SELECT 1") == [(1,)]
    assert not [login for login in locked if login.startswith((MASTER, "rds"))]
    if isinstance(database, Postgres):  # MariaDB does not show which logins are locked already
        assert database.set_up().locked == (), "the second run finds nobody to lock"


@pytest.mark.parametrize("name", ["rdsproxyadmin", "rdswriteforwarduser"])
def test_logins_of_the_service_are_not_locked(database: Database, name: str) -> None:
    """Its own password and open session keep working: RDS Proxy and the readers could not reach the cluster otherwise."""
    database.make_login(name, "of-rds")
    try:
        session = database.session(name, "of-rds", database.login_database)
        assert name not in [login.removesuffix("@%") for login in database.set_up().locked]
        session.cursor().execute("SELECT 1")
        session.close()
        assert database.as_user(name, "of-rds", "SELECT 1", database.login_database) == [(1,)]
    finally:
        database.as_master(f"DROP USER {name}")


@pytest.mark.parametrize("name", ["rds_reporting", "RDSProxyAdmin", "mysql.sys", "PG_reports"])
def test_a_login_with_a_name_like_the_services_own_is_locked(database: Database, name: str) -> None:
    """Its session is ended too. Only exact names are RDS's, and the server's own accounts have the host localhost."""
    database.make_login(name, "of-production")
    try:
        session = database.session(name, "of-production", database.login_database)
        assert name in [login.removesuffix("@%") for login in database.set_up().locked]
        with pytest.raises((psycopg.OperationalError, pymysql.err.OperationalError)):
            session.cursor().execute("SELECT 1")
        with pytest.raises(DatabaseUnreachable):
            database.session(name, "of-production", database.login_database)
    finally:
        quote = '"' if isinstance(database, Postgres) else "`"
        database.as_master(f"DROP USER {quote}{name}{quote}")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_login_with_a_hostile_name_is_locked(database: Database, name: str) -> None:
    """A name that would break a statement does not keep its login open."""
    name = f"{name[:25]}!{database.rig.number}"
    database.make_login(name, "of-production")
    database.as_user(name, "of-production", "SELECT 1", database.login_database)
    assert name in [locked.removesuffix("@%") for locked in database.set_up().locked]
    with pytest.raises(DatabaseUnreachable):
        database.session(name, "of-production", database.login_database)


def test_open_sessions_of_locked_logins_are_ended(database: Database) -> None:
    """A lock alone does not end a session that is open already."""
    name = database.unique("production")
    database.make_login(name, "of-production")
    session = database.session(name, "of-production", database.login_database)
    database.set_up()
    with pytest.raises((psycopg.OperationalError, pymysql.err.OperationalError)):
        session.cursor().execute("SELECT 1")


def test_logins_to_keep_are_not_locked(database: Database) -> None:
    """keep_logins keeps a login's password and open sessions; other_logins "keep" keeps every login."""
    kept, other = database.unique("kept"), database.unique("other")
    for name in (kept, other):
        database.make_login(name, "of-production")
    session = database.session(kept, "of-production", database.login_database)
    assert database.set_up(other_logins=OtherLogins.KEEP).locked == ()
    assert database.as_user(other, "of-production", "SELECT 1", database.login_database) == [(1,)]
    database.set_up(keep_logins=(kept,))
    session.cursor().execute("SELECT 1")
    session.close()
    assert database.as_user(kept, "of-production", "SELECT 1", database.login_database) == [(1,)]
    with pytest.raises(DatabaseUnreachable):
        database.session(other, "of-production", database.login_database)


def test_a_locked_login_whose_name_only_begins_like_a_users_is_reported(database: Database) -> None:
    """A name may have an @ in it, which on MySQL also comes before the host."""
    name = database.unique("app")
    database.make_login(f"{name}@work", "of-production")
    assert f"{name}@work" in [login.removesuffix("@%") for login in database.set_up(database.user(name, "p")).locked]


def test_a_user_of_the_request_is_not_reported_as_locked(database: Database) -> None:
    """It came with the snapshot and is locked for a while only: the outcome names it as altered."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    outcome = database.set_up(database.user(name, "p"))
    assert name not in [login.removesuffix("@%") for login in outcome.locked]
    assert outcome.altered == (name,)


def test_a_locked_login_is_unlocked_when_the_request_names_it(database: Database) -> None:
    """An earlier restore locked it, this one sets it as a user."""
    name = database.unique("app")
    database.make_login(name, "of-production")
    database.set_up()
    database.set_up(database.user(name, "p"))
    assert database.as_user(name, "p", "SELECT 1") == [(1,)]
