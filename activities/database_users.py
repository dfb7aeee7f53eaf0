"""setup-db-users: who may log in to the restored database, proven by logging in, and what its data must be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from temporalio import activity

from activities.clusters import another_cluster
from activities.databases.data_checks import hold_against
from activities.databases.mysql.database import MysqlDatabase
from activities.databases.passwords import read_password
from activities.databases.postgres.database import PostgresDatabase
from activities.databases.restored_database import RestoredDatabase, SessionLock
from activities.databases.sql_files import SqlText, read_sql_file
from activities.rds.aws_errors import pipeline_error_for
from activities.step import step_activity
from clients.aws import AwsClients
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from clients.rds import find_cluster
from errors import PipelineError, StepFailed, Transient
from models.database_users import SetupUsersInput, SetupUsersOutcome
from models.steps import Step
from models.users import OtherLogins, RanSqlFile

LONGEST_FACT = 4000
"""Characters: more names than anybody reads, and a row of the trail stays small."""
LONGEST_IF_TRANSIENT = 300
"""Characters. Temporal keeps 4 KiB of an error that is tried again, and of a longer one neither class nor text."""


class DatabaseUserActivities:
    """Locks out whom the snapshot brought, lets in whom the request lists, runs its SQL files and checks the data."""

    def __init__(
        self, aws: AwsClients, postgres: PostgresConnector, mysql: MysqlConnector, sql_directory: Path | None = None
    ) -> None:
        """The connectors open the connections; below `sql_directory` lie the operator's SQL files."""
        self._aws = aws
        self._postgres = postgres
        self._mysql = mysql
        self._sql_directory = sql_directory

    @step_activity(Step.SETUP_DB_USERS)
    def setup_db_users(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        """Have every wanted user log in with the password of its secret, and nobody else of whom the request is silent.

        Raises `Refused` if the target's name leads to another cluster than the night restored, `StepFailed` if to none;
        `DatabaseUnreachable` (transient) if the database does not answer, `StepFailed` with the SQLSTATE or the
        number of MySQL's error if it refuses a statement, or if a check finds other data than was wanted.
        Source: RDS API Reference, DescribeDBClusters.
        Run twice: a user that is there is altered, a grant that is there is granted again, an SQL file that is marked
        as run is left out; only on MySQL may one that was cut off be run again. Once a file is marked in this cluster,
        no login is locked, no user set and no grant given any more, which could undo what the file did: the logins are
        proven again, and one that cannot be is a warning. The answer names what earlier attempts did as well, a failure
        whose login was closed by then. An attempt ends the sessions of an earlier one that still changes something.
        """
        if _nothing_asked(step_input):
            return SetupUsersOutcome(
                details="Users configured", resource_arns=(step_input.target.arn,), created=(), altered=()
            )
        done = _Done.so_far()
        with _saying_whom(done):
            scripts = tuple(read_sql_file(self._sql_directory, wanted) for wanted in step_input.sql_files)
            database = self._database(step_input)
            _check_names(step_input, database)
            self._look_at_cluster(step_input)
            with database.turn(_restored(step_input), scripts) as turn:
                # Once more: the connection is open, and leads to whatever had the name when it was made.
                self._look_at_cluster(step_input)
                # Not before: a password that was read long ago may have been changed since.
                passwords = {
                    user.name: self._password(step_input, user.secret_id) for user in step_input.users if user.secret_id
                }
                warnings = _users(step_input, database, turn, passwords, done)
                ran = [self._run(step_input, turn, script) for script in scripts]
            _check(step_input, database)
        return SetupUsersOutcome(
            details="Users configured",
            resource_arns=(step_input.target.arn,),
            created=tuple(done.created),
            altered=tuple(done.altered),
            locked=tuple(done.locked),
            sql_files=tuple(ran),
            warnings=warnings,
            facts=_facts(done.locked, ran),
        )

    def _run(self, step_input: SetupUsersInput, turn: SessionLock, script: SqlText) -> RanSqlFile:
        # The files before may have taken hours, in which anybody may have given the target's name to another cluster.
        self._look_at_cluster(step_input)
        return RanSqlFile(file=script.file, database=script.database, digest=turn.run_once(script))

    def _look_at_cluster(self, step_input: SetupUsersInput) -> None:
        """An endpoint is found by the cluster's name, which another cluster may have by now."""
        if step_input.cluster_resource_id is None:
            return
        cluster = find_cluster(self._aws.rds(step_input.target, step_input.operation_id), step_input.target.cluster)
        if cluster is None:
            raise StepFailed(
                "Restored cluster not found", f"{step_input.target.arn} is gone. See who deleted it; start again."
            )
        if cluster["DbClusterResourceId"] != step_input.cluster_resource_id:
            raise another_cluster(cluster, step_input.cluster_resource_id, "this operation restored")

    def _database(self, step_input: SetupUsersInput) -> RestoredDatabase:
        password = self._password(step_input, step_input.endpoint.master_user_secret_id)
        if step_input.endpoint.engine == "aurora-mysql":
            return MysqlDatabase(self._mysql, step_input.endpoint, password)
        return PostgresDatabase(self._postgres, step_input.endpoint, password)

    def _password(self, step_input: SetupUsersInput, secret_id: str) -> str:
        return read_password(self._aws.secretsmanager(step_input.target, step_input.operation_id), secret_id)


@dataclass
class _Done:
    """What the attempts of one call did, this one and those before it: told to Temporal, which tells the next."""

    created: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)

    @classmethod
    def so_far(cls) -> _Done:
        """What earlier attempts did, to be added to."""
        told = activity.info().heartbeat_details
        return cls(**told[0]) if told else cls()

    def tell(self) -> None:
        """After every change, since a worker may die at any time."""
        activity.heartbeat(asdict(self))


