"""SQL files in a PostgreSQL database: each runs in one transaction with the mark that says so."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.pq import TransactionStatus

from activities.databases.sql_files import SqlScript
from errors import StepFailed

CREATE_MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.ran_files (
        cluster_resource_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (cluster_resource_id, file))
"""


def has_mark(connection: psycopg.Connection, cluster_resource_id: str, files: Iterable[str]) -> bool:
    """Whether any of the files was run in the connected database of this restored cluster."""
    if connection.execute("SELECT to_regclass('aurora_restore.ran_files')").fetchone() == (None,):
        return False
    mark = connection.execute(
        "SELECT 1 FROM aurora_restore.ran_files WHERE cluster_resource_id = %s AND file = ANY (%s)",
        (cluster_resource_id, list(files)),
    ).fetchone()
    return mark is not None


def run_once(connection: psycopg.Connection, cluster_resource_id: str, script: SqlScript) -> str:
    """Run a file unless it was run in this restored cluster; returns the digest of what was run.

    The connection must hold the database's lock and be in a transaction, which the caller commits.
    Raises `StepFailed` if the file ends the transaction itself; what it did until then stays.
    """
    connection.execute(CREATE_MARKER_TABLE)
    mark = connection.execute(
        "SELECT digest FROM aurora_restore.ran_files WHERE cluster_resource_id = %s AND file = %s",
        (cluster_resource_id, script.file),
    ).fetchone()
    if mark is not None:
        return str(mark[0])
    _run(connection, script)
    connection.execute(
        "INSERT INTO aurora_restore.ran_files (cluster_resource_id, file, digest) VALUES (%s, %s, %s)",
        (cluster_resource_id, script.file, script.digest),
    )
    return script.digest


def _run(connection: psycopg.Connection, script: SqlScript) -> None:
    before = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    connection.execute(script.text.encode())
    in_transaction = connection.info.transaction_status is TransactionStatus.INTRANS
    if not in_transaction or connection.execute("SELECT pg_current_xact_id()::text").fetchone() != before:
        text = f"{script.file} ends the transaction that it runs in. Remove COMMIT, ROLLBACK and BEGIN from it."
        raise StepFailed("SQL file ends its transaction", text)
