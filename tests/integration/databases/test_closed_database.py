"""Nobody is let in before every SQL file has run and every check has passed; a failure leaves the database closed."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pymysql
import pytest

from activities.databases.login_changes import CLOSED
from errors import DatabaseUnreachable, StepFailed
from models.users import OtherLogins
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Postgres

SESSION_ENDED = (psycopg.OperationalError, pymysql.err.OperationalError)
KEEP_OTHERS = {"other_logins": OtherLogins.KEEP}


@pytest.mark.parametrize("request_fields", [{}, KEEP_OTHERS], ids=["lock", "keep"])
@pytest.mark.parametrize("failing", ["file", "check"])
def test_a_failure_leaves_the_users_of_the_request_locked(
    database: Database, failing: str, request_fields: dict[str, Any]
) -> None:
    """Neither the source's password nor the new one works, an open session is ended; and the message says so."""
    name, new = database.unique("app"), database.unique("new")
    database.make_login(name, "of-production")
    session = database.session(name, "of-production", database.login_database)
    users = database.user(name, "of-staging"), database.user(new, "of-staging")
    mask = "UPDATE orders SET customer = 'masked'"
    fields: dict[str, Any] = {**request_fields, "sql_files": (database.file("mask.sql", mask),)}
    if failing == "file":
        database.file("mask.sql", f"{mask}; SELECT nothing FROM nowhere")
    else:
        fields["checks"] = (database.check("SELECT count(*) FROM orders", (9,)),)
    for _ in range(2):
        with pytest.raises(StepFailed, match=CLOSED):
            database.set_up(*users, **fields)
        for user in users:
            for password in ("of-production", "of-staging"):
                with pytest.raises(DatabaseUnreachable):
                    database.session(user.name, password, database.login_database)
    with pytest.raises(SESSION_ENDED):
        session.cursor().execute("SELECT 1")
    database.file("mask.sql", mask)
    database.set_up(*users, **(fields | {"checks": ()}))
    for user in users:
        assert database.as_user(user.name, "of-staging", "SELECT customer FROM orders") == [("masked",)]


def test_no_message_of_closed_logins_before_they_are_closed(database: Database) -> None:
    """An unusable file fails the step while the source's passwords still work."""
    file = database.file("mask.sql", "SELECT 1")
    (database.directory / "mask.sql").unlink()
    with pytest.raises(StepFailed) as failure:
        database.set_up(sql_files=(file,))
    assert CLOSED not in str(failure.value)


def test_every_other_session_of_the_master_user_is_ended(database: Database) -> None:
    """It was opened with the password that came with the snapshot."""
    session = database.session(MASTER, MASTER_PASSWORD, database.login_database)
    database.set_up()
    with pytest.raises(SESSION_ENDED):
        session.cursor().execute("SELECT 1")
    assert database.as_master("SELECT 1") == [(1,)]


def test_a_password_that_was_changed_while_files_ran_is_the_one_that_works(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files may take hours."""
    user, run_once = database.user(database.unique("app"), "old"), database.locked_session_class.run_once

    def change_the_secret(*arguments: Any) -> str:
        secrets = database.rig.shared.owner("secretsmanager")
        secrets.put_secret_value(SecretId=user.secret_id, SecretString=json.dumps({"password": "new"}))
        return run_once(*arguments)

    monkeypatch.setattr(database.locked_session_class, "run_once", change_the_secret)
    database.set_up(user, sql_files=(database.file("mask.sql", "SELECT 1"),))
    assert database.as_user(user.name, "new", "SELECT 1") == [(1,)]


def test_a_password_that_expired_at_the_source_does_not_expire(postgres: Postgres) -> None:
    """VALID UNTIL belongs to the password of the source, and is removed with it."""
    name = postgres.unique("app")
    postgres.make_login(name, "of-production")
    postgres.as_master(f"ALTER ROLE {name} VALID UNTIL '2020-01-01'")
    postgres.set_up(postgres.user(name, "of-staging"))
    assert postgres.as_user(name, "of-staging", "SELECT 1") == [(1,)]
