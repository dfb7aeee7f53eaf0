"""SQL files in MySQL: one attempt at a time, each file, as far as MySQL has one, in a transaction with its mark."""

from __future__ import annotations

from collections.abc import Iterable

from activities.databases.mysql.accounts import Mysql, rows
from activities.databases.sql_files import SqlText

MARKER_TABLE = (
    "CREATE DATABASE IF NOT EXISTS aurora_restore",
    """
    CREATE TABLE IF NOT EXISTS aurora_restore.ran_files (
        cluster_resource_id VARCHAR(60), in_database VARCHAR(64) COLLATE utf8mb4_bin, file VARCHAR(200) COLLATE utf8mb4_bin,
        digest CHAR(64) NOT NULL, ran_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (cluster_resource_id, in_database, file)) DEFAULT CHARSET utf8mb4
    """,
)
FIND_TABLE = (
    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'aurora_restore' AND TABLE_NAME = 'ran_files'"
)
FIND_MARK = (
    "SELECT digest FROM aurora_restore.ran_files"
    " WHERE cluster_resource_id = %s AND in_database = %s AND file = %s FOR UPDATE"
)
MARK = "INSERT INTO aurora_restore.ran_files (cluster_resource_id, in_database, file, digest) VALUES (%s, %s, %s, %s)"


def any_marked(connection: Mysql, restored: str, scripts: Iterable[SqlText]) -> bool:
    """Whether any of the files has been run in this restored cluster."""
    if not rows(connection, FIND_TABLE):
        return False
    return any(rows(connection, FIND_MARK, *_key(restored, script)) for script in scripts)


def run_once(connection: Mysql, restored: str, script: SqlText) -> str:
    """Run a file unless it has been run in this restored cluster; gives the digest of what was run.

    The file, then its mark, in one transaction as far as MySQL has one: at least once.
    DDL commits what stands before it; a worker that dies after that lets the next attempt run the file again.
    """
    for statement in MARKER_TABLE:
        rows(connection, statement)
    key = _key(restored, script)
    found = rows(connection, FIND_MARK, *key)
    if not found:
        _run(connection, script)
        rows(connection, MARK, *key, script.digest)
    connection.commit()
    return str(found[0][0]) if found else script.digest


def _key(restored: str, script: SqlText) -> tuple[str, str, str]:
    return restored, script.database, script.file


def _run(connection: Mysql, script: SqlText) -> None:
    """The server finds the statements' ends; their results are read, because an error stands where its own would."""
    with connection.cursor() as cursor:
        cursor.execute(script.text)
        while cursor.nextset():
            pass
