"""What the users of the request can really do: as other roles' grants, owners and default privileges leave it."""

from __future__ import annotations

from typing import Any

import pytest

from activities.databases.mysql import grants
from activities.databases.mysql.accounts import Account
from errors import StepFailed
from models.users import Access, DatabaseUser, Grant
from tests.rigs.databases import MASTER, Database, Mysql, Postgres


def make_role(postgres: Postgres, name: str, *statements: str) -> str:
    """A role of production that the master user made, and what was done with it."""
    role = postgres.unique(name)
    postgres.as_master(f"CREATE ROLE {role}")
    for statement in statements:
        postgres.as_rdsadmin(statement.format(role=role, database=postgres.name))
    return role


# What belongs to RDS, and what belongs to others


def test_what_belongs_to_rds_is_left_out_and_reported(postgres: Postgres) -> None:
    """A schema and a table of rdsadmin's keep no user from the other tables."""
    for statement in (
        "CREATE SCHEMA rdsadmin_migration_info CREATE TABLE steps (id int)",
        "CREATE TABLE public.rds_notes (id int)",
        "CREATE VIEW public.rds_stats AS SELECT 1 AS id",
        "GRANT SELECT ON public.rds_stats TO PUBLIC",
    ):
        postgres.as_rdsadmin(statement)
    user = postgres.user(postgres.unique("app"), "p", Access.READ_WRITE)
    for _ in range(2):
        warnings = postgres.set_up(user).warnings
        [warning] = [warning for warning in warnings if user.name in warning]
        assert warning == (
            f"{user.name} has no access to public.rds_notes, schema rdsadmin_migration_info in database {postgres.name}, "
            "which belong to RDS's own superuser: the master user cannot grant on them."
        )
    postgres.as_user(user.name, "p", "UPDATE orders SET customer = 'Eve'")
    assert postgres.orders() == [("Eve",)]


def test_tables_of_an_owner_that_the_master_user_cannot_become_fail_the_step(postgres: Postgres) -> None:
    """A user without its tables is no success; the message names the table and its owner."""
    owner = postgres.unique("of_a_superuser")
    postgres.as_rdsadmin(f"CREATE ROLE {owner} IN ROLE {MASTER}")  # a circle, which every version refuses
    postgres.as_rdsadmin(f"CREATE TABLE public.invoices (id int); ALTER TABLE public.invoices OWNER TO {owner}")
    with pytest.raises(StepFailed, match=rf"public\.invoices, which belongs to {owner}.*ADMIN OPTION"):
        postgres.set_up(postgres.user(postgres.unique("app"), "p"))


def test_connect_is_granted_as_the_owner_of_the_database(postgres: Postgres) -> None:
    """To the master user too, which does not own the database, when CONNECT was revoked from PUBLIC.

    It leaves the owner again; and it finds what acts by itself in this database.
    """
    revoke = "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
    owner = make_role(postgres, "owner", "ALTER DATABASE {database} OWNER TO {role}", revoke)
    calls = "BEGIN PERFORM aws_lambda.invoke('f'); END"
    postgres.as_rdsadmin(f"CREATE FUNCTION public.notify() RETURNS void LANGUAGE plpgsql AS $${calls}$$")
    user = postgres.user(postgres.unique("app"), "p")
    assert "public.notify calls aws_lambda" in postgres.set_up(user).facts["found_outgoing_calls"]
    assert postgres.as_user(user.name, "p", "SELECT customer FROM orders") == [("Ada",)]
    assert postgres.as_master(f"SELECT pg_has_role('{MASTER}', '{owner}', 'USAGE')") == [(False,)]


def test_a_database_that_the_master_user_cannot_grant_on_is_named(postgres: Postgres) -> None:
    """GRANT only warns, and the login would fail with "check the database's name"."""
    for statement in ("ALTER DATABASE {} OWNER TO rdsadmin", "REVOKE CONNECT ON DATABASE {} FROM PUBLIC"):
        postgres.as_rdsadmin(statement.format(postgres.name))
    postgres.as_rdsadmin(f"GRANT CONNECT ON DATABASE {postgres.name} TO {MASTER}")
    with pytest.raises(StepFailed, match=f"Users not configured: .* may not connect to database {postgres.name}"):
        postgres.set_up(postgres.user(postgres.unique("app"), "p"))


