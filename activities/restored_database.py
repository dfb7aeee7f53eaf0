"""What setup-db-users asks of a restored database, whichever engine it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from activities.sql_files import SqlText
from models.users import DatabaseUser

Row = tuple[Any, ...]
Ask = Callable[[str], list[Row]]


class RestoredDatabase(Protocol):
    """One engine's way. Every method raises the errors of errors.py only, and none of them holds a statement."""

    def faults_of_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """What the engine would refuse, or cut, of the names in the request."""

    def lock_others(self, stay: frozenset[str]) -> Iterator[str]:
        """Let nobody log in but the named, the master user and the service's own; gives each who was locked just now."""

    def set_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Have the users, with their passwords or by IAM; gives each as soon as it is set, and whether it is new."""

    def grant(self, users: tuple[DatabaseUser, ...]) -> None:
        """Give the users what the request lists."""

    def prove_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user; one of IAM is only looked at, since a token needs AWS."""

    def begun(self, operation_id: str, scripts: tuple[SqlText, ...]) -> bool:
        """Whether this operation has run any of the files; no earlier attempt is still running one after this."""

    def run_once(self, operation_id: str, script: SqlText) -> str:
        """Run a file unless this operation has run it; gives the digest of what was run."""

    def reading(self, database: str) -> AbstractContextManager[Ask]:
        """Ask queries as the master user, without the right to change anything."""
