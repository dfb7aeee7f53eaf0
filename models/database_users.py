"""Input and outcome of setup-db-users."""

from pydantic import Field

from models.closing import ClosedDatabase, Closing
from models.clusters import Endpoint
from models.masking import Masking
from models.request import RestoreRequest, Target
from models.side_effects import KeptSideEffects
from models.step_call import StepInput, StepOutcome
from models.users import DatabaseUser, DataCheck, OtherLogins, RanSqlFile, SqlFile


class SetupUsersInput(StepInput):
    """The restored cluster, the users to set, the SQL files to run and the checks of the data."""

    target: Target
    endpoint: Endpoint
    cluster_resource_id: str | None = Field(
        default=None, description="DbClusterResourceId of the restored cluster; None in inputs of older histories."
    )
    users: tuple[DatabaseUser, ...]
    other_logins: OtherLogins = OtherLogins.LOCK
    keep_logins: tuple[str, ...] = ()
    keep_side_effects: KeptSideEffects = KeptSideEffects()
    sql_files: tuple[SqlFile, ...] = ()
    checks: tuple[DataCheck, ...] = ()
    masking: Masking | None = None
    closed: ClosedDatabase | None = Field(
        default=None, description="What check-restore-status has closed already; None: nothing."
    )


class SetupUsersOutcome(StepOutcome):
    """The logins that were changed and the SQL files that were run, by all attempts together."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    locked: tuple[str, ...] = ()
    more_locked: int = Field(default=0, description="Locked logins that are not named.")
    sql_files: tuple[RanSqlFile, ...] = ()


def closing_of(request: RestoreRequest | SetupUsersInput) -> Closing | None:
    """How the database is closed before anything else; None if nothing at all is to be done in it."""
    keeps_logins = request.other_logins is OtherLogins.KEEP
    if keeps_logins and not (request.users or request.sql_files or request.checks or request.masking):
        return None
    return Closing(
        users=tuple(user.name for user in request.users),
        other_logins=request.other_logins,
        keep_logins=request.keep_logins,
        keep_side_effects=request.keep_side_effects,
        sql_files=request.sql_files,
    )
