"""No user of the target reads an unmasked value, whatever fails in the middle of setup-db-users, and however often."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, Self

import psycopg
import pymysql
import pytest
from pymysql.cursors import Cursor

from activities.databases.closing import DatabaseCloser
from errors import PipelineError
from models.closing import ClosedDatabase, Closing
from models.masking import Masking
from models.users import DatabaseUser, OtherLogins
from tests.rigs.databases import Database, Mysql, Postgres

RESTORES = int(os.environ.get("MASKED_RESTORES", "5"))
"""Of each engine; `MASKED_RESTORES=50` are the hundred of docs/reliability.md."""
STATEMENTS = 90
"""One attempt has somewhat fewer; a failure at a later one than its last does not happen."""
OF_PRODUCTION, OF_STAGING = "of-production", "of-staging"
SECRET = "ada@corp.test"
REFUSED = (psycopg.Error, pymysql.err.MySQLError, PipelineError)


class Dies(BaseException):
    """The worker is gone."""


@contextmanager
def failing_at(database: Database, statement: int, how: str) -> Iterator[None]:
    """Any statement of the attempt may be its last: the worker dies, or the server ends the connection."""
    kind: Any = psycopg.Connection if isinstance(database, Postgres) else Cursor
    numbers, execute, worker = itertools.count(1), kind.execute, threading.get_ident()

    def fail(self: Any, *arguments: Any, **named: Any) -> Any:
        if threading.get_ident() != worker or next(numbers) != statement:
            return execute(self, *arguments, **named)
        if how == "the worker dies before it":
            raise Dies
        result = execute(self, *arguments, **named)
        if how == "the worker dies after it":
            raise Dies
        connection = self if isinstance(database, Postgres) else self.connection
        number = connection.info.backend_pid if isinstance(database, Postgres) else connection.thread_id()
        with suppress(*REFUSED):  # it may have ended by itself
            database.as_rdsadmin(database.end_session.format(number))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "execute", fail)
        yield


class Reader:
    """Reads as the user, with either password, as fast as it can, and keeps what it has read."""

    def __init__(self, database: Database, user: str) -> None:
        self._database, self._user = database, user
        self._ended = threading.Event()
        self._thread = Thread(target=self._run)
        self.attempts = 0
        self.read: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            for password in (OF_PRODUCTION, OF_STAGING):
                self.attempts += 1
                with suppress(*REFUSED):
                    rows = self._database.as_user(self._user, password, "SELECT mail FROM customers")
                    self.read |= {mail for (mail,) in rows}


def restored(database: Database, number: int) -> tuple[DatabaseUser, Masking]:
    """The database as a snapshot has it, with a login of the user's name; the request's user and masking."""
    database.as_master("DROP TABLE IF EXISTS customers")
    database.as_master("CREATE TABLE customers (id int PRIMARY KEY, mail varchar(80))")
    database.as_master(f"INSERT INTO customers VALUES (1, '{SECRET}'), (2, '{SECRET}')")
    name = database.unique(f"app{number}")
    database.make_login(name, OF_PRODUCTION)
    masking = database.masking(
        *(f'{database.table("orders")}.{column} = "keep"' for column in ("id", "customer")),
        f'{database.table("customers")}.id = "keep"',
        f'{database.table("customers")}.mail = "email"',
    )
    return database.user(name, OF_STAGING), masking


def no_check() -> None:
    """No other cluster takes the name here."""


def close(database: Database, user: DatabaseUser) -> ClosedDatabase:
    """As check-restore-status does it, as soon as the writer has its new master password."""
    closer = DatabaseCloser(database.connectors, database.directory)
    closing = Closing(users=(user.name,), other_logins=OtherLogins.LOCK)
    step_input = database.rig.check_restore_input("cluster-RESTORED", closing=closing)
    closed = database.rig.run(
        lambda polled: closer.try_to_close(polled, closing, database.endpoint, no_check), step_input
    )
    assert closed is not None
    return closed


def test_a_user_never_reads_an_unmasked_value(database: Database) -> None:
    """Each restore fails up to three times at a random statement; check-restore-status has closed the database before."""
    chance, failures = random.Random(20), 0
    ways = ("the worker dies before it", "the worker dies after it", "the connection ends")
    for number in range(RESTORES):
        user, masking = restored(database, number)
        fields = {"masking": masking, "operation_id": f"op-{number + 1}", "closed": close(database, user)}
        with Reader(database, user.name) as reader:
            for _ in range(chance.randrange(4)):
                with failing_at(database, chance.randrange(1, STATEMENTS), chance.choice(ways)):
                    try:
                        database.set_up(user, **fields)
                    except (Dies, PipelineError):
                        failures += 1
            database.set_up(user, **fields)
            time.sleep(0.1)
        assert reader.read, "the user can read in the end"
        assert SECRET not in reader.read, f"restore {number}"
        assert reader.attempts > 1
        if isinstance(database, Mysql):  # a locked account costs each later restore a statement
            database.as_master(f"DROP USER {user.name}")
    assert failures > RESTORES // 4
