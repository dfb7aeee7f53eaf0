"""The worker's settings: one frozen model, read once from the environment.

Where Temporal is and who we are to it comes from Temporal's own environment variables and profiles
(``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*``, ``TEMPORAL_PROFILE``);
credentials and endpoints of AWS come from AWS's own (``AWS_PROFILE``, ``AWS_REGION``, ``AWS_ENDPOINT_URL`` …).
Here stands only what neither of them knows.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "AURORA_RESTORE_"


class DatabaseTls(StrEnum):
    """How a connection to a restored database is secured; the names are libpq's sslmode."""

    VERIFY_FULL = "verify-full"
    DISABLE = "disable"


class LogFormat(StrEnum):
    """How log lines are written."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class TrailSettings(BaseSettings):
    """What starter.py needs to know; every field is an environment variable with the prefix."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    task_queue: str = Field(
        default="aurora-restore",
        min_length=1,
        description="The Temporal task queue that the worker takes its work from.",
    )
    audit_region: str = Field(
        description="The region of the audit trail's tables, such as eu-central-1.",
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
    )
    audit_table: str = Field(
        default="aurora-restore-audit",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="The DynamoDB table of the trail.",
    )
    operations_table: str = Field(
        default="aurora-restore-operations",
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="The DynamoDB table of the operation numbers.",
    )
    audit_retention_days: int | None = Field(
        default=None, ge=1, description="Days after which DynamoDB may expire a row; not set means never."
    )

    @property
    def audit_retention(self) -> timedelta | None:
        """How long a row is kept; None means for ever."""
        return timedelta(days=self.audit_retention_days) if self.audit_retention_days else None


class Settings(TrailSettings):
    """What the worker needs to know besides."""

    database_tls: DatabaseTls = Field(
        default=DatabaseTls.VERIFY_FULL,
        description="verify-full, or disable for a database without TLS, as in the devstack.",
    )
    database_tls_ca_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="The RDS certificate bundle (global-bundle.pem); required with verify-full.",
    )
    database_connect_seconds: int = Field(
        default=10, ge=2, le=60, description="How long one attempt to connect to a restored database may take."
    )
    sql_directory: Path | None = Field(
        default=None, description="The directory of the SQL files that requests name; not set means there are none."
    )
    activity_threads: int = Field(
        default=10, ge=2, le=200, description="How many activities run at a time; each has a thread."
    )
    graceful_shutdown_seconds: int = Field(
        default=120, ge=1, description="How long a stopping worker lets running activities finish."
    )
    deployment_name: str | None = Field(
        default=None,
        # Temporal writes a version as NAME.BUILD_ID (API: WorkerDeploymentVersion).
        pattern=r"^[^.:\s]{1,200}$",
        description="The Worker Deployment that this worker is of; not set means it is not versioned.",
    )
    build_id: str | None = Field(
        default=None,
        validate_default=True,
        pattern=r"^[^:\s]{1,200}$",
        description="Which version of the deployment it is, such as 0.1.0; set together with the name.",
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="auto is console on a terminal and JSON elsewhere."
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error."
    )

    @field_validator("database_tls_ca_file")
    @classmethod
    def _tls_needs_its_authorities(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        # A rule of the field, not of the model: that would not be looked at while any other field is wrong.
        if info.data.get("database_tls") is DatabaseTls.DISABLE:
            return file
        if file is None:
            raise ValueError(
                f"is not set, but {PREFIX}DATABASE_TLS is verify-full: "
                "download global-bundle.pem from the RDS truststore and name it here"
            )
        if not file.is_file():
            raise ValueError(f"names {file}, where there is no file")
        return file

    @field_validator("build_id")
    @classmethod
    def _a_deployment_has_versions(cls, build_id: str | None, info: ValidationInfo) -> str | None:
        if "deployment_name" in info.data and (build_id is None) != (info.data["deployment_name"] is None):
            given, missing = ("DEPLOYMENT_NAME", "BUILD_ID") if build_id is None else ("BUILD_ID", "DEPLOYMENT_NAME")
            raise ValueError(f"needs both or neither: {PREFIX}{given} is set, {PREFIX}{missing} is not")
        return build_id

    @field_validator("sql_directory")
    @classmethod
    def _sql_directory_is_there(cls, directory: Path | None) -> Path | None:
        if directory is not None and not directory.is_dir():
            raise ValueError(f"names {directory}, where there is no directory")
        return directory


class WrongSettings(Exception):
    """The environment does not make settings; the text names every fault, one a line."""


Wanted = TypeVar("Wanted", bound=TrailSettings)


def load_settings(kind: type[Wanted]) -> Wanted:
    """Read the environment once, for the worker (`Settings`) or for the starter (`TrailSettings`).

    Raises `WrongSettings` with one line for each fault.
    """
    try:
        return kind()  # filled from the environment
    except ValidationError as error:
        raise WrongSettings("\n".join(_fault_line(fault["loc"], fault["msg"]) for fault in error.errors())) from None


def _fault_line(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + "_".join(str(part) for part in location).upper()
    return f"{name} {message.removeprefix('Value error, ').replace('Field required', 'is not set')}"
