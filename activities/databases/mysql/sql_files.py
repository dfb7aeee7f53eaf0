"""SQL files in MySQL: each runs in one transaction with the mark that says so, as far as MySQL has transactions."""

from __future__ import annotations

from collections.abc import Iterable

from pymysql.err import MySQLError

from activities.databases.mysql.accounts import MysqlConnection, execute
from activities.databases.mysql.errors import translated_error
from activities.databases.sql_files import SqlScript

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
INSERT_MARK = (
    "INSERT INTO aurora_restore.ran_files (cluster_resource_id, in_database, file, digest) VALUES (%s, %s, %s, %s)"
)


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
    key = _key(cluster_resource_id, script)
    marks = execute(connection, FIND_MARK, *key)
    if not marks:
        _run(connection, script)
        execute(connection, INSERT_MARK, *key, script.digest)
    connection.commit()
    return str(marks[0][0]) if marks else script.digest


def _key(cluster_resource_id: str, script: SqlScript) -> tuple[str, str, str]:
    return cluster_resource_id, script.database, script.file


def file_failed(script: SqlScript) -> str:
    """The short text of a failure of this file."""
    return f"SQL file failed: {script.file}"


def _run(connection: MysqlConnection, script: SqlScript) -> None:
    """Send the file as it is, and read every result: the error of a statement comes in place of its result.

    Raises our error, with how many results came before: MySQL counts lines in the statement, not in the file.
    """
    results = 0
    with connection.cursor() as cursor:
        try:
            cursor.execute(script.text)
            results += 1
            while cursor.nextset():
                results += 1
        except MySQLError as error:
            raise translated_error(error, file_failed(script), script, f" after {results} results") from None