# A read-only user that can write


def test_default_privileges_of_the_whole_database_are_revoked_from_a_read_only_user(postgres: Postgres) -> None:
    """No REVOKE in a schema takes them away. The role that creates the tables owns nothing else yet."""
    name = postgres.unique("report")
    postgres.make_login(name, "of-production")
    defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{role}} GRANT ALL ON TABLES TO {name}"
    creator = make_role(postgres, "deployer", defaults, "GRANT CREATE ON SCHEMA public TO {role}")
    assert postgres.set_up(postgres.user(name, "p")).warnings == ()
    postgres.as_rdsadmin(f"SET ROLE {creator}; CREATE TABLE public.later (id int)")
    for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        assert postgres.as_master(f"SELECT has_table_privilege('{name}', 'public.later', '{privilege}')") == [(False,)]


@pytest.mark.parametrize(
    ("statements", "right"),
    [
        (
            ["CREATE ROLE {role}", "GRANT INSERT ON public.orders TO {role}", "GRANT {role} TO {user}"],
            "can write public.orders",
        ),
        (["GRANT UPDATE (customer) ON public.orders TO PUBLIC"], "can write public.orders"),
        (["CREATE TABLE public.mine (id int)", "ALTER TABLE public.mine OWNER TO {user}"], "can write public.mine"),
        (["ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT INSERT ON TABLES TO PUBLIC"], "created later by boss"),
        (["ALTER ROLE {user} CREATEROLE"], "has CREATEROLE"),
        (["CREATE ROLE {role} BYPASSRLS", "GRANT {role} TO {user}"], "has BYPASSRLS through {role}"),
        (["GRANT rds_superuser TO {user}"], "has rds_superuser"),
        (["GRANT pg_write_all_data TO {user}"], "can write public.orders"),
    ],
)
def test_a_read_only_user_that_can_write_is_reported(postgres: Postgres, statements: list[str], right: str) -> None:
    """By a role, PUBLIC, ownership, default privileges or an attribute, which the master user does not take away."""
    name, role = postgres.unique("report"), postgres.unique("writers")
    postgres.make_login(name, "of-production")
    for statement in statements:
        postgres.as_rdsadmin(statement.format(user=name, role=role))
    [warning] = postgres.set_up(postgres.user(name, "p")).warnings
    assert warning.startswith(f"{name} is read-only in the request, but in database {postgres.name} it ")
    assert right.format(role=role) in warning
    assert warning.endswith("Revoke it at the source, or in an SQL file.")
    postgres.as_rdsadmin(f"DROP OWNED BY {name}")


