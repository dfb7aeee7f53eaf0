"""Users, SQL files and data checks of a restored database, as a request lists them."""

import math
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from models.identifiers import SecretId
from models.model import Model
from models.text_forms import text_form

WITHOUT_NUL, NO_NUL = r"^[^\x00]+$", "text without a NUL character"

LoginName = Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=63)]
"""The name of a role or user. Further limits depend on the engine, which is known once the snapshot is."""

DatabaseName = Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=64)]
"""PostgreSQL allows 63 bytes, MySQL 64 characters."""

SERVICE_LOGINS = ("rdsadmin", "rdsrepladmin", "rdstopmgr", "rdsproxyadmin", "rdswriteforwarduser")
"""RDS's own logins, by their exact names. RDS's other roles, such as rds_superuser, cannot log in.

Source: Aurora User Guide, "Master user account privileges", "Local write forwarding in Aurora PostgreSQL".
"""

RESERVED_PREFIXES = ("rds_", "pg_", "mysql.")
RESERVED_USERS = (*SERVICE_LOGINS, "postgres", "public", "none")


def is_reserved_name(name: str) -> bool:
    """Whether a user of a request may not have the name, because RDS's and the engines' own roles have such names.

    A login that came with the snapshot may have one all the same; it is locked like any other.
    """
    return name.lower() in RESERVED_USERS or name.lower().startswith(RESERVED_PREFIXES)


class Access(StrEnum):
    """A user's privileges on the tables of a database."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"


class Grant(Model):
    """A user's access to every schema of one database."""

    database: DatabaseName
    access: Access


class Authentication(StrEnum):
    """How a user logs in."""

    PASSWORD = "password"  # noqa: S105 - the word, not a password
    IAM = "iam"


class DatabaseUser(Model):
    """A user that must be able to log in to the restored database."""

    name: LoginName
    secret_id: SecretId | None = Field(default=None, description="A secret that is JSON with the key password.")
    authentication: Authentication = Field(
        default=Authentication.PASSWORD,
        description="password: the one in secret_id. iam: a token of AWS IAM; secret_id is not set.",
    )
    grants: tuple[Grant, ...] = Field(default=(), max_length=100)
    host: Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=255)] | None = Field(
        default=None,
        description="MySQL only: where the user connects from, such as 10.%. The account is created if it is missing; the "
        "user's other accounts stay and get the same password. Not set: those of the snapshot, or % for a new user.",
    )

    @model_validator(mode="after")
    def _is_not_the_services_own(self) -> Self:
        if is_reserved_name(self.name):
            raise ValueError(f"{self.name!r} belongs to RDS or to the engine; choose another name")
        return self

    @model_validator(mode="after")
    def _has_one_way_to_log_in(self) -> Self:
        if self.uses_iam and self.secret_id is not None:
            raise ValueError("authentication is iam, which has no password: remove secret_id")
        if not self.uses_iam and self.secret_id is None:
            raise ValueError('no password: set secret_id, or set authentication to "iam"')
        return self

    @property
    def uses_iam(self) -> bool:
        """Whether the user logs in with a token of IAM instead of a password."""
        return self.authentication is Authentication.IAM


class OtherLogins(StrEnum):
    """What setup-db-users does with the logins that came with the snapshot and are not in the request."""

    LOCK = "lock"
    KEEP = "keep"


RUN_AS: LoginName | None = Field(
    default=None,
    description="PostgreSQL only: the role that runs it and owns what it creates. Not set: the master user, with the "
    "rights of every role that owns something in the database.",
)


class SqlFile(Model):
    """A file of the operator's own SQL in the worker's directory, run once per restore in one database."""

    file: Annotated[
        str,
        text_form(
            r"^([A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.sql$",
            "a path below the SQL directory such as mask.sql",
            max_length=200,
        ),
    ] = Field(description="Its path below AURORA_RESTORE_SQL_DIRECTORY, such as mask.sql.")
    database: DatabaseName
    run_as: LoginName | None = RUN_AS


def _one_error(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Without it, pydantic lists an error for each type that the value may have."""
    try:
        validated = validate(value)
    except ValidationError:
        raise PydanticCustomError("scalar", "must be a string, a number, true, false or null") from None
    if isinstance(validated, float) and not math.isfinite(validated):
        raise PydanticCustomError("scalar", "must be a finite number")  # Temporal's JSON has no other
    return validated


Scalar = Annotated[bool | int | float | str | None, WrapValidator(_one_error)]


class DataCheck(Model):
    """A query and the rows that it must return before anything is archived."""

    database: DatabaseName
    query: Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=10_000)]
    expected: tuple[tuple[Scalar, ...], ...] = Field(max_length=100)
    run_as: LoginName | None = RUN_AS


class RanSqlFile(Model):
    """An SQL file that was run in the restored cluster."""

    file: str
    database: str
    digest: str = Field(description="SHA-256 of the file as it was run, in hexadecimal.")


def secret_ids(users: tuple[DatabaseUser, ...]) -> tuple[str, ...]:
    """The secrets of the users, each once."""
    return tuple(dict.fromkeys(user.secret_id for user in users if user.secret_id is not None))
