"""Operations of other environments in the same namespace: each counts from op-001, and has a task queue of its own."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.client import WorkflowExecution

MAX_LISTED = 5
"""How many task queues a text names."""


def describe_others(executions: Iterable[WorkflowExecution], what: str, task_queue: str) -> str | None:
    """Whose these runs are, if they are not this task queue's, and what to set; None without any run."""
    queues = sorted({execution.task_queue for execution in executions})
    if not queues:
        return None
    more = f" and {len(queues) - MAX_LISTED} more" if len(queues) > MAX_LISTED else ""
    return (
        f"In Temporal, {what} is of another environment: found the task queue {', '.join(queues[:MAX_LISTED])}{more}, "
        f"expected {task_queue}. Set AURORA_RESTORE_ENVIRONMENT, or AURORA_RESTORE_TASK_QUEUE, as that worker has it."
    )
