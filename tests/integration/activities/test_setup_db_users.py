"""setup-db-users: on a real PostgreSQL, as Aurora's master user, who is no superuser."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from activities.database_users import DatabaseUserActivities
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.postgres import PostgresHost
from devstack.processes import free_port
from errors import DatabaseUnreachable, StepFailed
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.users import Access, DatabaseUser, Grant, OtherLogins
from tests.integration.activities.test_check_restore_status import BAD_SECRETS
from tests.rigs.activities import ActivityRig

MASTER, MASTER_PASSWORD = "boss", 'mäster\'s "secret" %s {}'
HOSTILE_NAMES = [
    'app"quoted',
    "o'hara",
    "100%s",
    "%(name)s",
    "{braces}",
    'x"; DROP ROLE boss; --',
    "Grün-ß-名前",
    "x" * 63,
    "with space",
    "back\\slash",
    "-- comment",
    "SELECT",
]
HOSTILE_PASSWORDS = ["it's", 'say "x"', "100%s", "back\\slash", "'; DROP ROLE boss; --", "{}", "pässwörd名", " blank "]
CONNECTOR = PostgresConnector("disable", None, 5)
MYSQL = MysqlConnector(tls=False, ca_file=None, connect_seconds=2)
SERVERS = itertools.count(1)

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def host() -> Iterator[PostgresHost]:
    """The one that starts servers."""
    with PostgresHost() as host:
        yield host


@pytest.fixture(scope="module")
def server(host: PostgresHost) -> int:
    """The restored cluster's server, with every statement in its log; returns its port."""
    port = host.create("restored", MASTER, MASTER_PASSWORD, "orders").port
    host._execute(port, ["ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"])
    return port


class Database:
    """One test's own database on the server, and its users' secrets."""

    def __init__(self, rig: ActivityRig, port: int) -> None:
        self.rig = rig
        self.name = f"orders_{rig.number}"
        self.master_secret = rig.make_secret("master", json.dumps({"password": MASTER_PASSWORD}))
        self.endpoint = Endpoint(
            host="127.0.0.1",
            port=port,
            engine="aurora-postgresql",
            master_username=MASTER,
            master_user_secret_id=self.master_secret,
            database_name=self.name,
        )
        with CONNECTOR.connect(self.endpoint, "postgres", MASTER, MASTER_PASSWORD) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))
        self.as_master("CREATE TABLE orders (id serial PRIMARY KEY, customer text)")
        self.as_master("INSERT INTO orders (customer) VALUES ('Ada')")

    def as_master(self, statement: LiteralString, *arguments: Any) -> list[Row]:
        return self.as_user(MASTER, MASTER_PASSWORD, statement, *arguments)

    def as_user(self, user: str, password: str, statement: LiteralString, *arguments: Any) -> list[Row]:
        with CONNECTOR.connect(self.endpoint, self.name, user, password) as connection:
            found = connection.execute(statement, arguments or None)
            return found.fetchall() if found.description else []

    def user(self, name: str, password: str, access: Access | None = Access.READ_ONLY) -> DatabaseUser:
        secret = self.rig.make_secret(f"user/{next(SERVERS)}", json.dumps({"password": password}))
        grants = (Grant(database=self.name, access=access),) if access else ()
        return DatabaseUser(name=name, secret_id=secret, grants=grants)

    def set_up(self, *users: DatabaseUser, **endpoint: Any) -> Any:
        step_input = SetupUsersInput(
            operation_id=self.rig.operation_id,
            step_started_at=self.rig.now,
            target=self.rig.target,
            endpoint=self.endpoint.model_copy(update=endpoint),
            users=users,
            other_logins=OtherLogins.KEEP,  # roles belong to the whole server, and other tests log in to it
        )
        activities = DatabaseUserActivities(self.rig.aws, CONNECTOR, MYSQL)
        return self.rig.run(activities.setup_db_users, step_input)

    def unique(self, name: str) -> str:
        """Roles belong to the whole server; tests must not meet."""
        return f"{name}_{self.rig.number}"


@pytest.fixture
def database(rig: ActivityRig, server: int) -> Database:
    """Last night's data, restored."""
    return Database(rig, server)


