"""The Temporal plugin that client, worker and Replayer share.

Data converter, interceptor and how workflows run decide what a history means. In one plugin they cannot differ between the
three. Source: Temporal docs, Python SDK, Plugins.
"""

from __future__ import annotations

from temporalio.plugin import SimplePlugin
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from audit.interceptor import AuditInterceptor
from clients.data_converter import DATA_CONVERTER

LIBRARIES = ("structlog", "boto3", "botocore", "psycopg", "rich")
"""Imported by modules that the workflow imports, but not used by its code: under the guard loaded once, not once per run."""


class AuroraRestorePlugin(SimplePlugin):
    """For ``Client.connect(plugins=[…])`` and ``Replayer(plugins=[…])``; a worker gets it from its client."""

    def __init__(self, interceptor: AuditInterceptor | None = None, *, guarded: bool = False) -> None:
        """`interceptor` is the worker's, with a writer; a client or a Replayer needs none.

        With `guarded` each run imports the workflow's code anew and is refused what is not deterministic: the clock, chance,
        files and the network. The tests replay so; see docs/architecture.md.
        """
        super().__init__(
            "aurora-restore",
            data_converter=DATA_CONVERTER,
            interceptors=[interceptor or AuditInterceptor()],
            workflow_runner=_sandbox() if guarded else UnsandboxedWorkflowRunner(),
        )


def _sandbox() -> WorkflowRunner:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*LIBRARIES)
    return SandboxedWorkflowRunner(restrictions=restrictions)
