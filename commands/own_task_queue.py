"""The own environment's task queue, for commands that read no other setting and so do not load them all."""

from __future__ import annotations

import os

TASK_QUEUE, ENVIRONMENT = "AURORA_RESTORE_TASK_QUEUE", "AURORA_RESTORE_ENVIRONMENT"
OPERATIONS_TABLE = "AURORA_RESTORE_OPERATIONS_TABLE"


def own_task_queue() -> str:
    """What `TrailSettings.task_queue` is: as it is set, or the environment, or what the operations table begins with."""
    from models.identifiers import DEFAULT_ENVIRONMENT, environment_of_table

    if named := os.environ.get(TASK_QUEUE) or os.environ.get(ENVIRONMENT):
        return named
    table = os.environ.get(OPERATIONS_TABLE)
    return environment_of_table(table) if table else DEFAULT_ENVIRONMENT
