"""The Temporal plugin that client, worker and Replayer share.

Data converter, interceptor and sandbox rules decide what a history means. In one plugin they cannot differ between the
three. Source: Temporal docs, Python SDK, Plugins.
"""

from __future__ import annotations

import dataclasses
from functools import partial

from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from audit.interceptor import AuditInterceptor
from clients.data_converter import DATA_CONVERTER

LIBRARIES = ("structlog", "boto3", "botocore", "psycopg", "rich")
"""Imported by modules that the workflow imports, but not used by its code: loaded once, not once per run."""
WORKFLOW_CODE = ("workflows", "models")
"""What a run executes. Loaded once it has no guard against the clock, chance and the network; the tests load it per run."""


class AuroraRestorePlugin(SimplePlugin):
    """For ``Client.connect(plugins=[…])`` and ``Replayer(plugins=[…])``; a worker gets it from its client."""

    def __init__(self, interceptor: AuditInterceptor | None = None, *, guarded: bool = False) -> None:
        """`interceptor` is the worker's, with a writer; a client or a Replayer needs none.

        With `guarded` each run imports the workflow's code anew and is refused what is not deterministic; see docs/architecture.md.
        """
        super().__init__(
            "aurora-restore",
            data_converter=DATA_CONVERTER,
            interceptors=[interceptor or AuditInterceptor()],
            workflow_runner=partial(_runner, LIBRARIES if guarded else LIBRARIES + WORKFLOW_CODE),
        )


def _runner(passed_through: tuple[str, ...], existing: WorkflowRunner | None) -> WorkflowRunner:
    if isinstance(existing, SandboxedWorkflowRunner):
        restrictions = existing.restrictions.with_passthrough_modules(*passed_through)
        return dataclasses.replace(existing, restrictions=restrictions)
    return existing or SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*passed_through)
    )