@contextmanager
def _saying_whom(done: _Done) -> Iterator[None]:
    """A failure is all that the trail keeps of its call, and the next call finds closed logins closed."""
    try:
        yield
    except (PipelineError, ClientError, BotoCoreError) as error:
        if not done.locked:
            raise
        told = error if isinstance(error, PipelineError) else pipeline_error_for(error)
        # What is tried again is told in full in the end, and Temporal keeps little of its error meanwhile.
        names = _names(done.locked, LONGEST_IF_TRANSIENT if isinstance(told, Transient) else LONGEST_FACT)
        raise told.with_more(f"Logins closed by then: {names}.") from error.__cause__


def _users(
    step_input: SetupUsersInput, database: RestoredDatabase, turn: SessionLock, passwords: dict[str, str], done: _Done
) -> tuple[str, ...]:
    """Before the first file only; gives what became of that since, as warnings."""
    if turn.files_begun:
        return tuple(_prove_again(step_input, database, passwords))
    _lock_others(step_input, turn, done)
    _set_users(step_input, turn, passwords, done)
    for user in step_input.users:
        database.prove_login(user, passwords.get(user.name))
    return ()


def _restored(step_input: SetupUsersInput) -> str:
    """A night that an earlier version began does not say which cluster it restored."""
    return step_input.cluster_resource_id or step_input.operation_id


def _lock_others(step_input: SetupUsersInput, turn: SessionLock, done: _Done) -> None:
    """First of all, so that production's passwords open the copy for as short as possible."""
    if step_input.other_logins is OtherLogins.KEEP:
        return
    for login in turn.lock_others(frozenset({user.name for user in step_input.users} | set(step_input.keep_logins))):
        if login not in done.locked:
            done.locked.append(login)
            done.tell()


def _set_users(step_input: SetupUsersInput, turn: SessionLock, passwords: dict[str, str], done: _Done) -> None:
    for name, new in turn.set_users(step_input.users, passwords):
        if name not in (*done.created, *done.altered):
            (done.created if new else done.altered).append(name)
            done.tell()
    turn.grant(step_input.users)


def _prove_again(step_input: SetupUsersInput, database: RestoredDatabase, passwords: dict[str, str]) -> Iterator[str]:
    """Every user logged in before the first file; what does not any more may be what a file wanted."""
    for user in step_input.users:
        try:
            database.prove_login(user, passwords.get(user.name))
        except PipelineError as error:
            yield f"{user.name} could log in before the SQL files and was not seen to since: {error.fault.message}"


def _facts(locked: list[str], ran: list[RanSqlFile]) -> dict[str, str]:
    """What an auditor will ask for: whose login was closed, and which SQL was run, by its digest."""
    facts = {f"sql_file {run.database}/{run.file}": f"sha256:{run.digest}" for run in ran}
    if locked:
        facts["locked_logins"] = _names(locked, LONGEST_FACT)
    return facts


def _names(logins: list[str], characters: int) -> str:
    return ", ".join(logins)[:characters]


def _nothing_asked(step_input: SetupUsersInput) -> bool:
    return step_input.other_logins is OtherLogins.KEEP and not (
        step_input.users or step_input.sql_files or step_input.checks
    )


def _check_names(step_input: SetupUsersInput, database: RestoredDatabase) -> None:
    """Refuse a name that would change another login than the one it says."""
    if any(user.name == step_input.endpoint.master_username for user in step_input.users):
        text = f"{step_input.endpoint.master_username} is the cluster's master user; take it out of users."
        raise StepFailed("Users not configured", text)
    for fault in database.faults_of_names(step_input.users):
        raise StepFailed("Users not configured", fault)


def _check(step_input: SetupUsersInput, database: RestoredDatabase) -> None:
    for check in step_input.checks:
        with database.reading(check.database) as ask:
            hold_against(check, ask(check.query))
