"""The Temporal plugin that client, worker and Replayer share.

Data converter, interceptor and sandbox rules decide what a history means. In one plugin they cannot differ between the
three. Source: Temporal docs, Python SDK, Plugins.
"""

from __future__ import annotations

import dataclasses

from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from audit.interceptor import AuditInterceptor
from clients.data_converter import DATA_CONVERTER

PASSED_THROUGH = ("structlog", "boto3", "botocore", "psycopg", "rich")
"""Imported by modules that the workflow imports, but not used by its code: loaded once, not once per run."""


def _runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    if isinstance(existing, SandboxedWorkflowRunner):
        restrictions = existing.restrictions.with_passthrough_modules(*PASSED_THROUGH)
        return dataclasses.replace(existing, restrictions=restrictions)
    return existing or SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    )


class AuroraRestorePlugin(SimplePlugin):
    """For ``Client.connect(plugins=[…])`` and ``Replayer(plugins=[…])``; a worker gets it from its client."""

    def __init__(self, interceptor: AuditInterceptor | None = None) -> None:
        """`interceptor` is the worker's, with a writer; a client or a Replayer needs none."""
        super().__init__(
            "aurora-restore",
            data_converter=DATA_CONVERTER,
            interceptors=[interceptor or AuditInterceptor()],
            workflow_runner=_runner,
        )
