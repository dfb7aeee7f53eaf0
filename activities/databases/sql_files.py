"""The operator's own SQL files: read only below the worker's directory, and identified by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.databases.sql_errors import OperatorSql
from activities.databases.sql_traps import find_traps
from errors import StepFailed
from models.users import SqlFile

MARKER = "aurora_restore"
"""The schema, on MySQL the database, whose table lists the files that were run, by restored cluster.

The cluster is identified by its resource id, which no other cluster ever has: a snapshot may contain marks of an
operation that restored its source and had the same number.
"""

MAX_LISTED = 3
"""How many traps of a file are listed."""
MAX_BYTES = 10_000_000
"""Of a file. MySQL accepts at most max_allowed_packet at once, and PyMySQL sends at most 16 MiB."""


@dataclass(frozen=True)
class SqlScript(OperatorSql):
    """The content of one SQL file, and the database in which it runs."""

    database: str
    digest: str
    """SHA-256 of the file, in hexadecimal."""
    run_as: str | None = None
    """The role that runs it, or None for the master user."""

    @property
    def file(self) -> str:
        """Its path below the worker's directory, as the request names it."""
        return self.name


def unusable_sql_files(directory: Path | None, names: Iterable[str]) -> list[str]:
    """One sentence for each file that cannot be run. No file outside of the directory is read.

    `directory` is the worker's setting, `names` are those of the request.
    """
    reasons = []
    for name in dict.fromkeys(names):
        try:
            read_operator_file(directory, name)
        except ValueError as error:
            reasons.append(str(error))
    return reasons


def find_traps_in_files(directory: Path | None, engine: str, names: Iterable[str]) -> Iterator[str]:
    """One sentence for each file that cannot run on the engine, with its lines. A file that cannot be read is left out."""
    for name in dict.fromkeys(names):
        try:
            content = read_operator_file(directory, name)
        except ValueError:
            continue
        traps = [f"{trap.what} (line {trap.line})" for trap in find_traps(engine, content.decode("utf-8-sig"))]
        if traps:
            more = f"; and {len(traps) - MAX_LISTED} more" if len(traps) > MAX_LISTED else ""
            yield f"{name} has {'; '.join(traps[:MAX_LISTED])}{more}"


def read_sql_file(directory: Path | None, sql_file: SqlFile) -> SqlScript:
    """Read a file of the request. Raises `StepFailed` if it cannot be run."""
    try:
        content = read_operator_file(directory, sql_file.file)
    except ValueError as error:
        raise StepFailed("SQL file not usable", f"{error}.") from None
    digest = hashlib.sha256(content).hexdigest()
    return SqlScript(sql_file.file, content.decode("utf-8-sig"), sql_file.database, digest, sql_file.run_as)


def read_operator_file(directory: Path | None, name: str) -> bytes:
    """Raises ValueError with the reason; the text quotes nothing of the file."""
    if directory is None:
        raise ValueError(f"{name}: the worker has no directory for SQL files; set AURORA_RESTORE_SQL_DIRECTORY")
    base = directory.resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        raise ValueError(f"{name} is outside of AURORA_RESTORE_SQL_DIRECTORY; only files below it can be run")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name} cannot be read in AURORA_RESTORE_SQL_DIRECTORY: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{name} is larger than {MAX_BYTES:,} bytes; split it")
    # A driver would send only the text before a NUL.
    if b"\x00" in content or not _is_utf8(content):
        raise ValueError(f"{name} is not UTF-8 text; save it as UTF-8")
    return content


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
