"""Who may use the restored database, what is done to its data first, and what must then be true of it."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from models.identifiers import SecretId
from models.model import Model

LoginName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[^\x00]+$")]
"""The name of a role or user. What an engine allows besides is known only once the snapshot's engine is."""

DatabaseName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
"""PostgreSQL takes 63 bytes, MySQL 64 characters."""

SERVICE_LOGINS = ("rdsadmin", "rdsrepladmin", "rdstopmgr", "rdsproxyadmin")
"""RDS's own, which the master user may not touch. Source: Aurora User Guide, "Master user account privileges"."""

SERVICE_PREFIXES = ("rds_", "pg_", "mysql.")
RESERVED_USERS = (*SERVICE_LOGINS, "postgres", "public", "none")


def belongs_to_the_service(name: str) -> bool:
    """Whether RDS or the engine itself made the login, so that it is neither set nor locked."""
    return name.lower() in SERVICE_LOGINS or name.lower().startswith(SERVICE_PREFIXES)


class Access(StrEnum):
    """What a user may do with the tables of a database."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"


class Grant(Model):
    """A user's access to every schema of one database."""

    database: DatabaseName
    access: Access


class Authentication(StrEnum):
    """How a user proves who it is."""

    PASSWORD = "password"  # noqa: S105 - the word, not one
    IAM = "iam"


class DatabaseUser(Model):
    """A role that must be able to log in to the restored database."""

    name: LoginName
    secret_id: SecretId | None = Field(default=None, description="A secret whose JSON has the key password.")
    authentication: Authentication = Field(
        default=Authentication.PASSWORD,
        description="password: that of secret_id. iam: a token of AWS IAM, instead of secret_id.",
    )
    grants: tuple[Grant, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _not_the_services_own(self) -> Self:
        if belongs_to_the_service(self.name) or self.name.lower() in RESERVED_USERS:
            raise ValueError(f"{self.name!r} belongs to RDS or to the engine itself; choose another name")
        return self

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if self.by_iam and self.secret_id is not None:
            raise ValueError("with authentication iam there is no password: leave out secret_id")
        if not self.by_iam and self.secret_id is None:
            raise ValueError('give secret_id, or authentication "iam"')
        return self

    @property
    def by_iam(self) -> bool:
        """Whether a token of IAM takes the place of a password."""
        return self.authentication is Authentication.IAM


class OtherLogins(StrEnum):
    """What becomes of the logins that came with the snapshot and are not in the request."""

    LOCK = "lock"
    KEEP = "keep"


class SqlFile(Model):
    """A file of the operator's own SQL, from the worker's directory, run once a night in one database."""

    file: Annotated[
        str,
        StringConstraints(max_length=200, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.sql$"),
    ] = Field(description="Its path below AURORA_RESTORE_SQL_DIRECTORY, such as mask.sql.")
    database: DatabaseName


Scalar = bool | int | float | str | None


class DataCheck(Model):
    """A query, and the rows that it must return before anything is archived."""

    database: DatabaseName
    query: Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=r"^[^\x00]+$")]
    expected: tuple[tuple[Scalar, ...], ...] = Field(max_length=100)


class RanSqlFile(Model):
    """A file that was run this night."""

    file: str
    database: str
    digest: str = Field(description="SHA-256 of what was run, in hexadecimal.")


def secret_ids(users: tuple[DatabaseUser, ...]) -> tuple[str, ...]:
    """Every secret that the users need, once."""
    return tuple(dict.fromkeys(user.secret_id for user in users if user.secret_id is not None))
