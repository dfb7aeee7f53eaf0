"""As whom SQL files and checks run: tables seldom belong to the master user, and it is no superuser."""

from __future__ import annotations

import pytest

from errors import StepFailed
from tests.rigs.databases import MASTER, Postgres


@pytest.fixture
def owner(postgres: Postgres) -> str:
    """A role that owns the table orders; the master user is no member of it."""
    owner = postgres.unique("app_owner")
    postgres.as_master(f"CREATE ROLE {owner}")
    postgres.as_rdsadmin(f"ALTER TABLE orders OWNER TO {owner}; GRANT CREATE ON SCHEMA public TO {owner}")
    return owner


def is_member(postgres: Postgres, role: str) -> bool:
    return postgres.as_master(f"SELECT pg_has_role('{MASTER}', '{role}', 'USAGE')") == [(True,)]


def test_files_and_checks_have_the_rights_of_the_owners(postgres: Postgres, owner: str) -> None:
    """Without run_as: the master user joins each owner and leaves it again; what it creates is its own."""
    file = postgres.file(
        "mask.sql", "ALTER TABLE orders ADD note text; UPDATE orders SET note = 'x'; CREATE TABLE n ()"
    )
    postgres.set_up(sql_files=(file,), checks=(postgres.check("SELECT note FROM orders", ("x",)),))
    assert not is_member(postgres, owner)
    assert postgres.as_master("SELECT tableowner FROM pg_tables WHERE tablename = 'n'") == [(MASTER,)]


def test_files_and_checks_run_as_the_role_that_the_request_names(postgres: Postgres, owner: str) -> None:
    """It is joined and left, also after a failure."""
    file = postgres.file("mask.sql", "SELECT 1/0").model_copy(update={"run_as": owner})
    with pytest.raises(StepFailed, match=r"SQL file failed: mask\.sql.*22012"):
        postgres.set_up(sql_files=(file,))
    assert not is_member(postgres, owner)
    postgres.file("mask.sql", "UPDATE orders SET customer = current_user; CREATE TABLE n (); SET ROLE pg_monitor")
    check = postgres.check("SELECT current_user::text, customer FROM orders", (owner, owner))
    postgres.set_up(sql_files=(file,), checks=(check.model_copy(update={"run_as": owner}),))
    assert not is_member(postgres, owner)
    assert postgres.as_rdsadmin("SELECT tableowner FROM pg_tables WHERE tablename = 'n'") == [(owner,)]


def test_a_file_that_ends_as_another_role_is_marked(postgres: Postgres, owner: str) -> None:
    """The mark is the master user's, and the next file begins as the master user."""
    postgres.as_master(f"GRANT {owner} TO {MASTER}")
    first = postgres.file("1.sql", f"SET ROLE {owner}; UPDATE orders SET id = id + 1")
    postgres.set_up(sql_files=(first, postgres.file("2.sql", "CREATE TABLE n ()")))
    postgres.set_up(sql_files=(first,))
    assert postgres.as_rdsadmin("SELECT id FROM orders") == [(2,)]
    assert postgres.as_master("SELECT tableowner FROM pg_tables WHERE tablename = 'n'") == [(MASTER,)]


@pytest.mark.parametrize("ending", ["COMMIT", "COMMIT; BEGIN", "COMMIT; SELECT 1/0", "COMMIT; BEGIN; SELECT 1/0"])
def test_an_owner_is_left_although_the_file_ends_its_transaction(postgres: Postgres, owner: str, ending: str) -> None:
    """The file has committed the membership, and no rollback undoes it."""
    with pytest.raises(StepFailed, match="SQL file"):
        postgres.set_up(sql_files=(postgres.file("mask.sql", ending),))
    assert not is_member(postgres, owner)


def test_a_membership_of_production_has_the_same_options_afterwards(postgres: Postgres, owner: str) -> None:
    """Since PostgreSQL 16 the master user may have granted itself a role that it does not inherit."""
    if postgres.as_master("SELECT current_setting('server_version_num')::int < 160000") == [(True,)]:
        return
    postgres.as_master(f"GRANT {owner} TO {MASTER} WITH INHERIT FALSE, SET FALSE")
    postgres.set_up(sql_files=(postgres.file("mask.sql", "UPDATE orders SET id = 2"),))
    options = (
        f"SELECT inherit_option, set_option FROM pg_auth_members WHERE roleid = '{owner}'::regrole AND grantor = member"
    )
    assert postgres.as_rdsadmin(options) == [(False, False)]


@pytest.mark.parametrize(("role", "reason"), [("misspelt", "does not find"), ("rdsadmin", "may not act as")])
def test_a_role_that_the_master_user_cannot_become_is_named(postgres: Postgres, role: str, reason: str) -> None:
    """Neither a file nor a check runs."""
    file = postgres.file("mask.sql", "DELETE FROM orders").model_copy(update={"run_as": role})
    with pytest.raises(
        StepFailed, match=f"Role not usable: The master user {reason} the role {role}, which run_as names"
    ):
        postgres.set_up(sql_files=(file,))
    check = postgres.check("SELECT 1", (1,)).model_copy(update={"run_as": role})
    with pytest.raises(StepFailed, match="Role not usable"):
        postgres.set_up(checks=(check,))


@pytest.mark.parametrize(
    "query", ["SELECT pg_catalog.set_config('transaction_read_only', 'off', true)", "SELECT 1; COMMIT"]
)
def test_a_check_cannot_leave_its_transaction(postgres: Postgres, query: str) -> None:
    """Its transaction has granted memberships, but the query changes nothing."""
    with pytest.raises(StepFailed, match="Check failed"):
        postgres.set_up(checks=(postgres.check(query, ("off",)),))
