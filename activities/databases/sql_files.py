"""The operator's own SQL files: found only below the worker's directory, and known by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from errors import StepFailed
from models.users import SqlFile

MARKER = "aurora_restore"
"""The schema, on MySQL the database, that says in which restored cluster which files were run.

By the cluster's resource id, which no other ever has: a snapshot may bring marks along, of a night of its own source
that had the same number.
"""

LONGEST_FILE = 10_000_000
"""Bytes. MySQL takes at most max_allowed_packet at once, and PyMySQL sends at most 16 MiB."""


@dataclass(frozen=True)
class SqlText:
    """What a file says."""

    file: str
    database: str
    text: str
    digest: str


def unusable_sql_files(directory: Path | None, files: Iterable[str]) -> list[str]:
    """What is wrong with each file that cannot be run; none is read outside of the directory.

    `directory` is the worker's setting, `files` the names in the request.
    """
    faults = []
    for name in dict.fromkeys(files):
        try:
            _content(directory, name)
        except ValueError as error:
            faults.append(str(error))
    return faults


def read_sql_file(directory: Path | None, wanted: SqlFile) -> SqlText:
    """A file of the request. Raises `StepFailed` if it cannot be run."""
    try:
        content = _content(directory, wanted.file)
    except ValueError as error:
        raise StepFailed("SQL file not usable", f"{error}.") from None
    digest = hashlib.sha256(content).hexdigest()
    return SqlText(wanted.file, wanted.database, content.decode("utf-8-sig"), digest)


def _content(directory: Path | None, name: str) -> bytes:
    """Raises ValueError with what is wrong; nothing of what is in the file is quoted."""
    if directory is None:
        raise ValueError(f"{name}: the worker has no directory for SQL files; set AURORA_RESTORE_SQL_DIRECTORY")
    base = directory.resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        raise ValueError(f"{name} leads out of AURORA_RESTORE_SQL_DIRECTORY; only files below it are run")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name} cannot be read in AURORA_RESTORE_SQL_DIRECTORY: {error.strerror}") from None
    if len(content) > LONGEST_FILE:
        raise ValueError(f"{name} is longer than {LONGEST_FILE:,} bytes; split it")
    # A driver would send only what stands before a NUL.
    if b"\x00" in content or not _is_utf8(content):
        raise ValueError(f"{name} is not UTF-8 text")
    return content


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
