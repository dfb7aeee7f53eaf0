"""setup-db-users: who may log in to the restored database, proven by logging in."""

from __future__ import annotations

import psycopg

from activities.passwords import password_of
from activities.postgres_roles import grant_access, set_role
from activities.step import step_activity
from clients.aws import AwsClients
from clients.postgres import PostgresConnector
from errors import DatabaseUnreachable, StepFailed
from models.database_users import SetupUsersInput, SetupUsersOutcome
from models.request import DatabaseUser
from models.steps import Step

MAINTENANCE_DATABASE = "postgres"
IDENTIFIER_BYTES = 63
"""Of a role's name. Source: PostgreSQL documentation, "Identifiers and Key Words"."""


class DatabaseUserActivities:
    """Creates or alters the wanted users, grants what they may do and logs in as each."""

    def __init__(self, aws: AwsClients, postgres: PostgresConnector) -> None:
        """`postgres` opens the connections."""
        self._aws = aws
        self._postgres = postgres

    @step_activity(Step.SETUP_DB_USERS)
    def setup_db_users(self, of: SetupUsersInput) -> SetupUsersOutcome:
        """Have every wanted user log in with the password of its secret.

        Raises `DatabaseUnreachable` (transient) if the database does not answer, `StepFailed` with the SQLSTATE if it
        refuses a statement.
        Run twice: a role that is there is altered, a grant that is there is granted again; nothing is doubled.
        """
        _check_names(of)
        passwords = {user.name: self._password(of, user.secret_id) for user in of.users}
        try:
            created = self._set_roles(of, passwords)
            self._grant(of)
            for user in of.users:
                self._verify(of, user, passwords[user.name])
        except psycopg.Error as error:
            # Not as its cause: a cause's text goes into the history as well, and PostgreSQL's quotes the statement.
            raise _refused(error) from None
        altered = tuple(user.name for user in of.users if user.name not in created)
        return SetupUsersOutcome(
            details="Users configured", resource_arns=(of.target.arn,), created=created, altered=altered
        )

    def _set_roles(self, of: SetupUsersInput, passwords: dict[str, str]) -> tuple[str, ...]:
        if not of.users:
            return ()
        with self._as_master(of, MAINTENANCE_DATABASE) as connection:
            return tuple(name for name, password in passwords.items() if set_role(connection, name, password))

    def _grant(self, of: SetupUsersInput) -> None:
        for database in dict.fromkeys(grant.database for user in of.users for grant in user.grants):
            with self._as_master(of, database) as connection:
                for user in of.users:
                    for grant in user.grants:
                        if grant.database == database:
                            grant_access(connection, user.name, grant)

    def _verify(self, of: SetupUsersInput, user: DatabaseUser, password: str) -> None:
        for database in [grant.database for grant in user.grants] or [MAINTENANCE_DATABASE]:
            with self._postgres.connect(of.endpoint, database, user.name, password) as connection:
                connection.execute("SELECT 1")

    def _as_master(self, of: SetupUsersInput, database: str) -> psycopg.Connection:
        password = self._password(of, of.endpoint.master_user_secret_id)
        return self._postgres.connect(of.endpoint, database, of.endpoint.master_username, password)

    def _password(self, of: SetupUsersInput, secret_id: str) -> str:
        return password_of(self._aws.secretsmanager(of.target, of.operation_id), secret_id)


def _check_names(of: SetupUsersInput) -> None:
    """Refuse a name that would change another role than the one it says."""
    for name in (user.name for user in of.users):
        if name == of.endpoint.master_username:
            raise StepFailed("Users not configured", f"{name} is the cluster's master user; take it out of users.")
        if len(name.encode()) > IDENTIFIER_BYTES:
            text = (
                f"{name} is longer than {IDENTIFIER_BYTES} bytes, and PostgreSQL would cut it. Choose a shorter name."
            )
            raise StepFailed("Users not configured", text)


def _refused(error: psycopg.Error) -> StepFailed | DatabaseUnreachable:
    """A statement that failed: its first line, which names what is wrong and does not quote the statement.

    A lost connection, a lock and a rival attempt ("tuple concurrently updated") pass; a refusal does not.
    """
    said = " ".join((error.diag.message_primary or type(error).__name__).split())
    if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        text = f"PostgreSQL answered {error.sqlstate}: {said}. It is tried again."
        return DatabaseUnreachable("Database busy", text, code=error.sqlstate)
    return StepFailed("Users not configured", f"PostgreSQL answered {error.sqlstate}: {said}.", code=error.sqlstate)
