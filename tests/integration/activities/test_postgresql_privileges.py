"""What the users of setup-db-users may do in a PostgreSQL database."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from models.users import Access
from tests.rigs.users_database import UsersDatabase

WRITES: list[LiteralString] = [
    "INSERT INTO orders (customer) VALUES ('Eve')",
    "UPDATE orders SET customer = 'Eve'",
    "DELETE FROM orders",
]


def test_read_only_users_cannot_write(database: UsersDatabase) -> None:
    """Neither rows nor tables."""
    name = database.unique("report")
    database.set_up(database.user(name, "p"))
    for statement in (*WRITES, "TRUNCATE orders", "CREATE TABLE mine ()", "DROP TABLE orders"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.as_user(name, "p", statement)


def test_read_only_revokes_what_the_snapshot_granted(database: UsersDatabase) -> None:
    """A role that came with the snapshot and could write there cannot write here."""
    name = database.unique("report")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    database.set_up(database.user(name, "p", Access.READ_ONLY))
    database.as_master("CREATE TABLE later (id int)")
    assert database.as_user(name, "p", "SELECT customer FROM orders") == [("Ada",)]
    for statement in (*WRITES, "INSERT INTO later VALUES (1)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.as_user(name, "p", statement)


def test_read_write_users_can_write_rows(database: UsersDatabase) -> None:
    """With the sequences behind their keys; the tables stay the owner's."""
    name = database.unique("app")
    database.set_up(database.user(name, "p", Access.READ_WRITE))
    for statement in WRITES:
        database.as_user(name, "p", statement)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.as_user(name, "p", "DROP TABLE orders")


def test_grants_cover_tables_created_later(database: UsersDatabase) -> None:
    """In every schema, also one with a hostile name."""
    reader, writer = database.unique("report"), database.unique("app")
    database.as_master('CREATE SCHEMA "in\'ner ""x"""')
    database.set_up(database.user(reader, "p"), database.user(writer, "p", Access.READ_WRITE))
    database.as_master('CREATE TABLE "in\'ner ""x""".later (id serial)')
    database.as_user(writer, "p", 'INSERT INTO "in\'ner ""x""".later DEFAULT VALUES')
    assert database.as_user(reader, "p", 'SELECT id FROM "in\'ner ""x""".later') == [(1,)]


def test_grants_cover_tables_of_another_owner(database: UsersDatabase) -> None:
    """In production an application's role owns the tables, not the master user."""
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


def test_a_user_without_grants_can_only_log_in(database: UsersDatabase) -> None:
    """The login is tried in the maintenance database."""
    name = database.unique("idle")
    database.set_up(database.user(name, "p", None))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.as_user(name, "p", "SELECT customer FROM orders")
