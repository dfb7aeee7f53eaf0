"""SQL files in a PostgreSQL database: one attempt at a time, each file in one transaction with its mark."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import psycopg
from psycopg.pq import TransactionStatus

from activities.sql_files import SqlText
from errors import StepFailed

MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.sql_files (
        cluster_resource_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (cluster_resource_id, file))
"""


LOCKS = 1635086962
"""The first of two keys of an advisory lock, which pg_locks then shows as they are; the second is a `Lock`."""


class Lock(IntEnum):
    """What an attempt has to itself, in the database that it is connected to."""

    WORK = 1
    """At the files or the grants of this database."""
    TURN = 2
    """At the logins of the whole server: in the database where they are set."""


def take_lock(connection: psycopg.Connection, lock: Lock) -> None:
    """Until the connection ends. Whoever has it, or waits for it, is another attempt, and its session is ended.

    Most likely its worker died or stands still, and in the middle of a file the session would go on for as long as the
    file does; PostgreSQL takes back what it did. Should a frozen worker wake and end the newer one's, that is made again.
    Source: PostgreSQL documentation, pg_locks, pg_terminate_backend.
    """
    keys = {"class": LOCKS, "object": lock.value}
    connection.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %(class)s AND objid = %(object)s
          AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
          AND pid <> pg_backend_pid()
        """,
        keys,
    )
    connection.execute("SELECT pg_advisory_lock(%(class)s, %(object)s)", keys)


def any_marked(connection: psycopg.Connection, restored: str, files: Iterable[str]) -> bool:
    """Whether any of the files has been run in the connected database of this restored cluster."""
    if connection.execute("SELECT to_regclass('aurora_restore.sql_files')").fetchone() == (None,):
        return False
    found = connection.execute(
        "SELECT 1 FROM aurora_restore.sql_files WHERE cluster_resource_id = %s AND file = ANY (%s)",
        (restored, list(files)),
    )
    return found.fetchone() is not None


def run_once(connection: psycopg.Connection, restored: str, script: SqlText) -> str:
    """Run a file unless it has been run in this restored cluster; gives the digest of what was run.

    The connection has the database's lock.
    Raises `StepFailed` if the file ends the transaction itself, too late for what it has done by then.
    """
    connection.execute("BEGIN")
    connection.execute(MARKER_TABLE)
    found = connection.execute(
        "SELECT digest FROM aurora_restore.sql_files WHERE cluster_resource_id = %s AND file = %s",
        (restored, script.file),
    ).fetchone()
    if found is None:
        _run(connection, script)
        connection.execute(
            "INSERT INTO aurora_restore.sql_files (cluster_resource_id, file, digest) VALUES (%s, %s, %s)",
            (restored, script.file, script.digest),
        )
    connection.execute("COMMIT")
    return str(found[0]) if found else script.digest


def _run(connection: psycopg.Connection, script: SqlText) -> None:
    begun = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    connection.execute(script.text.encode())
    open_still = connection.info.transaction_status is TransactionStatus.INTRANS
    if not open_still or connection.execute("SELECT pg_current_xact_id()::text").fetchone() != begun:
        text = f"{script.file} ends the transaction that it is run in. Take COMMIT, ROLLBACK and BEGIN out of it."
        raise StepFailed("SQL file ends its transaction", text)
