"""setup-db-users: the logins of the restored database, the operator's SQL files and the checks of its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from temporalio import activity

from activities.databases.data_checks import require_expected_rows
from activities.databases.mysql.database import MysqlDatabase
from activities.databases.passwords import read_password
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.restored_database import LockedSession, RestoredDatabase
from activities.databases.sql_files import SqlScript, read_sql_file
from activities.rds.aws_errors import pipeline_error_for
from activities.rds.provenance import check_resource_id
from activities.rds.target import TargetCluster
from activities.step import step_activity
from clients.aws import AwsClients
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from errors import PipelineError, StepFailed, Transient
from limits import MAX_FACT, MAX_LOGINS, MAX_TRANSIENT_LOGINS, join_names
from models.database_users import SetupUsersInput, SetupUsersOutcome
from models.steps import Step
from models.users import OtherLogins, RanSqlFile

HEARTBEAT_EVERY = 100
"""Of the locked logins beyond those that are named: each heartbeat has all names."""


class DatabaseUserActivities:
    """Locks the logins that came with the snapshot, sets the users of the request, runs its SQL files and checks."""

    def __init__(
        self, aws: AwsClients, postgres: PostgresConnector, mysql: MysqlConnector, sql_directory: Path | None = None
    ) -> None:
        """`sql_directory` has the operator's SQL files; the connectors open the connections to the restored database."""
        self._aws = aws
        self._postgres = postgres
        self._mysql = mysql
        self._sql_directory = sql_directory

    @step_activity(Step.SETUP_DB_USERS)
    def setup_db_users(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        """Let the users of the request log in with the passwords of their secrets, and lock every other login.

        Then run the SQL files and the checks. Every user's login is verified before the first file.
        Raises `Refused` if the target's name belongs to another cluster than the one this operation restored, and
        `StepFailed` if it belongs to none; `DatabaseUnreachable` (transient) if the database does not answer;
        `StepFailed`, with the SQLSTATE or MySQL's error number, if it refuses a statement, or if a check returns other
        rows than expected.
        Source: RDS API Reference, DescribeDBClusters.
        Run twice: an existing user is altered, an existing grant is given again, an SQL file whose mark is in the
        database is not run again; only on MySQL may a file that was cut off be run again. Once a file has its mark in
        this cluster, no login is locked, no user set and no grant given, because that could undo what the file did: the
        logins are verified again, and one that fails is a warning. The outcome, or a failure, names what earlier
        attempts did as well. An attempt ends the sessions of an earlier one that still changes something.
        """
        if _has_nothing_to_do(step_input):
            return SetupUsersOutcome(
                details="Users configured", resource_arns=(step_input.target.arn,), created=(), altered=()
            )
        changes = _LoginChanges.from_last_heartbeat()
        with _name_locked_logins_in_errors(changes):
            scripts = tuple(read_sql_file(self._sql_directory, sql_file) for sql_file in step_input.sql_files)
            database = self._database(step_input)
            _require_valid_names(step_input, database)
            self._require_restored_cluster(step_input)
            with database.session_lock(_cluster_resource_id(step_input), scripts) as session:
                # Again, because the connection leads to the cluster that had the name when the connection was made.
                self._require_restored_cluster(step_input)
                # Read only now, because a password that was read long ago may have been changed since.
                passwords = {
                    user.name: self._password(step_input, user.secret_id) for user in step_input.users if user.secret_id
                }
                warnings = _set_logins(step_input, database, session, passwords, changes)
                ran = self._run_sql_files(step_input, session, scripts)
            _run_checks(step_input, database)
        return SetupUsersOutcome(
            details="Users configured",
            resource_arns=(step_input.target.arn,),
            created=tuple(changes.created),
            altered=tuple(changes.altered),
            locked=tuple(changes.locked),
            more_locked=changes.more_locked,
            sql_files=ran,
            warnings=warnings,
            facts=_facts(changes, ran),
        )

    def _run_sql_files(
        self, step_input: SetupUsersInput, session: LockedSession, scripts: tuple[SqlScript, ...]
    ) -> tuple[RanSqlFile, ...]:
        ran = []
        for script in scripts:
            # The files before may have taken hours, in which the target's name may have gone to another cluster.
            self._require_restored_cluster(step_input)
            digest = session.run_once(script)
            ran.append(RanSqlFile(file=script.file, database=script.database, digest=digest))
        return tuple(ran)

    def _require_restored_cluster(self, step_input: SetupUsersInput) -> None:
        """Raise if the target's name, and so its endpoint, does not belong to the restored cluster any more."""
        if step_input.cluster_resource_id is None:
            return
        cluster = TargetCluster(self._aws, step_input.target, step_input.operation_id).find()
        if cluster is None:
            raise StepFailed(
                "Restored cluster not found",
                f"{step_input.target.arn} does not exist any more. Find out who deleted or renamed it, then retry from "
                "restore-snapshot.",
            )
        check_resource_id(cluster, step_input.cluster_resource_id, "restored by this operation")

    def _database(self, step_input: SetupUsersInput) -> RestoredDatabase:
        password = self._password(step_input, step_input.endpoint.master_user_secret_id)
        if step_input.endpoint.engine == "aurora-mysql":
            return MysqlDatabase(self._mysql, step_input.endpoint, password)
        return PostgresDatabase(self._postgres, step_input.endpoint, password)

    def _password(self, step_input: SetupUsersInput, secret_id: str) -> str:
        return read_password(self._aws.secretsmanager(step_input.target, step_input.operation_id), secret_id)


@dataclass
class _LoginChanges:
    """The logins that all attempts of this activity have changed. Each attempt passes them on in its heartbeats.

    A snapshot may have 100,000 logins: the first `MAX_LOGINS` that were locked are named, the others counted. An attempt
    that dies may take up to `HEARTBEAT_EVERY` of the count with it.
    """

    created: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    more_locked: int = 0

    @classmethod
    def from_last_heartbeat(cls) -> _LoginChanges:
        """What the earlier attempts have changed; this attempt adds to it."""
        details = activity.info().heartbeat_details
        return cls(**details[0]) if details else cls()

    def add_locked(self, login: str) -> None:
        """Record that a login was locked."""
        if login in self.locked:
            return
        if len(self.locked) < MAX_LOGINS:
            self.locked.append(login)
            self.heartbeat()
            return
        self.more_locked += 1
        if self.more_locked % HEARTBEAT_EVERY == 0:
            self.heartbeat()

    def join_locked(self, max_characters: int) -> str:
        """The names of the locked logins, and how many more there are."""
        return join_names(self.locked, max_characters, self.more_locked)

    def heartbeat(self) -> None:
        """Send the changes to Temporal; called after every change, because a worker may die at any time."""
        activity.heartbeat(asdict(self))


@contextmanager
def _name_locked_logins_in_errors(changes: _LoginChanges) -> Iterator[None]:
    """Add the locked logins to an error that leaves the block.

    The trail keeps only the error of a failed step, and the next run of the step finds the logins locked already.
    """
    try:
        yield
    except (PipelineError, ClientError, BotoCoreError) as error:
        if not changes.locked:
            raise
        ours = error if isinstance(error, PipelineError) else pipeline_error_for(error)
        # Temporal keeps little of a transient error; the last error of the step has all names.
        limit = MAX_TRANSIENT_LOGINS if isinstance(ours, Transient) else MAX_FACT
        raise ours.with_more(f"Logins locked so far: {changes.join_locked(limit)}.") from error.__cause__


def _set_logins(
    step_input: SetupUsersInput,
    database: RestoredDatabase,
    session: LockedSession,
    passwords: dict[str, str],
    changes: _LoginChanges,
) -> tuple[str, ...]:
    """Lock, set and verify the logins before the first file; after it, only verify. Returns the warnings."""
    if session.has_run_files:
        return tuple(_verify_logins_again(step_input, database, passwords))
    _lock_other_logins(step_input, session, changes)
    _set_users(step_input, session, passwords, changes)
    for user in step_input.users:
        database.verify_login(user, passwords.get(user.name))
    return ()


def _cluster_resource_id(step_input: SetupUsersInput) -> str:
    """The input of an older history has no resource id; its marks then carry the operation id."""
    return step_input.cluster_resource_id or step_input.operation_id


def _lock_other_logins(step_input: SetupUsersInput, session: LockedSession, changes: _LoginChanges) -> None:
    """Before anything else, so that the source's passwords work on the restored cluster as briefly as possible."""
    if step_input.other_logins is OtherLogins.KEEP:
        return
    keep_logins = frozenset({user.name for user in step_input.users} | set(step_input.keep_logins))
    for login in session.lock_other_logins(keep_logins):
        changes.add_locked(login)


def _set_users(
    step_input: SetupUsersInput, session: LockedSession, passwords: dict[str, str], changes: _LoginChanges
) -> None:
    for name, is_new in session.set_users(step_input.users, passwords):
        if name not in (*changes.created, *changes.altered):
            (changes.created if is_new else changes.altered).append(name)
            changes.heartbeat()
    session.grant(step_input.users)


def _verify_logins_again(
    step_input: SetupUsersInput, database: RestoredDatabase, passwords: dict[str, str]
) -> Iterator[str]:
    """A warning for each user whose login fails. It worked before the first file, which may have closed it on purpose."""
    for user in step_input.users:
        try:
            database.verify_login(user, passwords.get(user.name))
        except PipelineError as error:
            yield f"{user.name} could log in before the SQL files, but not after them: {error.fault.message}"


def _facts(changes: _LoginChanges, ran: tuple[RanSqlFile, ...]) -> dict[str, str]:
    """What an auditor asks for: the logins that were locked, and the SQL that was run, by its digest."""
    facts = {f"sql_file {run.database}/{run.file}": f"sha256:{run.digest}" for run in ran}
    if changes.locked:
        facts["locked_logins"] = changes.join_locked(MAX_FACT)
    return facts


def _has_nothing_to_do(step_input: SetupUsersInput) -> bool:
    return step_input.other_logins is OtherLogins.KEEP and not (
        step_input.users or step_input.sql_files or step_input.checks
    )


def _require_valid_names(step_input: SetupUsersInput, database: RestoredDatabase) -> None:
    """Refuse a name that would change another login than the one it names."""
    master = step_input.endpoint.master_username
    if any(user.name == master for user in step_input.users):
        raise StepFailed("Users not configured", f"{master} is the cluster's master user. Remove it from users.")
    for reason in database.find_invalid_names(step_input.users):
        raise StepFailed("Users not configured", reason)


def _run_checks(step_input: SetupUsersInput, database: RestoredDatabase) -> None:
    for check in step_input.checks:
        with database.read_only_session(check.database) as run_query:
            require_expected_rows(check, run_query(check.query))
