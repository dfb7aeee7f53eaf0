"""What setup-db-users needs from a restored database, on either engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from activities.databases.masking.key import MaskingKey
from activities.databases.masking.schema import Schema
from activities.databases.masking.units import Unit
from activities.databases.sql_files import SqlScript
from models.side_effects import KeptSideEffects, SideEffect
from models.users import DatabaseUser

Row = tuple[Any, ...]
RunQuery = Callable[[str], list[Row]]
MustLock = Callable[[str], bool]
"""Whether the login of this name must not be able to log in before the database is open."""


class Login(NamedTuple):
    """A login of the server."""

    name: str
    """As a request names it."""
    text: str
    """As the trail names it: on MySQL with its host."""


class LockedSession(Protocol):
    """The session of the one attempt that holds the session lock, and what the attempt does under the lock.

    The session lock is an advisory lock in PostgreSQL and GET_LOCK in MySQL. The next attempt that takes it ends this
    session, and every session in which this attempt grants or runs a file. So a frozen worker that wakes changes nothing
    that a later attempt has set: each of its statements fails as `DatabaseUnreachable`.
    """

    has_run_files: bool
    """Whether any of the SQL files was run in this restored cluster; none of them is running now."""

    def lock_logins(self, must_lock: MustLock) -> Iterator[Login]:
        """Lock every login that `must_lock` names, then end its sessions and all other sessions of the master user.

        Never locked: the master user, and the logins of RDS and of the engine. Yields each login as soon as it is locked.
        """

    def disable_side_effects(self, users: Iterable[str], keep: KeptSideEffects) -> Iterator[SideEffect]:
        """Disable what would act by itself as in production, and is not kept. Yields what was found, one by one.

        `users` are the users of the request, who are locked now and opened later.
        """

    def create_users(self, users: tuple[DatabaseUser, ...]) -> Iterator[tuple[str, bool]]:
        """Create the users that do not exist, locked. Yields each name, and whether the user is new."""

    def grant(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Give the users the grants of the request. Yields a warning for each user that can do less or more than that."""

    def open_users(self, users: tuple[DatabaseUser, ...], passwords: dict[str, str]) -> None:
        """Set the users' passwords, or IAM, and unlock them."""

    def run_once(self, script: SqlScript) -> str:
        """Run a file unless it was run in this restored cluster; returns the digest of what was run."""

    def explain_masking(self, unit: Unit, key: MaskingKey | None) -> None:
        """Have the server parse and plan the statements that mask the tables. Raises `StepFailed` if it refuses one."""

    def mask_once(self, unit: Unit, key: MaskingKey | None) -> int:
        """Mask tables together unless they were masked in this restored cluster; returns how many rows changed."""

    def refresh_views(self, database: str) -> tuple[str, ...]:
        """Make the rows of materialized views anew from masked tables. Returns those that could only be emptied."""


class RestoredDatabase(Protocol):
    """One engine's implementation. Every method raises only errors of errors.py, and no error quotes a statement."""

    def find_invalid_names(self, users: tuple[DatabaseUser, ...]) -> Iterator[str]:
        """Names of the request that the engine would refuse or truncate, one sentence for each."""

    def session_lock(
        self, cluster_resource_id: str, scripts: tuple[SqlScript, ...]
    ) -> AbstractContextManager[LockedSession]:
        """Hold the session lock while the block runs. The sessions of an earlier attempt are ended first.

        `cluster_resource_id` is the restored cluster's.
        """

    def read_schema(self) -> Schema:
        """Every table of every database that is not the engine's, RDS's or the pipeline's own."""

    def verify_master_login(self) -> None:
        """Log in as the master user."""

    def verify_login(self, user: DatabaseUser, password: str | None) -> None:
        """Log in as the user. For a user of IAM only the account is checked, because a token needs AWS."""

    def read_only_session(self, database: str, run_as: str | None = None) -> AbstractContextManager[RunQuery]:
        """Run queries in a session that cannot change anything, as the master user or as `run_as`."""
