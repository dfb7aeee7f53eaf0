"""What setup-db-users asks of a restored database, whichever engine it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from activities.databases.sql_files import SqlText
from models.users import DatabaseUser

Row = tuple[Any, ...]
Ask = Callable[[str], list[Row]]


class SessionLock(Protocol):
    """One attempt's turn at the logins and files. Whoever takes the next one ends the sessions of this one.

    So a worker that stood still in its turn and wakes changes nothing any more that a later attempt has set: each
    statement fails, as `DatabaseUnreachable`.
    """

    files_begun: bool
    """Whether any of the SQL files has been run in this restored cluster; none is being run."""

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """Let nobody log in but the named, the master user and the service's own; gives each who was locked just now."""

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Have the users, with their passwords or by IAM; gives each as soon as it is set, and whether it is new."""

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Give the users what the request lists."""

    def run_once(self, script: SqlText) -> str:
        """Run a file unless it has been run in this restored cluster; gives the digest of what was run."""


class RestoredDatabase(Protocol):
    """One engine's way. Every method raises the errors of errors.py only, and none of them holds a statement."""

    def faults_of_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """What the engine would refuse, or cut, of the names in the request."""

    def turn(self, restored: str, scripts: tuple[SqlText, ...]) -> AbstractContextManager[SessionLock]:
        """Take the turn; an earlier attempt that has it, or runs a file, is ended first.

        `restored` is the resource id of the cluster that was restored.
        """

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user; one of IAM is only looked at, since a token needs AWS."""

    def reading(self, database: str) -> AbstractContextManager[Ask]:
        """Ask queries as the master user, without the right to change anything."""