def test_a_read_only_user_of_mysql_that_can_write_through_a_role_is_reported(
    mysql: Mysql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also through a role of its role. MariaDB's REVOKE ALL takes roles away too, MySQL's does not."""
    name, role, deeper = mysql.unique("report"), mysql.unique("writers"), mysql.unique("deeper")
    mysql.make_login(name, "of-production")
    for statement in (
        f"CREATE ROLE {role}",
        f"CREATE ROLE {deeper}",
        f"GRANT INSERT (id), UPDATE, SELECT ON {mysql.name}.orders TO {deeper}",
        f"GRANT {deeper} TO {role}",
    ):
        mysql.as_rdsadmin(statement)
    grant_access = grants.grant_access

    def keep_the_role(*arguments: Any) -> None:
        grant_access(*arguments)
        mysql.as_rdsadmin(f"GRANT {role} TO {name}@'%'")

    monkeypatch.setattr(grants, "grant_access", keep_the_role)
    [warning] = mysql.set_up(mysql.user(name, "p")).warnings
    assert warning.startswith(f"{name} is read-only in the request, but it has ")
    for part in ("INSERT", "UPDATE", f"on `{mysql.name}`.`orders` through role {role}. Revoke it at the source"):
        assert part in warning
    assert "SELECT" not in warning


def test_the_roles_of_mysql_have_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MySQL 8 shows them; two roles that have each other are read once."""
    shown = {
        "'app'@'%'": ["GRANT USAGE ON *.* TO `app`@`%`", "GRANT `a`@`%`,`b`@`10.%` TO `app`@`%`"],
        "'a'@'%'": ["GRANT SELECT, SHOW VIEW ON `orders`.* TO `a`@`%`", "GRANT `b`@`10.%` TO `a`@`%`"],
        "'b'@'10.%'": ["GRANT SELECT, DROP ROLE ON *.* TO `b`@`10.%`", "GRANT `a`@`%` TO `b`@`10.%`"],
    }
    monkeypatch.setattr(grants, "accounts_of", lambda *_: [Account("app", "%")])
    monkeypatch.setattr(grants, "quote_account", lambda _, account: f"'{account.name}'@'{account.host}'")
    monkeypatch.setattr(grants, "execute", lambda _, statement: [(row,) for row in shown[statement[16:]]])
    user = DatabaseUser(name="app", secret_id="s", grants=(Grant(database="orders", access=Access.READ_ONLY),))
    connection: Any = None
    warning = grants.describe_write_access(connection, user)
    assert warning is not None
    assert "it has DROP ROLE on *.* through role b. Revoke" in warning


@pytest.mark.parametrize("access", [Access.READ_ONLY, Access.READ_WRITE])
def test_a_user_with_what_the_request_says_is_not_reported(database: Database, access: Access) -> None:
    """A new user, and one that the restore before has set."""
    user = database.user(database.unique("app"), "p", access)
    assert (database.set_up(user).warnings, database.set_up(user).warnings) == ((), ())


# rds_iam


@pytest.mark.parametrize("grantor", ["rdsadmin", "another_admin"])
def test_rds_iam_is_revoked_for_every_grantor(postgres: Postgres, grantor: str) -> None:
    """Since PostgreSQL 16 a plain REVOKE takes away only one's own grant."""
    name, admin = postgres.unique("app"), "rdsadmin"
    postgres.make_login(name, "of-production")
    if grantor == "another_admin":
        admin = make_role(postgres, "admin", "GRANT rds_iam TO {role} WITH ADMIN OPTION")
    postgres.as_rdsadmin(f"GRANT rds_iam TO {name} GRANTED BY {admin}")
    if grantor == "rdsadmin" and _grantors_matter(postgres):
        with pytest.raises(StepFailed, match="Password not usable: .*a grant of rdsadmin.*authentication to iam"):
            postgres.set_up(postgres.user(name, "p"))
        return
    postgres.set_up(postgres.user(name, "p"))
    assert postgres.as_master(f"SELECT pg_has_role('{name}', 'rds_iam', 'MEMBER')") == [(False,)]


def _grantors_matter(postgres: Postgres) -> bool:
    return bool(postgres.as_master("SELECT current_setting('server_version_num')::int >= 160000")[0][0])


def test_a_password_of_a_user_who_has_rds_iam_through_a_group_is_refused(postgres: Postgres) -> None:
    """RDS asks it for a token, so its password would be refused; a file has not run yet."""
    name = postgres.unique("app")
    postgres.make_login(name, "of-production")
    group = make_role(postgres, "group", "GRANT rds_iam TO {role}", f"GRANT {{role}} TO {name}")
    file = postgres.file("mask.sql", "DELETE FROM orders")
    with pytest.raises(StepFailed, match=f"{name} is a member of rds_iam through {group}, so RDS would refuse"):
        postgres.set_up(postgres.user(name, "p"), sql_files=(file,))
    assert postgres.orders() == [("Ada",)]
    assert postgres.set_up(postgres.user(name, None)).altered == (name,)
    members: list[Any] = postgres.as_master(
        f"SELECT 1 FROM pg_auth_members WHERE member = '{name}'::regrole AND roleid = 'rds_iam'::regrole"
    )
    assert members == [], "the group is enough"
