"""setup-db-users: the logins of the restored database, its masking, the operator's SQL files and the checks of its data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from activities.databases.closing import close_database
from activities.databases.connectors import DatabaseConnectors
from activities.databases.data_checks import require_expected_rows
from activities.databases.engine_fields import find_fields_of_other_engine
from activities.databases.login_changes import LoginChanges
from activities.databases.masking.key import read_masking_key
from activities.databases.masking.packed_schema import pack_schema
from activities.databases.masking.run import DatabaseMasking
from activities.databases.passwords import read_password
from activities.databases.restored_database import LockedSession, RestoredDatabase
from activities.databases.sql_files import SqlScript, read_sql_file
from activities.preflight.live_target import require_own_target
from activities.rds.aws_errors import pipeline_error_for
from activities.rds.endpoints import find_endpoint
from activities.rds.provenance import check_still_restored
from activities.rds.target import TargetCluster
from activities.step import named_activity, step_activity
from clients.aws import AwsClients
from errors import PipelineError, StepFailed, Transient
from limits import MAX_FACT, MAX_TRANSIENT_LOGINS
from models.checks import Comparison, checks_fact
from models.closing import Closing
from models.database_users import SetupUsersInput, SetupUsersOutcome, closing_of
from models.masking import LiveSchema
from models.request import RestoreRequest
from models.steps import Step
from models.users import DatabaseUser, RanSqlFile

READ_SCHEMA = "read-schema"
MASKING = "masking"
"""In place of an operation's number: in the session names of the assumed roles, and so in CloudTrail."""


