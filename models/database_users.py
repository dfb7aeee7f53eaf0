"""What setup-db-users is asked and answers."""

from pydantic import Field

from models.clusters import Endpoint
from models.operation import StepInput, StepOutcome
from models.request import Target
from models.users import DatabaseUser, DataCheck, OtherLogins, RanSqlFile, SqlFile


class SetupUsersInput(StepInput):
    """For setup-db-users."""

    target: Target
    endpoint: Endpoint
    cluster_resource_id: str | None = Field(
        default=None, description="Of the cluster that the night restored; None in inputs of older histories."
    )
    users: tuple[DatabaseUser, ...]
    other_logins: OtherLogins = OtherLogins.LOCK
    keep_logins: tuple[str, ...] = ()
    sql_files: tuple[SqlFile, ...] = ()
    checks: tuple[DataCheck, ...] = ()


class SetupUsersOutcome(StepOutcome):
    """Of setup-db-users."""

    created: tuple[str, ...]
    altered: tuple[str, ...]
    locked: tuple[str, ...] = ()
    sql_files: tuple[RanSqlFile, ...] = ()
