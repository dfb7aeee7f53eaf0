"""The own environment's task queue, for commands that read no other setting and so do not load them all."""

from __future__ import annotations

import os

PREFIX = "AURORA_RESTORE_"
SETTINGS = frozenset(
    [
        "ACTIVITY_THREADS",
        "AUDIT_REGION",
        "AUDIT_RETENTION_DAYS",
        "AUDIT_TABLE",
        "BUILD_ID",
        "DATABASE_CONNECT_SECONDS",
        "DATABASE_TLS",
        "DATABASE_TLS_CA_FILE",
        "DEPLOYMENT_NAME",
        "ENVIRONMENT",
        "EVENTS_QUEUE_ARNS",
        "GRACEFUL_SHUTDOWN_SECONDS",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "LOG_SQL_ERRORS",
        "METRICS_ADDRESS",
        "METRICS_OTLP_URL",
        "OPERATIONS_TABLE",
        "RUNBOOK_URL",
        "SQL_DIRECTORY",
        "TASK_QUEUE",
        "TRACES_OTLP_URL",
        "WATCHING_ACTIVITIES",
        "WEB_UI_URL",
    ]
)
"""The names of all settings, so that a variable that is none is found without loading them; a test compares them."""


def own_task_queue() -> str:
    """What `TrailSettings.task_queue` is: as it is set, or the environment, or what the operations table begins with.

    Raises `WrongSettings` for each variable of our prefix that no program reads.
    """
    from models.identifiers import DEFAULT_ENVIRONMENT, environment_of_table

    given = {name.removeprefix(PREFIX) for name in map(str.upper, os.environ) if name.startswith(PREFIX)}
    if given - SETTINGS:
        from settings import refuse_unknown_variables

        refuse_unknown_variables()
    if named := os.environ.get(f"{PREFIX}TASK_QUEUE") or os.environ.get(f"{PREFIX}ENVIRONMENT"):
        return named
    table = os.environ.get(f"{PREFIX}OPERATIONS_TABLE")
    return environment_of_table(table) if table else DEFAULT_ENVIRONMENT
