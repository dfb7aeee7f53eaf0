"""The operator's SQL files: whether they can be read, and whether a server understands them and the request's fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.databases.engine_fields import find_fields_of_other_engine
from activities.databases.sql_files import find_traps_in_files, unusable_sql_files
from activities.preflight.guards import PreflightCheck, Violation
from models.users import DatabaseUser, SqlFile


def sql_file_checks(
    directory: Path | None, users: tuple[DatabaseUser, ...], files: tuple[SqlFile, ...], engine: str
) -> list[PreflightCheck]:
    """`directory` has the files; `engine` is the snapshot's."""
    names = tuple(sql_file.file for sql_file in files)
    return [
        PreflightCheck(("sql-files",), lambda: _find_unusable(directory, names)),
        PreflightCheck(("sql-syntax",), lambda: _find_traps(directory, names, engine)),
        PreflightCheck(("engine-fields",), lambda: _find_fields_of_other_engine(engine, users, files)),
    ]


def _find_unusable(directory: Path | None, names: tuple[str, ...]) -> Iterator[Violation]:
    for fault in unusable_sql_files(directory, names):
        yield Violation("sql-files", "SQL file not usable", fault)


def _find_traps(directory: Path | None, names: tuple[str, ...], engine: str) -> Iterator[Violation]:
    for traps in find_traps_in_files(directory, engine, names):
        yield Violation(
            "sql-syntax",
            "SQL file cannot run",
            f"{traps}. The file is sent to the server as it is, in one transaction with its mark. "
            "Remove these lines from the file.",
        )


def _find_fields_of_other_engine(
    engine: str, users: tuple[DatabaseUser, ...], files: tuple[SqlFile, ...]
) -> Iterator[Violation]:
    for fault in find_fields_of_other_engine(engine, users, files):
        yield Violation("engine-fields", "Field of another engine", f"{fault}.")
