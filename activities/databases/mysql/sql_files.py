"""SQL files in MySQL: each runs in one transaction with the mark that says so, as far as MySQL has transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from pymysql.constants import ER
from pymysql.cursors import SSCursor
from pymysql.err import MySQLError

from activities.databases.mysql.accounts import MysqlConnection, execute
from activities.databases.mysql.errors import translated_error
from activities.databases.sql_files import SqlScript
from activities.databases.sql_traps import MYSQL, find_traps
from clients.mysql import error_code
from errors import StepFailed

CREATE_MARKER_TABLE = (
    "CREATE DATABASE IF NOT EXISTS aurora_restore",
    """
    CREATE TABLE IF NOT EXISTS aurora_restore.ran_files (
        cluster_resource_id VARCHAR(60), in_database VARCHAR(64) COLLATE utf8mb4_bin, file VARCHAR(200) COLLATE utf8mb4_bin,
        digest CHAR(64) NOT NULL, ran_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (cluster_resource_id, in_database, file)) DEFAULT CHARSET utf8mb4
    """,
)
FIND_MARKER_TABLE = (
    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'aurora_restore' AND TABLE_NAME = 'ran_files'"
)
FIND_MARK = (
    "SELECT digest FROM aurora_restore.ran_files"
    " WHERE cluster_resource_id = %s AND in_database = %s AND file = %s FOR UPDATE"
)
WRITE_MARK = (
    "REPLACE INTO aurora_restore.ran_files (cluster_resource_id, in_database, file, digest) VALUES (%s, %s, %s, %s)"
)
LIST_MARKS = "SELECT in_database, file, digest FROM aurora_restore.ran_files WHERE cluster_resource_id = %s"
Marks: TypeAlias = dict[tuple[str, str], str]
"""The digests of the files that were run in a restored cluster, by database and file."""


def has_mark(connection: MysqlConnection, cluster_resource_id: str, scripts: Iterable[SqlScript]) -> bool:
    """Whether any of the files was run in this restored cluster; the marks of all databases are in one table."""
    if not execute(connection, FIND_MARKER_TABLE):
        return False
    return any(execute(connection, FIND_MARK, *_key(cluster_resource_id, script)) for script in scripts)


def run_once(connection: MysqlConnection, cluster_resource_id: str, script: SqlScript) -> str:
    """Run a file unless it was run in this restored cluster, then commit; returns the digest of what was run.

    At least once: DDL commits the statements before it. If the worker dies after that and before the mark, the next
    attempt runs the file again.
    """
    for statement in CREATE_MARKER_TABLE:
        execute(connection, statement)
    if found := execute(connection, FIND_MARK, *_key(cluster_resource_id, script)):
        connection.commit()
        return str(found[0][0])
    marks = _list_marks(connection, cluster_resource_id)
    role, rollbacks = _active_role(connection), _count_rollbacks(connection)
    _run(connection, script)
    if _count_rollbacks(connection) != rollbacks:
        text = f"{script.file} rolls back the transaction that it runs in, so what it did is gone. Remove ROLLBACK from it."
        raise StepFailed("SQL file ends its transaction", text)
    _leave_no_trace(connection, role)
    _write_marks(connection, cluster_resource_id, marks | {(script.database, script.file): script.digest})
    connection.commit()
    return script.digest


def _list_marks(connection: MysqlConnection, cluster_resource_id: str) -> Marks:
    rows = execute(connection, LIST_MARKS, cluster_resource_id)
    return {(database, file): digest for database, file, digest in rows}


def _write_marks(connection: MysqlConnection, cluster_resource_id: str, marks: Marks) -> None:
    """Insert the file's mark, and again every mark that the file removed: it may truncate or drop every database.

    TRUNCATE and DROP are committed at once: if the worker dies before this, the marks stay lost.
    """
    if not execute(connection, FIND_MARKER_TABLE):
        for statement in CREATE_MARKER_TABLE:
            execute(connection, statement)
    for (database, file), digest in marks.items():
        execute(connection, WRITE_MARK, cluster_resource_id, database, file, digest)


def _count_rollbacks(connection: MysqlConnection) -> int:
    """The ROLLBACK statements of the session so far, those of procedures included.

    Source: MySQL Reference Manual, "Server Status Variables", Com_xxx.
    """
    rows = execute(connection, "SHOW SESSION STATUS LIKE 'Com_rollback'")
    return int(rows[0][1]) if rows else 0


def _active_role(connection: MysqlConnection) -> str:
    """For SET ROLE; "" on MySQL 5.7, which has no roles."""
    try:
        [(role,)] = execute(connection, "SELECT CURRENT_ROLE()")
    except MySQLError as error:
        if error_code(error) != ER.SP_DOES_NOT_EXIST:
            raise
        return ""
    return str(role or "NONE")


def _leave_no_trace(connection: MysqlConnection, role: str) -> None:
    """A file may end with another role, or with locked tables; UNLOCK TABLES then commits what it did."""
    execute(connection, "UNLOCK TABLES")
    if role and _active_role(connection) != role:
        execute(connection, f"SET ROLE {role}")


def _key(cluster_resource_id: str, script: SqlScript) -> tuple[str, str, str]:
    return cluster_resource_id, script.database, script.file


def file_failed(script: SqlScript) -> str:
    """The short text of a failure of this file."""
    return f"SQL file failed: {script.file}"


def _run(connection: MysqlConnection, script: SqlScript) -> None:
    """Send the file as it is, and discard every row as it comes: a file may select a whole table.

    The error of a statement comes in place of its result. Raises our error, with how many results came before: MySQL
    counts lines in the statement, not in the file.
    """
    results = 0
    with connection.cursor(SSCursor) as cursor:
        try:
            cursor.execute(script.text)
            while True:
                while cursor.fetchone() is not None:
                    pass
                results += 1
                if not cursor.nextset():
                    return
        except MySQLError as error:
            place = f" after {results} results"
            if error_code(error) == ER.PARSE_ERROR and (traps := list(find_traps(MYSQL, script.text))):
                place += f"; the file has {traps[0].what} (line {traps[0].line})"
            raise translated_error(error, file_failed(script), script, place) from None
