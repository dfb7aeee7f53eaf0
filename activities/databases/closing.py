"""Closes a restored database: locks its logins, ends their sessions, and disables what would act as in production."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from temporalio import activity

from activities.databases.connectors import DatabaseConnectors
from activities.databases.login_changes import LoginChanges
from activities.databases.restored_database import LockedSession
from activities.databases.sql_files import read_sql_file
from errors import PipelineError
from models.closing import ClosedDatabase, Closing
from models.clusters import CheckRestoreInput, Endpoint
from waiting.only_reads import require_leave_to_change


class DatabaseCloser:
    """Closes the database of a cluster that is still being completed: before there is a reader."""

    def __init__(self, connectors: DatabaseConnectors, sql_directory: Path | None) -> None:
        """`sql_directory` has the operator's SQL files."""
        self._connectors = connectors
        self._sql_directory = sql_directory

    def try_to_close(
        self, step_input: CheckRestoreInput, closing: Closing, endpoint: Endpoint, check_cluster: Callable[[], None]
    ) -> ClosedDatabase | None:
        """Close the database; None if that fails, for whatever reason.

        `check_cluster` raises if the endpoint belongs to another cluster by now.
        A failure fails no restore: the next poll tries again, and setup-db-users closes the database anyway, or fails with
        the error. The worker's log has it.
        """
        require_leave_to_change()
        try:
            return self._close(step_input, closing, endpoint, check_cluster)
        except (PipelineError, ClientError, BotoCoreError) as error:
            activity.logger.warning("%s: the database is not closed yet: %s", step_input.target.arn, error)
            return None

    def _close(
        self, step_input: CheckRestoreInput, closing: Closing, endpoint: Endpoint, check_cluster: Callable[[], None]
    ) -> ClosedDatabase:
        changes = LoginChanges.from_last_heartbeat()
        scripts = tuple(read_sql_file(self._sql_directory, sql_file) for sql_file in closing.sql_files)
        database = self._connectors.database(step_input.target, step_input.operation_id, endpoint)
        with database.session_lock(step_input.cluster_resource_id, scripts) as session:
            # The connection leads to the cluster that had the name when the connection was made.
            check_cluster()
            close_database(closing, session, changes)
        return changes.closed


def close_database(closing: Closing, session: LockedSession, changes: LoginChanges) -> None:
    """Let nobody in but the master user and the logins to keep: what was restored is production's data.

    Once a file of the request has run in the cluster, only the users are locked, and no side effect is disabled.
    """
    users = frozenset(closing.users)
    has_run_files = session.has_run_files
    for login in session.lock_logins(lambda name: closing.must_lock(name, has_run_files=has_run_files)):
        if login.name not in users:
            changes.add_locked(login.text)
    changes.set_closed(is_closed=True)
    if not has_run_files:
        for effect in session.disable_side_effects(users, closing.keep_side_effects):
            changes.add_side_effect(effect)
