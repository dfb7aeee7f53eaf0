"""SQL files in a PostgreSQL database: one attempt at a time, each file in one transaction with its mark."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.pq import TransactionStatus

from activities.databases.sql_files import SqlText
from errors import StepFailed

MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.ran_files (
        cluster_resource_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (cluster_resource_id, file))
"""


def any_marked(connection: psycopg.Connection, restored: str, files: Iterable[str]) -> bool:
    """Whether any of the files has been run in the connected database of this restored cluster."""
    if connection.execute("SELECT to_regclass('aurora_restore.ran_files')").fetchone() == (None,):
        return False
    found = connection.execute(
        "SELECT 1 FROM aurora_restore.ran_files WHERE cluster_resource_id = %s AND file = ANY (%s)",
        (restored, list(files)),
    )
    return found.fetchone() is not None


def run_once(connection: psycopg.Connection, restored: str, script: SqlText) -> str:
    """Run a file unless it has been run in this restored cluster; gives the digest of what was run.

    Within a transaction, of a connection that has the database's lock.
    Raises `StepFailed` if the file ends the transaction itself, too late for what it has done by then.
    """
    connection.execute(MARKER_TABLE)
    found = connection.execute(
        "SELECT digest FROM aurora_restore.ran_files WHERE cluster_resource_id = %s AND file = %s",
        (restored, script.file),
    ).fetchone()
    if found is None:
        _run(connection, script)
        connection.execute(
            "INSERT INTO aurora_restore.ran_files (cluster_resource_id, file, digest) VALUES (%s, %s, %s)",
            (restored, script.file, script.digest),
        )
    return str(found[0]) if found else script.digest


def _run(connection: psycopg.Connection, script: SqlText) -> None:
    begun = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    connection.execute(script.text.encode())
    open_still = connection.info.transaction_status is TransactionStatus.INTRANS
    if not open_still or connection.execute("SELECT pg_current_xact_id()::text").fetchone() != begun:
        text = f"{script.file} ends the transaction that it is run in. Take COMMIT, ROLLBACK and BEGIN out of it."
        raise StepFailed("SQL file ends its transaction", text)
