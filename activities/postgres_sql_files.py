"""SQL files in a PostgreSQL database: one attempt at a time, each file in one transaction with its mark."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.pq import TransactionStatus

from activities.sql_files import SqlText
from errors import StepFailed

MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.sql_files (
        operation_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (operation_id, file))
"""
LOCK = {"class": 1635086962, "object": 1}
"""An advisory lock of the database; of two keys, as pg_locks then shows them as they are."""


def take_lock(connection: psycopg.Connection) -> None:
    """Until the transaction ends. Whoever has it, or waits for it, is another attempt, and its session is ended.

    Most likely its worker died or stands still in the middle of a file, and the session would go on for as long as the
    file does; PostgreSQL takes back what it did. Should a frozen worker wake and end the newer one's, that is made again.
    Source: PostgreSQL documentation, pg_locks, pg_terminate_backend.
    """
    connection.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %(class)s AND objid = %(object)s
          AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
          AND pid <> pg_backend_pid()
        """,
        LOCK,
    )
    connection.execute("SELECT pg_advisory_xact_lock(%(class)s, %(object)s)", LOCK)


def any_marked(connection: psycopg.Connection, operation_id: str, files: Iterable[str]) -> bool:
    """Whether this operation has run any of the files in the connected database."""
    if connection.execute("SELECT to_regclass('aurora_restore.sql_files')").fetchone() == (None,):
        return False
    found = connection.execute(
        "SELECT 1 FROM aurora_restore.sql_files WHERE operation_id = %s AND file = ANY (%s)",
        (operation_id, list(files)),
    )
    return found.fetchone() is not None


def run_once(connection: psycopg.Connection, operation_id: str, script: SqlText) -> str:
    """Run a file unless this operation has run it; gives the digest of what was run.

    Raises `StepFailed` if the file ends the transaction itself, too late for what it has done by then.
    """
    connection.execute("BEGIN")
    take_lock(connection)
    connection.execute(MARKER_TABLE)
    found = connection.execute(
        "SELECT digest FROM aurora_restore.sql_files WHERE operation_id = %s AND file = %s",
        (operation_id, script.file),
    ).fetchone()
    if found is None:
        _run(connection, script)
        connection.execute(
            "INSERT INTO aurora_restore.sql_files (operation_id, file, digest) VALUES (%s, %s, %s)",
            (operation_id, script.file, script.digest),
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
