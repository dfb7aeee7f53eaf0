"""Once an SQL file has its mark in the restored cluster, later attempts undo nothing that the file did."""

from __future__ import annotations

import pytest

from errors import DatabaseUnreachable, StepFailed
from models.users import SqlFile
from tests.rigs.databases import Database

INSERT = "INSERT INTO orders VALUES (2, 'Eve')"


def unlocking_file(database: Database, login: str, reader: str) -> SqlFile:
    """A file that unlocks a login of the source, and lets a read-only user insert."""
    return database.file("open.sql", f"GRANT INSERT ON orders TO {reader}; ALTER USER {login} {database.unlock_login};")


def test_a_retry_after_an_sql_file_does_not_undo_its_logins_and_grants(database: Database) -> None:
    """A check failed; the operator fixed the data and retried the step."""
    user, login = database.user(database.unique("app"), "p"), database.unique("production")
    database.make_login(login, "of-production")
    files = (unlocking_file(database, login, user.name),)
    with pytest.raises(StepFailed, match="Check failed"):
        database.set_up(user, sql_files=files, checks=(database.check("SELECT count(*) FROM orders", (9,)),))
    outcome = database.set_up(user, sql_files=files, checks=(database.check("SELECT count(*) FROM orders", (1,)),))
    assert database.as_user(login, "of-production", "SELECT 1", database.login_database) == [(1,)]
    with database.session(user.name, "p") as session:
        session.cursor().execute(INSERT)
    assert (outcome.created, outcome.altered, outcome.locked, outcome.warnings) == ((), (), (), ())


def test_a_user_of_the_request_can_log_in_whatever_a_file_did_to_it(database: Database) -> None:
    """The request says who can log in; the users are opened after the files."""
    user = database.user(database.unique("app"), "p")
    files = (database.file("close.sql", f"ALTER USER {user.name} {database.lock_login}"),)
    for _ in range(2):
        database.set_up(user, sql_files=files)
        assert database.as_user(user.name, "p", "SELECT 1") == [(1,)]


def test_a_mark_that_came_with_the_snapshot_is_ignored(database: Database) -> None:
    """Even one of an operation with the same number: users are set and the file is run."""
    user = database.user(database.unique("app"), "old")
    file = database.file("mask.sql", "UPDATE orders SET id = id + 10")
    first = database.rig.make_target(instances=0)
    database.set_up(user, sql_files=(file,), cluster_resource_id=first)
    database.rig.rds().delete_db_cluster(DBClusterIdentifier=database.rig.target.cluster, SkipFinalSnapshot=True)
    database.rig.advance_clock()
    second = database.rig.make_target(instances=0)
    again = database.user(user.name, "new")
    assert database.set_up(again, sql_files=(file,), cluster_resource_id=second).altered == (user.name,)
    assert database.as_user(user.name, "new", "SELECT id FROM orders") == [(21,)]


def test_the_mark_of_a_file_outside_the_request_is_ignored(database: Database) -> None:
    """Users are set, because none of the request's files was run."""
    user = database.user(database.unique("app"), "old")
    database.set_up(user, sql_files=(database.file("mask.sql", "SELECT 1"),))
    assert database.set_up(database.user(user.name, "new")).altered == (user.name,)
    assert database.as_user(user.name, "new", "SELECT 1") == [(1,)]


def test_logins_are_locked_even_if_the_database_of_an_sql_file_is_missing(database: Database) -> None:
    """The missing database fails the file, not the locking: the source's passwords work as briefly as possible."""
    login = database.unique("production")
    database.make_login(login, "of-production")
    file = database.file("mask.sql", "SELECT 1").model_copy(update={"database": "misspelt"})
    with pytest.raises(DatabaseUnreachable, match="misspelt"):
        database.set_up(sql_files=(file,))
    with pytest.raises(DatabaseUnreachable):
        database.session(login, "of-production", database.login_database)


@pytest.mark.parametrize("removal", ["TRUNCATE aurora_restore.ran_files", "DROP TABLE aurora_restore.ran_files"])
def test_the_marks_survive_a_file_that_removes_them(database: Database, removal: str) -> None:
    """As one does that empties every schema: the marks of earlier files come back with its own."""
    first, second = database.file("1.sql", "UPDATE orders SET id = id + 10"), database.file("2.sql", removal)
    for _ in range(2):
        database.set_up(sql_files=(first, second))
    assert database.as_master("SELECT id FROM orders") == [(11,)]
