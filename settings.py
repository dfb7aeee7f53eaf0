"""The settings of both programs: frozen models, read once from the environment.

Temporal's address and credentials come from Temporal's own environment variables and profiles
(``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, ``TEMPORAL_API_KEY``, ``TEMPORAL_TLS_*``, ``TEMPORAL_PROFILE``), AWS's
credentials and endpoints from AWS's own (``AWS_PROFILE``, ``AWS_REGION``, ``AWS_ENDPOINT_URL`` …). These models have only
what is neither Temporal's nor AWS's.
"""

import os
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from limits import MAX_LISTED_ERRORS, first_and_more
from models.identifiers import DEFAULT_ENVIRONMENT, EnvironmentName, Region, environment_of_table
from models.text_forms import text_form
from models.validation_errors import describe_each

PREFIX = "AURORA_RESTORE_"


TableName = Annotated[str, text_form(r"^[A-Za-z0-9_.-]{3,255}$", "the name of a DynamoDB table")]
DeploymentName = Annotated[
    str, text_form(r"^[^.:\s]{1,200}$", "at most 200 characters without dots, colons and spaces")
]
"""Temporal writes a version as NAME.BUILD_ID (API: WorkerDeploymentVersion)."""
BuildId = Annotated[str, text_form(r"^[^:\s]{1,200}$", "at most 200 characters without colons and spaces")]
WebAddress = Annotated[str, text_form(r"^https?://[^\s?#]{1,500}$", "a web address without ? and #")]
QueueArns = Annotated[
    str,
    text_form(
        r"^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}"
        r"(,arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}){0,19}$",
        "the ARN of a standard SQS queue such as arn:aws:sqs:eu-west-1:111122223333:NAME, or up to 20 separated by commas",
    ),
]
MetricsAddress = Annotated[str, text_form(r"^([0-9A-Za-z.-]+:)?[0-9]{1,5}$", "a port, or HOST:PORT")]
LogLevel = Annotated[str, text_form("^(debug|info|warning|error)$", "debug, info, warning or error")]


class DatabaseTls(StrEnum):
    """How a connection to a restored database is secured; the names are those of libpq's sslmode."""

    VERIFY_FULL = "verify-full"
    DISABLE = "disable"


