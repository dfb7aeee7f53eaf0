"""What a copy of production would do by itself: disabled before any SQL file runs, kept by name, and always named.

Two servers: production, and the restored database, whose foreign tables, subscriptions and cron jobs lead to production.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from activities.databases.postgres import acting_role, side_effects
from devstack.database_servers import RDSADMIN
from devstack.postgres import PostgresHost
from errors import StepFailed
from models.side_effects import EVERY, KeptSideEffects
from tests.rigs.activities import ActivityRig
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Postgres, wait_until

WITH_CRON = Path("/usr/lib/postgresql/15/bin")
HOW_TO_GET_CRON = "pg_cron is not installed: apt-get install --no-install-recommends postgresql-15-cron"


def as_admin(postgres: Postgres, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
    """As RDS itself, each statement on its own."""
    with closing(postgres.session(RDSADMIN, postgres.host._password, database)) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


class Production:
    """A database on another server, with one table that the restored database can write to."""

    def __init__(self, host: PostgresHost, name: str) -> None:
        self.host, self.name = host, name
        self.port = host.address("production").port
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        self.execute("CREATE TABLE customers (id int PRIMARY KEY, email text)")
        self.execute("INSERT INTO customers VALUES (1, 'ada@example.com')")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connect(self.name) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def checksum(self) -> list[tuple[Any, ...]]:
        return self.execute("SELECT md5(string_agg(customers::text, ',' ORDER BY id)) FROM customers")

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=RDSADMIN, password=self.host._password, dbname=database,
            sslmode="disable", autocommit=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def production_host() -> Iterator[PostgresHost]:
    with PostgresHost({"wal_level": "logical"}) as host:
        host.create("production", MASTER, MASTER_PASSWORD, None)
        yield host


@pytest.fixture
def production(production_host: PostgresHost, postgres: Postgres) -> Production:
    return Production(production_host, f"shop_{postgres.rig.number}")


@pytest.fixture
def foreign_table(postgres: Postgres, production: Production) -> str:
    """Server, user mapping and table of postgres_fdw in the restored database, owned by its master user."""
    as_admin(postgres, "CREATE EXTENSION postgres_fdw", f"GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {MASTER}")
    options = f"host '127.0.0.1', port '{production.port}', dbname '{production.name}'"
    postgres.as_master(f"CREATE SERVER shop FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})")
    login = f"user '{RDSADMIN}', password '{production.host._password}'"
    postgres.as_master(f"CREATE USER MAPPING FOR {MASTER} SERVER shop OPTIONS ({login})")
    columns = "id int, email text"
    postgres.as_master(f"CREATE FOREIGN TABLE customers ({columns}) SERVER shop OPTIONS (table_name 'customers')")
    return "UPDATE customers SET email = 'masked@example.com'"


def test_an_sql_file_cannot_write_to_production_through_a_foreign_table(
    postgres: Postgres, production: Production, foreign_table: str
) -> None:
    """The mask of the copy would have masked production's row."""
    before = production.checksum()
    with pytest.raises(StepFailed, match=r"SQL file failed: mask\.sql"):
        postgres.set_up(sql_files=(postgres.file("mask.sql", foreign_table),))
    assert production.checksum() == before


def test_a_user_mapping_that_the_request_keeps_still_works(
    postgres: Postgres, production: Production, foreign_table: str
) -> None:
    """By the name of its server; the outcome says so. It also shows what the guard prevents."""
    before = production.checksum()
    outcome = postgres.set_up(
        sql_files=(postgres.file("mask.sql", foreign_table),),
        keep_side_effects=KeptSideEffects(user_mappings=("shop",)),
    )
    assert production.checksum() != before
    assert outcome.facts["kept_user_mappings"] == "shop"
    assert "Kept as in production: user mappings shop." in outcome.warnings