class DatabaseUserActivities:
    """Locks the logins that came with the snapshot, sets the users of the request, runs its SQL files and checks."""

    def __init__(self, aws: AwsClients, connectors: DatabaseConnectors, sql_directory: Path | None = None) -> None:
        """`sql_directory` has the operator's SQL files."""
        self._aws = aws
        self._connectors = connectors
        self._sql_directory = sql_directory

    @step_activity(Step.SETUP_DB_USERS)
    def setup_db_users(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        """Close the database, mask it, run the SQL files and the checks, then let the users of the request in.

        Nobody but the master user and the logins to keep can log in before every table is masked, every file has run and
        every check has passed. At the end each user's login is verified. A failure leaves the database closed, and says so.
        Raises `Refused` if the target's name belongs to another cluster than the one this operation restored, and
        `StepFailed` if it belongs to none; `DatabaseUnreachable` (transient) if the database does not answer;
        `StepFailed`, with the SQLSTATE or MySQL's error number, if it refuses a statement, or if a check returns other
        rows than expected, or if a column has no masking rule.
        Source: RDS API Reference, DescribeDBClusters.
        Run twice: an existing user is altered, an existing grant is given again, an SQL file whose mark is in the
        database is not run again, nor a masked table masked; only on MySQL may a file that was cut off be run again.
        Once a file has its mark in this cluster, no other login is locked and no grant given, because that could undo what
        the file did. The outcome, or a failure, names what earlier attempts did as well. An attempt ends the sessions of
        an earlier one that still changes something.
        """
        closing = closing_of(step_input)
        if closing is None:
            return SetupUsersOutcome(
                details="Users configured", resource_arns=(step_input.target.arn,), created=(), altered=()
            )
        changes = LoginChanges.from_last_heartbeat(step_input.closed)
        with _add_login_changes_to_errors(changes):
            masking = self._read_masking(step_input)
            scripts = tuple(read_sql_file(self._sql_directory, sql_file) for sql_file in step_input.sql_files)
            database = self._connectors.database(step_input.target, step_input.operation_id, step_input.endpoint)
            _require_valid_names(step_input, database)
            self._require_restored_cluster(step_input)
            with database.session_lock(_cluster_resource_id(step_input), scripts) as session:
                # Again, because the connection leads to the cluster that had the name when the connection was made.
                self._require_restored_cluster(step_input)
                # An unusable secret ends the step before any login is changed.
                self._read_passwords(step_input)
                _close_database(step_input, closing, session, changes)
                if masking and not session.has_run_files:
                    masking.mask(database, session, changes)
                ran = self._run_sql_files(step_input, session, scripts)
                if masking and scripts:
                    masking.check_after_files(database)
                passed = _run_checks(step_input, database)
                # Read again, because a password may have been changed since.
                _open_database(step_input, database, session, self._read_passwords(step_input), changes)
        return SetupUsersOutcome(
            details="Users configured",
            resource_arns=(step_input.target.arn,),
            created=tuple(changes.created),
            altered=tuple(changes.altered),
            locked=tuple(changes.locked),
            more_locked=changes.more_locked,
            sql_files=ran,
            warnings=changes.warnings,
            facts=_facts(changes, ran) | checks_fact([*passed, *map(_accepted_login, step_input.users)]),
        )

    @named_activity(READ_SCHEMA)
    def read_schema(self, request: RestoreRequest) -> LiveSchema:
        """The schema of the live target, read as its master user: for a masking file that is written or checked.

        Raises `StepFailed` if there is no cluster to log in to or its schema is too large, `Refused` if what has the
        name is not the request's target, `DatabaseUnreachable` (transient) if the database does not answer.
        Source: RDS API Reference, DescribeDBClusters.
        Run twice: only reads.
        """
        target = request.target
        target_cluster = TargetCluster(self._aws, target, MASKING)
        cluster = target_cluster.find()
        if cluster is None:
            text = f"{target.arn} does not exist, so that it has no schema. Restore it once first."
            raise StepFailed("Target not found", text)
        require_own_target(self._aws, request, target_cluster, cluster, MASKING)
        endpoint = find_endpoint(target, cluster, cluster["Engine"])
        if endpoint is None:
            raise StepFailed(
                "Target has no endpoint",
                f"{target.arn} has no secret for its master user, or no endpoint yet. Name the secret in "
                "target.master_user_secret_id, or wait until the cluster is available.",
            )
        schema = self._connectors.database(target, MASKING, endpoint).read_schema()
        return LiveSchema(address=f"{endpoint.host}:{endpoint.port}", packed=pack_schema(schema))

    def _read_masking(self, step_input: SetupUsersInput) -> DatabaseMasking | None:
        secrets = self._aws.secretsmanager(step_input.target, step_input.operation_id)
        read_key = partial(read_masking_key, secrets)
        return DatabaseMasking.read(self._sql_directory, step_input.masking, read_key) if step_input.masking else None

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
        if step_input.cluster_resource_id is not None:
            target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
            check_still_restored(target, step_input.target.arn, step_input.cluster_resource_id)

    def _read_passwords(self, step_input: SetupUsersInput) -> dict[str, str]:
        return {
            user.name: self._password(step_input, user.secret_id, user.name)
            for user in step_input.users
            if user.secret_id
        }

    def _password(self, step_input: SetupUsersInput, secret_id: str, login: str | None = None) -> str:
        return read_password(self._aws.secretsmanager(step_input.target, step_input.operation_id), secret_id, login)


@contextmanager
def _add_login_changes_to_errors(changes: LoginChanges) -> Iterator[None]:
    """Say in an error that leaves the block whether the database is closed, and which logins were locked.

    The trail keeps only the error of a failed step, and the next run of the step finds the logins locked already.
    """
    try:
        yield
    except (PipelineError, ClientError, BotoCoreError) as error:
        ours = error if isinstance(error, PipelineError) else pipeline_error_for(error)
        # Temporal keeps little of a transient error; the last error of the step has all names.
        described = changes.describe(MAX_TRANSIENT_LOGINS if isinstance(ours, Transient) else MAX_FACT)
        if not described:
            raise
        raise ours.with_more(described) from error.__cause__


def _cluster_resource_id(step_input: SetupUsersInput) -> str:
    """The input of an older history has no resource id; its marks then carry the operation id."""
    return step_input.cluster_resource_id or step_input.operation_id


def _close_database(
    step_input: SetupUsersInput, closing: Closing, session: LockedSession, changes: LoginChanges
) -> None:
    """Close the database, and make the users of the request, so that SQL files can name them; they cannot log in yet.

    Once a file has run nothing is granted: the file may have taken a right away.
    """
    close_database(closing, session, changes)
    if session.has_run_files:
        return
    for name, is_new in session.create_users(step_input.users):
        changes.add_user(name, is_new)
    for warning in session.grant(step_input.users):
        changes.add_access_warning(warning)


def _open_database(
    step_input: SetupUsersInput,
    database: RestoredDatabase,
    session: LockedSession,
    passwords: dict[str, str],
    changes: LoginChanges,
) -> None:
    """Let the users of the request in, as the last act: the SQL files have run and the checks have passed."""
    session.open_users(step_input.users, passwords)
    changes.set_closed(is_closed=False)
    for user in step_input.users:
        database.verify_login(user, passwords.get(user.name))


def _facts(changes: LoginChanges, ran: tuple[RanSqlFile, ...]) -> dict[str, str]:
    """What an auditor asks for: locked logins, disabled side effects, and the SQL that was run, by its digest."""
    facts = {f"sql_file {run.database}/{run.file}": f"sha256:{run.digest}" for run in ran}
    facts |= changes.side_effect_facts
    if changes.masked:
        facts["masked"] = changes.masked
    if changes.locked:
        facts["locked_logins"] = changes.join_locked(MAX_FACT)
    return facts


def _require_valid_names(step_input: SetupUsersInput, database: RestoredDatabase) -> None:
    """Refuse a name that would change another login than the one it names."""
    master = step_input.endpoint.master_username
    if any(user.name == master for user in step_input.users):
        raise StepFailed("Users not configured", f"{master} is the cluster's master user. Remove it from users.")
    for reason in database.find_invalid_names(step_input.users):
        raise StepFailed("Users not configured", reason)
    engine, files, checks = step_input.endpoint.engine, step_input.sql_files, step_input.checks
    for fault in find_fields_of_other_engine(engine, step_input.users, files, checks):
        raise StepFailed("Field of another engine", f"{fault}.")


def _run_checks(step_input: SetupUsersInput, database: RestoredDatabase) -> list[Comparison]:
    """What the checks of the request compared. Raises `StepFailed` at the first that finds something else."""
    passed = []
    for check in step_input.checks:
        with database.read_only_session(check.database, check.run_as) as run_query:
            passed.append(require_expected_rows(check, run_query(check.query)))
    return passed


def _accepted_login(user: DatabaseUser) -> Comparison:
    """After `verify_login`, which makes no token of IAM."""
    actual = "its account is open" if user.uses_iam else "logged in"
    return Comparison(f"login {user.name}", "its account is open" if user.uses_iam else "logs in", actual)
