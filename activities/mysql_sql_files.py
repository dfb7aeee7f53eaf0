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
        operation_id VARCHAR(40), in_database VARCHAR(64) COLLATE utf8mb4_bin, file VARCHAR(200) COLLATE utf8mb4_bin,
        digest CHAR(64) NOT NULL, ran_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        PRIMARY KEY (operation_id, in_database, file)) DEFAULT CHARSET utf8mb4
    """,
)
FIND_TABLE = (
    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'aurora_restore' AND TABLE_NAME = 'sql_files'"
)
FIND_MARK = (
    "SELECT digest FROM aurora_restore.sql_files WHERE operation_id = %s AND in_database = %s AND file = %s FOR UPDATE"
)
MARK = "INSERT INTO aurora_restore.sql_files (operation_id, in_database, file, digest) VALUES (%s, %s, %s, %s)"
LOCK = "aurora-restore"
LOCK_SECONDS, LOCK_TRIES = 20, 180
"""Together as long as an ended session may need to take back what it did: MySQL needs about as long as it worked."""


def take_lock(connection: Mysql) -> None:
    """Until the connection ends. Whoever has it is another attempt, and its session is ended.

    Most likely its worker died or stands still in the middle of a file, and the session would go on for as long as the
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


def any_marked(connection: Mysql, operation_id: str, scripts: Iterable[SqlText]) -> bool:
    """Whether this operation has run any of the files."""
    if not rows(connection, FIND_TABLE):
        return False
    return any(rows(connection, FIND_MARK, *_key(operation_id, script)) for script in scripts)


def run_once(connection: Mysql, operation_id: str, script: SqlText) -> str:
    """Run a file unless this operation has run it; gives the digest of what was run."""
    take_lock(connection)
    for statement in MARKER_TABLE:
        rows(connection, statement)
    key = _key(operation_id, script)
    found = rows(connection, FIND_MARK, *key)
    if not found:
        _run(connection, script)
        rows(connection, MARK, *key, script.digest)
    connection.commit()
    return str(found[0][0]) if found else script.digest


def _key(operation_id: str, script: SqlText) -> tuple[str, str, str]:
    return operation_id, script.database, script.file


def _run(connection: Mysql, script: SqlText) -> None:
    """The server finds the statements' ends; their results are read, because an error stands where its own would."""
    with connection.cursor() as cursor:
        cursor.execute(script.text)
        while cursor.nextset():
            pass