def test_a_subscription_is_disabled_and_forgets_its_slot(postgres: Postgres, production: Production) -> None:
    """It replicates no more, and can be dropped without touching the slot on production."""
    production.execute("CREATE PUBLICATION shop FOR TABLE customers")
    postgres.as_master("CREATE TABLE customers (id int PRIMARY KEY, email text)")
    name, owner = postgres.unique("sub"), postgres.unique("owner")
    postgres.make_login(owner, "p")
    as_admin(postgres, f"ALTER TABLE customers OWNER TO {owner}")
    as_admin(
        postgres, f"GRANT pg_create_subscription TO {owner}", f"GRANT CREATE ON DATABASE {postgres.name} TO {owner}"
    )
    login = f"host=127.0.0.1 port={production.port} dbname={production.name} user={RDSADMIN}"
    connection = f"{login} password={production.host._password} sslmode=disable"
    postgres.as_user(owner, "p", f"CREATE SUBSCRIPTION {name} CONNECTION '{connection}' PUBLICATION shop")
    wait_until(lambda: as_admin(postgres, "SELECT 1 FROM customers"))
    outcome = postgres.set_up()
    assert outcome.facts["disabled_subscriptions"] == name
    assert postgres.as_master(f"SELECT subenabled, subslotname FROM pg_subscription WHERE subname = '{name}'") == [
        (False, None)
    ]
    production.execute("INSERT INTO customers VALUES (2, 'eve@example.com')")
    time.sleep(1)
    assert as_admin(postgres, "SELECT count(*) FROM customers") == [(1,)]
    as_admin(postgres, f"DROP SUBSCRIPTION {name}", database=postgres.name)
    assert production.execute(f"SELECT slot_name FROM pg_replication_slots WHERE slot_name = '{name}'") == [(name,)]
    wait_until(
        lambda: production.execute(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND NOT active")
    )
    production.execute(f"SELECT pg_drop_replication_slot('{name}')")


def test_what_the_master_user_may_not_disable_ends_the_step(postgres: Postgres, production: Production) -> None:
    """Before any file runs; the message names it, and the request keeps it as the message says."""
    as_admin(postgres, "CREATE EXTENSION postgres_fdw", "CREATE SERVER theirs FOREIGN DATA WRAPPER postgres_fdw")
    as_admin(postgres, f"CREATE USER MAPPING FOR {MASTER} SERVER theirs OPTIONS (user 'x', password 'y')")
    with pytest.raises(StepFailed, match=r"Side effects not disabled.*user_mappings theirs.*keep_side_effects\.user"):
        postgres.set_up()
    outcome = postgres.set_up(keep_side_effects=KeptSideEffects(user_mappings=("theirs",)))
    assert outcome.facts["kept_user_mappings"] == "theirs"


def test_an_event_trigger_of_a_role_is_disabled(postgres: Postgres) -> None:
    """On RDS its owner is a member of rds_superuser, here PostgreSQL wants a superuser; RDS's own is left alone."""
    function = "CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
    triggers = [f"CREATE EVENT TRIGGER {name} ON ddl_command_end EXECUTE FUNCTION audit()" for name in ("ours", "rds")]
    as_admin(
        postgres, "SET allow_system_table_mods = on", function, *triggers,
        f"UPDATE pg_event_trigger SET evtowner = '{MASTER}'::regrole WHERE evtname = 'ours'",
    )  # fmt: skip
    assert postgres.set_up().facts["disabled_event_triggers"] == "ours"
    assert postgres.as_master("SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1") == [
        ("ours", "D"),
        ("rds", "O"),
    ]


def test_a_database_that_the_master_user_cannot_enter_is_named(postgres: Postgres) -> None:
    """Nobody knows what acts in it. RDS's own is left out."""
    name = postgres.unique("closed")
    as_admin(postgres, f"CREATE DATABASE {name}", f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    try:
        outcome = postgres.set_up(postgres.user(postgres.unique("app"), "p"))
    finally:
        as_admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")
    assert outcome.facts["found_unseen_databases"] == name
    assert f"Not changed, may leave the database: unseen databases {name}." in outcome.warnings


def test_triggers_that_leave_the_database_are_listed(postgres: Postgres) -> None:
    """They are the operator's own code: the outcome names them, and nothing is changed."""
    body = "BEGIN PERFORM aws_lambda.invoke('f', '{}'); RETURN NEW; END"
    postgres.as_master(f"CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    postgres.as_master("CREATE TRIGGER tell BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION tell()")
    outcome = postgres.set_up()
    assert outcome.facts["found_outgoing_calls"] == (
        f"{postgres.name}: public.tell calls aws_lambda, by a trigger of orders"
    )
    assert [warning for warning in outcome.warnings if "public.tell" in warning]


# pg_cron


@pytest.fixture(scope="module")
def cron_host() -> Iterator[PostgresHost]:
    if not (WITH_CRON.parent / "lib" / "pg_cron.so").exists():
        pytest.skip(HOW_TO_GET_CRON)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG_BIN", str(WITH_CRON))
        with PostgresHost({"shared_preload_libraries": "pg_cron", "cron.use_background_workers": "on"}) as host:
            port = host.create("restored", MASTER, MASTER_PASSWORD, "orders").port
            host._execute(port, ["CREATE EXTENSION pg_cron", "GRANT USAGE ON SCHEMA cron TO PUBLIC"])
            host._execute(port, ["GRANT EXECUTE ON FUNCTION cron.alter_job TO rds_superuser"])  # as on RDS
            yield host


@pytest.fixture
def with_cron(rig: ActivityRig, cron_host: PostgresHost, tmp_path: Path) -> Iterator[Postgres]:
    database = Postgres(rig, tmp_path, cron_host)
    yield database
    database.drop_databases()


def test_cron_jobs_of_everybody_who_can_log_in_are_disabled(with_cron: Postgres) -> None:
    """The master user's, and those of a user of the request, which is opened at the end."""
    user = with_cron.user(with_cron.unique("app"), "p")
    with_cron.make_login(user.name, "of-production")
    schedule = "SELECT cron.schedule('{}', '* * * * *', 'SELECT 1')"
    for login, password, job in ((MASTER, MASTER_PASSWORD, "report"), (user.name, "of-production", "purge")):
        with_cron.as_user(login, password, schedule.format(job), "postgres")
    kept = with_cron.as_user(MASTER, MASTER_PASSWORD, schedule.format("kept"), "postgres")
    outcome = with_cron.set_up(user, keep_side_effects=KeptSideEffects(cron_jobs=("kept",)))
    assert outcome.facts["disabled_cron_jobs"] == "purge, report"
    assert outcome.facts["kept_cron_jobs"] == "kept"
    active = as_admin(with_cron, "SELECT jobname, active FROM cron.job ORDER BY 1", database="postgres")
    assert active == [("kept", True), ("report", False)], (
        "only the master user may pause a job; others may remove theirs"
    )
    assert kept
    as_admin(with_cron, "DELETE FROM cron.job", database="postgres")


@pytest.fixture
def untakable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Roles that the master user may not take: RDS's own, and since PostgreSQL 16 those that it may not grant.

    No pg_cron of 16 runs here, and to a server of 15 RDS's logins are roles like others.
    """
    roles, as_role = {"rdsproxyadmin"}, acting_role.as_role

    def take_role(connection: psycopg.Connection, role: str) -> Any:
        if role in roles:
            raise psycopg.errors.InsufficientPrivilege("permission denied to grant role")
        return as_role(connection, role)

    monkeypatch.setattr(side_effects, "as_role", take_role)
    return roles


@pytest.mark.usefixtures("untakable")
def test_logins_of_rds_have_no_jobs_that_could_stop_a_restore(with_cron: Postgres) -> None:
    """RDS Proxy's login exists in every cluster that has a proxy."""
    with_cron.make_login("rdsproxyadmin", "of-rds")
    try:
        assert with_cron.set_up().details == "Users configured"
    finally:
        with_cron.as_master("DROP ROLE rdsproxyadmin")


def test_jobs_that_the_master_user_may_not_see_end_the_step_unless_all_are_kept(
    with_cron: Postgres, untakable: set[str]
) -> None:
    """The message says how to keep them."""
    name = with_cron.unique("theirs")
    with_cron.make_login(name, "p")
    untakable.add(name)
    with pytest.raises(StepFailed, match=rf"cron_jobs \* \(jobs of {name}\).*keep_side_effects\.cron_jobs"):
        with_cron.set_up(keep_logins=(name,))
    keep = KeptSideEffects(cron_jobs=(EVERY,))
    assert with_cron.set_up(keep_logins=(name,), keep_side_effects=keep).details == "Users configured"