def test_users_are_made_and_can_log_in(database: Database) -> None:
    """Made, granted, and told who is new; the login is the proof."""
    name = database.unique("app")
    answer = database.set_up(database.user(name, "first"))
    assert (answer.details, answer.created, answer.altered) == ("Users configured", (name,), ())
    assert answer.resource_arns == (database.rig.target.arn,)
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_second_run_doubles_nothing(database: Database) -> None:
    """Run twice: the role is altered, the grants are the same."""
    name = database.unique("app")
    user = database.user(name, "first", Access.READ_WRITE)
    database.set_up(user)
    grants = database.as_master("SELECT relacl FROM pg_class WHERE relname = 'orders'")
    answer = database.set_up(user)
    assert (answer.created, answer.altered) == ((), (name,))
    assert database.as_master("SELECT relacl FROM pg_class WHERE relname = 'orders'") == grants
    assert database.as_user(name, "first", "SELECT customer FROM orders") == [("Ada",)]


def test_a_password_that_came_with_the_snapshot_is_replaced(database: Database) -> None:
    """Production's password opens nothing in staging; nor does yesterday's, once the secret has another."""
    name = database.unique("app")
    database.set_up(database.user(name, "of-production"))
    database.set_up(database.user(name, "of-staging"))
    assert database.as_user(name, "of-staging", "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, "of-production", "SELECT 1")


def test_a_role_that_could_not_log_in_can(database: Database) -> None:
    """A role that came without LOGIN or with none but a group's rights is made a user."""
    name = database.unique("app")
    database.as_master(f"CREATE ROLE {name}")
    assert database.set_up(database.user(name, "x")).altered == (name,)
    assert database.as_user(name, "x", "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_only_a_name(database: Database, name: str) -> None:
    """Quotes, percent signs, SQL, other scripts, 63 characters: the user has exactly this name and can log in."""
    assert database.set_up(database.user(name, "p")).created == (name,)
    assert database.as_user(name, "p", "SELECT session_user::text") == [(name,)]
    assert database.as_master("SELECT 1 FROM pg_roles WHERE rolname = %s", MASTER) == [(1,)]


@pytest.mark.parametrize("password", HOSTILE_PASSWORDS)
def test_a_password_is_only_a_password(database: Database, password: str) -> None:
    """Any text that a secret can hold opens the door, and no other does."""
    name = database.unique("app")
    database.set_up(database.user(name, password))
    assert database.as_user(name, password, "SELECT 1") == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused"):
        database.as_user(name, password + "x", "SELECT 1")


def test_a_hostile_database_name_is_only_a_name(database: Database) -> None:
    """The database of a grant is quoted like everything else."""
    hostile = f'or"ders; DROP % {database.rig.number}'
    with CONNECTOR.connect(database.endpoint, "postgres", MASTER, MASTER_PASSWORD) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(hostile)))
    database.name = hostile
    name = database.unique("app")
    database.set_up(database.user(name, "p"))
    assert database.as_user(name, "p", "SELECT current_database()::text") == [(hostile,)]


def test_no_password_is_told_to_the_server(database: Database, host: PostgresHost) -> None:
    """With every statement logged, the server's log has no password: it is given a verifier."""
    name = database.unique("app")
    database.set_up(database.user(name, "plant-7f3a9c"))
    log = host._clusters["restored"].server._log.read_text()
    assert f'CREATE ROLE "{name}"' in log
    assert "SCRAM-SHA-256$" in log
    assert "plant-7f3a9c" not in log
    assert MASTER_PASSWORD not in log


# What a user may do

WRITES: list[LiteralString] = [
    "INSERT INTO orders (customer) VALUES ('Eve')",
    "UPDATE orders SET customer = 'Eve'",
    "DELETE FROM orders",
]


