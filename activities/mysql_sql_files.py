"""SQL files in MySQL: one attempt at a time, each file, as far as MySQL has one, in a transaction with its mark."""

from __future__ import annotations

from collections.abc import Iterable

from activities.mysql_users import Mysql, end_session, rows
from activities.sql_files import SqlText
from errors import DatabaseUnreachable

MARKER_TABLE = (
    "CREATE DATABASE IF NOT EXISTS aurora_restore",
    """
    CREATE TABLE IF NOT EXISTS aurora_restore.sql_files (
        cluster_resource_id VARCHAR(60), in_database VARCHAR(64) COLLATE utf8mb4_bin, file VARCHAR(200) COLLATE utf8mb4_bin,
        digest CHAR(64) NOT NULL, ran_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (cluster_resource_id, in_database, file)) DEFAULT CHARSET utf8mb4
    """,
)
FIND_TABLE = (
    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'aurora_restore' AND TABLE_NAME = 'sql_files'"
)
FIND_MARK = (
    "SELECT digest FROM aurora_restore.sql_files"
    " WHERE cluster_resource_id = %s AND in_database = %s AND file = %s FOR UPDATE"
)
MARK = "INSERT INTO aurora_restore.sql_files (cluster_resource_id, in_database, file, digest) VALUES (%s, %s, %s, %s)"
LOCK = "aurora-restore"
LOCK_SECONDS, LOCK_TRIES = 20, 180
"""Together as long as an ended session may need to take back what it did: MySQL needs about as long as it worked."""


def take_lock(connection: Mysql) -> None:
    """Until the connection ends. Whoever has it is another attempt, and its session is ended.

    Most likely its worker died or stands still, and in the middle of a file the session would go on for as long as the
    file does. Should a frozen worker wake and end the newer one's, that is made again.
    Raises `DatabaseUnreachable` (transient) if that session is still there after long.
    Source: MySQL Reference Manual, "Locking Functions".
    """
    for _ in range(LOCK_TRIES):
        # Each time anew: an attempt that was lost while it waited may have had its turn.
        [(holder,)] = rows(connection, f"SELECT IS_USED_LOCK('{LOCK}')")
        if holder is not None:
            end_session(connection, int(holder))
        if rows(connection, f"SELECT GET_LOCK('{LOCK}', {LOCK_SECONDS})") == [(1,)]:
            return
    text = "an earlier attempt's session, which was told to end, has the lock of the SQL files. It is tried again."
    raise DatabaseUnreachable("Database busy", text)


def any_marked(connection: Mysql, restored: str, scripts: Iterable[SqlText]) -> bool:
    """Whether any of the files has been run in this restored cluster."""
    if not rows(connection, FIND_TABLE):
        return False
    return any(rows(connection, FIND_MARK, *_key(restored, script)) for script in scripts)


def run_once(connection: Mysql, restored: str, script: SqlText) -> str:
    """Run a file unless it has been run in this restored cluster; gives the digest of what was run."""
    take_lock(connection)
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