class LogFormat(StrEnum):
    """The format of log lines."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class TrailSettings(BaseSettings):
    """The settings that starter.py needs; each field is an environment variable with the prefix `PREFIX`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    environment: EnvironmentName = Field(
        default=DEFAULT_ENVIRONMENT,
        description="The name of the trail's two tables together, different for each pair of tables; it marks every copy "
        "and cluster that the worker makes. Default: the beginning of the operations table's name.",
    )
    task_queue: str = Field(
        default=DEFAULT_ENVIRONMENT,
        min_length=1,
        description="The Temporal task queue that the worker polls. Default: the environment.",
    )
    audit_region: Region = Field(description="The region of the audit trail's tables, such as eu-central-1.")
    audit_table: TableName = Field(
        default=f"{DEFAULT_ENVIRONMENT}-audit",
        description="The DynamoDB table of the trail. Default: ENVIRONMENT-audit.",
    )
    operations_table: TableName = Field(
        default=f"{DEFAULT_ENVIRONMENT}-operations",
        description="The DynamoDB table of the operation numbers. Default: ENVIRONMENT-operations.",
    )
    audit_retention_days: int | None = Field(
        default=None, ge=1, description="Days after which DynamoDB may expire a row; not set means never."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_by_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What is not set follows from the environment, and the environment from the operations table."""
        table, environment = given.get("operations_table"), given.get("environment")
        if environment is None:
            environment = environment_of_table(table) if isinstance(table, str) else DEFAULT_ENVIRONMENT
        names = {"task_queue": environment, "audit_table": f"{environment}-audit"}
        return {**names, "environment": environment, "operations_table": f"{environment}-operations", **given}

    @property
    def audit_retention(self) -> timedelta | None:
        """How long a row of the trail is kept; None means for ever."""
        return timedelta(days=self.audit_retention_days) if self.audit_retention_days else None


class SqlFileSettings(TrailSettings):
    """The operator's files: what `masking check` reads besides the trail's."""

    sql_directory: Path | None = Field(
        default=None, description="The directory of the SQL files that requests name; not set means there are none."
    )

    @field_validator("sql_directory")
    @classmethod
    def _require_sql_directory(cls, directory: Path | None) -> Path | None:
        if directory is not None and not directory.is_dir():
            raise ValueError(f"there is no directory {directory}")
        return directory


class Settings(SqlFileSettings):
    """The settings that only the worker needs, besides those of the trail and of the files."""

    database_tls: DatabaseTls = Field(
        default=DatabaseTls.VERIFY_FULL,
        description="verify-full, or disable for a database without TLS.",
    )
    database_tls_ca_file: Path | None = Field(
        default=None,
        validate_default=True,
        description="The RDS certificate bundle (global-bundle.pem), or another one in PEM; required with verify-full.",
    )
    database_connect_seconds: int = Field(
        default=10, ge=2, le=60, description="How long one attempt to connect to a restored database may take."
    )

    @field_validator("database_tls_ca_file")
    @classmethod
    def _require_certificate_bundle(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        # A validator of the field and not of the model, which would not run while any other field is invalid.
        if info.data.get("database_tls") is not DatabaseTls.VERIFY_FULL:
            return file
        if file is None:
            raise ValueError(
                f"not set, but {PREFIX}DATABASE_TLS is verify-full; download global-bundle.pem from "
                "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem and set its path"
            )
        if not file.is_file():
            raise ValueError(f"there is no file {file}")
        return file

    log_sql_errors: bool = Field(
        default=False,
        description="Whether the worker's log has what a database said of an SQL file or a check that failed. That text may "
        "quote data; Temporal, trail and notification never have it.",
    )
    activity_threads: int = Field(
        default=10,
        ge=2,
        le=200,
        description="How many activities call AWS or a database at the same time, a thread each.",
    )
    watching_activities: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="How many restores may wait for AWS at the same time inside an activity; they hold no thread.",
    )
    graceful_shutdown_seconds: int = Field(
        default=120, ge=1, description="How long a stopping worker lets running activities finish."
    )
    deployment_name: DeploymentName | None = Field(
        default=None,
        description="The Worker Deployment that this worker belongs to; not set means no versioning.",
    )
    build_id: BuildId | None = Field(
        default=None,
        validate_default=True,
        description="The build id of this worker in its deployment, such as 0.1.0; set together with the name.",
    )
    web_ui_url: WebAddress | None = Field(
        default=None,
        description="The address of Temporal's Web UI, such as https://temporal.example.com; notifications link to the "
        "operation's page there.",
    )
    runbook_url: WebAddress | None = Field(
        default=None,
        description="The address at which your team reads docs/runbook.md; notifications link to its sections.",
    )
    metrics_address: MetricsAddress | None = Field(
        default=None,
        description="Where Prometheus reads the worker's metrics at /metrics: a port, such as 9464, on 127.0.0.1, or "
        "HOST:PORT; not set means nowhere.",
    )
    metrics_otlp_url: WebAddress | None = Field(
        default=None,
        description="An OpenTelemetry collector to which the metrics are pushed, in place of an address: "
        "http://HOST:4317 by gRPC, http://HOST:4318/v1/metrics by HTTP.",
    )
    traces_otlp_url: WebAddress | None = Field(
        default=None,
        description="An OpenTelemetry collector to which a span of each workflow and each attempt of an activity is sent, by "
        "HTTP, such as http://HOST:4318/v1/traces; needs the extra traces.",
    )
    events_queue_arns: QueueArns | None = Field(
        default=None,
        description="The SQS queues with RDS's events, by their ARNs, separated by commas: an event makes the restore that waits "
        "for its resource poll at once. Each queue is for one task queue only. Not set: every wait ends by polling.",
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="auto is console on a terminal and JSON elsewhere."
    )
    log_level: LogLevel = Field(default="info", description="debug, info, warning or error.")

    @property
    def events_queues(self) -> list[str]:
        """The ARNs of the queues with RDS's events."""
        return self.events_queue_arns.split(",") if self.events_queue_arns else []

    @field_validator("metrics_address")
    @classmethod
    def _name_the_host(cls, address: str | None) -> str | None:
        return f"127.0.0.1:{address}" if address and ":" not in address else address

    @field_validator("metrics_otlp_url")
    @classmethod
    def _allow_one_exporter(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url and info.data.get("metrics_address"):
            raise ValueError(f"{PREFIX}METRICS_ADDRESS is set too; set one of them, the SDK has one exporter")
        return url

    @field_validator("build_id")
    @classmethod
    def _require_name_and_build_id_together(cls, build_id: str | None, info: ValidationInfo) -> str | None:
        if "deployment_name" in info.data and (build_id is None) != (info.data["deployment_name"] is None):
            given, missing = ("DEPLOYMENT_NAME", "BUILD_ID") if build_id is None else ("BUILD_ID", "DEPLOYMENT_NAME")
            raise ValueError(f"{PREFIX}{given} is set, but {PREFIX}{missing} is not; set both or neither")
        return build_id


class WrongSettings(Exception):
    """The environment has no valid settings; the text lists every mistake, one a line."""


Kind = TypeVar("Kind", bound=TrailSettings)


def load_settings(kind: type[Kind]) -> Kind:
    """Read the environment once, for the worker (`Settings`) or for the starter (`TrailSettings`).

    Raises `WrongSettings` with one line for each mistake, and for each variable of our prefix that no program reads.
    """
    try:
        settings = kind()  # filled from the environment
    except ValidationError as error:
        lines = [f"{_variable(path)}: {text}" for path, text in describe_each(error, kind)]
        raise WrongSettings("\n".join([*_describe_unknown(), *lines])) from None
    refuse_unknown_variables()
    return settings


def refuse_unknown_variables() -> None:
    """Raise `WrongSettings` with one line for each variable of our prefix that no program reads."""
    if unknown := _describe_unknown():
        raise WrongSettings("\n".join(unknown))


def list_of_worker_only() -> list[str]:
    """The variables that are set and that only the worker reads: the command line ignores them."""
    shared = {_variable((name,)) for name in SqlFileSettings.model_fields}
    own = {_variable((name,)) for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper() in own - shared)


def _describe_unknown() -> list[str]:
    """A line for each variable that has our prefix and is no setting; the names are compared as pydantic does it."""
    known = [_variable((name,)) for name in Settings.model_fields]
    found = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    lines = []
    for name in found:
        similar = get_close_matches(name.upper(), known, n=1)
        lines.append(f"{name}: unknown variable{f'; did you mean {similar[0]}?' if similar else '; unset it'}")
    return list(first_and_more(lines, MAX_LISTED_ERRORS))


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "_".join(path).upper()