def test_read_only_cannot_write(database: Database) -> None:
    """Neither rows, nor tables, nor in the future."""
    name = database.unique("report")
    database.set_up(database.user(name, "p"))
    for statement in (*WRITES, "TRUNCATE orders", "CREATE TABLE mine ()", "DROP TABLE orders"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.as_user(name, "p", statement)


def test_read_only_takes_away_what_production_allowed(database: Database) -> None:
    """A role that came with the snapshot and could write there cannot write here."""
    name = database.unique("report")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    database.set_up(database.user(name, "p", Access.READ_ONLY))
    database.as_master("CREATE TABLE later (id int)")
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    for statement in (*WRITES, "INSERT INTO later VALUES (1)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.as_user(name, "p", statement)


def test_read_write_can_write(database: Database) -> None:
    """Rows, with the sequences behind their keys; tables stay the owner's."""
    name = database.unique("app")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    for statement in WRITES:
        database.as_user(name, "p", statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.as_user(name, "p", "DROP TABLE orders")


def test_a_table_made_later_is_covered(database: Database) -> None:
    """The grants hold for tables to come, in every schema, also one with a hostile name."""
    reader, writer = database.unique("report"), database.unique("app")
    database.as_master('CREATE SCHEMA "in\'ner ""x"""')
    database.set_up(database.user(reader, "p"), database.user(writer, "p", Access.READ_WRITE))
    database.as_master('CREATE TABLE "in\'ner ""x""".later (id serial)')
    database.as_user(writer, "p", 'INSERT INTO "in\'ner ""x""".later DEFAULT VALUES')
    assert database.as_user(reader, "p", 'SELECT id FROM "in\'ner ""x""".later') == [(1,)]


def test_tables_of_another_owner_are_covered(database: Database) -> None:
    """In production an application's role owns the tables, not the master; the grants reach them all the same."""
    owner, reader = database.unique("owner"), database.unique("report")
    database.as_master(f"CREATE ROLE {owner}")
    memberships: LiteralString = "SELECT count(*) FROM pg_auth_members WHERE roleid = %s::regrole"
    for statement in ("GRANT {0} TO boss", "GRANT CREATE ON SCHEMA public TO {0}", "ALTER TABLE orders OWNER TO {0}"):
        database.as_master(statement.format(owner))
    database.as_master(f"REVOKE {owner} FROM boss")
    before = database.as_master(memberships, owner)
    database.set_up(database.user(reader, "p"))
    assert database.as_user(reader, "p", "SELECT customer FROM orders") == [("Ada",)]
    assert database.as_master(memberships, owner) == before, "the master is no longer in the owner's role"
    database.set_up(database.user(owner, "o", None))
    database.as_user(owner, "o", "CREATE TABLE later (id int)")
    assert database.as_user(reader, "p", "SELECT id FROM later") == []


def test_a_user_without_grants_can_log_in_and_no_more(database: Database) -> None:
    """A login is proven in the maintenance database."""
    name = database.unique("idle")
    database.set_up(database.user(name, "p", None))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.as_user(name, "p", "SELECT customer FROM orders")


def test_no_users_are_no_work(database: Database) -> None:
    """Nothing is asked of a database that nobody is to use."""
    assert database.set_up(port=free_port()).details == "Users configured"


# What goes wrong


@pytest.mark.parametrize("value", BAD_SECRETS)
def test_a_secret_that_is_none_changes_nothing(database: Database, value: str) -> None:
    """A secret without a usable password ends the night before any role is touched, and is not quoted."""
    good, bad = database.unique("good"), database.unique("bad")
    secret = database.rig.make_secret(f"user/{next(SERVERS)}", value)
    with pytest.raises(StepFailed, match="Secret not usable") as failed:
        database.set_up(database.user(good, "p"), DatabaseUser(name=bad, secret_id=secret))
    assert secret in str(failed.value)
    assert "12345678" not in str(failed.value)
    assert database.as_master("SELECT 1 FROM pg_roles WHERE rolname = %s", good) == []


def test_a_secret_that_is_missing_is_named(database: Database) -> None:
    """Deleted since snapshot-check: the operator learns which."""
    with pytest.raises(StepFailed, match="Secret not found"):
        database.set_up(DatabaseUser(name="app", secret_id="staging/gone"))


def test_an_unreachable_database_is_the_seeds_failure(database: Database) -> None:
    """Connection timeout, transient: an endpoint needs a while to appear."""
    with pytest.raises(DatabaseUnreachable) as failed:
        database.set_up(database.user("app", "p"), port=free_port())
    assert failed.value.fault.short == "Connection timeout"
    assert not failed.value.non_retryable
    with pytest.raises(DatabaseUnreachable):
        database.set_up(database.user("app", "p"), host="does-not-exist.invalid")


@pytest.mark.parametrize("name", ["rdsadmin", "misspelt"])
def test_a_database_that_lets_nobody_in_is_no_network_problem(database: Database, name: str) -> None:
    """The server answered: the text does not send anybody to the security groups."""
    user = database.user(database.unique("app"), "p")
    grants = (Grant(database=name, access=Access.READ_ONLY),)
    with pytest.raises(DatabaseUnreachable, match=f"Connection refused by the database.*{name}"):
        database.set_up(user.model_copy(update={"grants": grants}))


def test_a_wrong_master_password_is_told_apart(database: Database) -> None:
    """A refused login is not a network problem."""
    wrong = database.rig.make_secret("wrong", json.dumps({"password": "plant-wrong"}))
    with pytest.raises(DatabaseUnreachable, match="Login refused") as failed:
        database.set_up(database.user("app", "p"), master_user_secret_id=wrong)
    assert "plant-wrong" not in str(failed.value)


def test_the_master_user_is_nobodys_user(database: Database) -> None:
    """A user of the master's name would lock the pipeline out of its own cluster."""
    with pytest.raises(StepFailed, match="master user"):
        database.set_up(database.user(MASTER, "p"))
    assert database.as_master("SELECT 1") == [(1,)]


def test_a_name_that_postgresql_would_cut_is_refused(database: Database) -> None:
    """63 bytes are the limit; a longer name would be somebody else's, cut."""
    with pytest.raises(StepFailed, match="63 bytes"):
        database.set_up(database.user("ü" * 40, "p"))


def test_a_refused_statement_is_told_with_its_sqlstate(database: Database, host: PostgresHost) -> None:
    """What PostgreSQL says, without the statement that it says it of."""
    name = database.unique("theirs")
    host._execute(database.endpoint.port, [f"CREATE ROLE {name}"])
    with pytest.raises(StepFailed, match="42501: permission denied to alter role") as failed:
        database.set_up(database.user(name, "p"))
    assert failed.value.fault.code == "42501"
    assert "SCRAM" not in str(failed.value)
    assert failed.value.__cause__ is None


# Deaths and rivals


def _dying_at(statement: int) -> Callable[..., Any]:
    seen = itertools.count(1)
    execute = psycopg.Connection.execute

    def dying(self: psycopg.Connection, *arguments: Any, **named: Any) -> Any:
        result = execute(self, *arguments, **named)
        if next(seen) == statement:
            raise KeyboardInterrupt("the worker dies")
        return result

    return dying


def test_a_death_after_any_statement_changes_nothing(database: Database) -> None:
    """Wherever the worker died, the next attempt ends with a user who can do what was asked."""
    for statement in range(1, 200):
        name = database.unique(f"app{statement}")
        user = database.user(name, "p", Access.READ_WRITE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", _dying_at(statement))
            try:
                database.set_up(user)
            except KeyboardInterrupt:
                pass
            else:
                break
        database.set_up(user)
        assert database.as_user(name, "p", "UPDATE orders SET customer = 'Ada' RETURNING customer") == [("Ada",)]
    assert statement > 10, "the sweep went over nothing"


@pytest.mark.parametrize(
    "sqlstate", [psycopg.errors.AdminShutdown, psycopg.errors.LockNotAvailable, psycopg.errors.InternalError_]
)
def test_a_server_that_is_busy_is_asked_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, sqlstate: type[psycopg.Error]
) -> None:
    """A connection lost in the middle, a lock, a rival attempt ("tuple concurrently updated"): transient."""

    def failing(*_: Any, **__: Any) -> Any:
        raise sqlstate("tuple concurrently updated")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", failing)
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            database.set_up(database.user(database.unique("app"), "p"))
