"""SQL files in a PostgreSQL database: each runs in one transaction with the mark that says so."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus, TransactionStatus

from activities.databases.postgres.errors import TRANSIENT_IN_SQL_FILES, translate_errors
from activities.databases.postgres.memberships import join, rights_of, set_role
from activities.databases.sql_files import SqlScript
from errors import StepFailed

FIND_MARKER_TABLE = "SELECT to_regclass('aurora_restore.ran_files')"
WRITE_MARK = (
    "INSERT INTO aurora_restore.ran_files (cluster_resource_id, file, digest) VALUES (%s, %s, %s)"
    " ON CONFLICT (cluster_resource_id, file) DO UPDATE SET digest = excluded.digest"
)
DISCARDED = (ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY)
CREATE_MARKER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS aurora_restore;
    CREATE TABLE IF NOT EXISTS aurora_restore.ran_files (
        cluster_resource_id text, file text, digest text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (cluster_resource_id, file))
"""


def has_mark(connection: psycopg.Connection, cluster_resource_id: str, files: Iterable[str]) -> bool:
    """Whether any of the files was run in the connected database of this restored cluster."""
    if connection.execute(FIND_MARKER_TABLE).fetchone() == (None,):
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
    marks = _list_marks(connection, cluster_resource_id)
    if script.file in marks:
        return marks[script.file]
    roles = rights_of(connection, script.run_as)
    with join(connection, roles):
        _run(connection, script)
        # A file may end as another role.
        connection.execute("RESET ROLE")
        _write_marks(connection, cluster_resource_id, marks | {script.file: script.digest})
    return script.digest


def _list_marks(connection: psycopg.Connection, cluster_resource_id: str) -> dict[str, str]:
    """The digests of the files that were run in this restored cluster, by file."""
    query = "SELECT file, digest FROM aurora_restore.ran_files WHERE cluster_resource_id = %s"
    return dict(connection.execute(query, (cluster_resource_id,)).fetchall())


def _write_marks(connection: psycopg.Connection, cluster_resource_id: str, marks: dict[str, str]) -> None:
    """Insert the file's mark, and again every mark that the file removed: it may truncate or drop every schema."""
    if connection.execute(FIND_MARKER_TABLE).fetchone() == (None,):
        connection.execute(CREATE_MARKER_TABLE)
    for file, digest in marks.items():
        connection.execute(WRITE_MARK, (cluster_resource_id, file, digest))


def _run(connection: psycopg.Connection, script: SqlScript) -> None:
    before = _transaction_id(connection)
    with translate_errors(f"SQL file failed: {script.file}", TRANSIENT_IN_SQL_FILES, script):
        set_role(connection, script.run_as)
        try:
            _execute_and_discard(connection, script.text.encode())
        except psycopg.Error:
            # What the file committed stays; this ends a transaction that it may have begun.
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise
    if connection.info.transaction_status is not TransactionStatus.INTRANS or _transaction_id(connection) != before:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        text = f"{script.file} ends the transaction that it runs in. Remove COMMIT, ROLLBACK and BEGIN from it."
        raise StepFailed("SQL file ends its transaction", text)


def _transaction_id(connection: psycopg.Connection) -> object:
    return connection.execute("SELECT pg_catalog.pg_current_xact_id()::text").fetchone()


def _execute_and_discard(connection: psycopg.Connection, text: bytes) -> None:
    """Run any number of statements, and discard each row as it comes: a file may select a whole table.

    psycopg's `execute` would hold every result in memory until the last statement has run.
    Sources: PostgreSQL documentation, "Retrieving Query Results in Chunks"; psycopg's Cursor.stream.
    """
    connection.pgconn.send_query(text)
    connection.pgconn.set_single_row_mode()
    connection.wait(generators.send(connection.pgconn))
    failed = None
    while (result := connection.wait(generators.fetch(connection.pgconn))) is not None:
        if result.status == ExecStatus.FATAL_ERROR:
            failed = failed or result
        elif result.status not in DISCARDED:
            raise psycopg.ProgrammingError("COPY needs a client")
    if failed is not None:
        raise psycopg.errors.error_from_result(failed, connection.info.encoding)
