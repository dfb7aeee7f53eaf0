"""Workflows that do what no workflow may, each in one way: a replay would do something else than the recorded run."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

from temporalio import workflow

from workflows.aurora_restore import AuroraRestoreWorkflow

with workflow.unsafe.imports_passed_through():
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.workflow_names import RESTORE_WORKFLOW


@workflow.defn(name=RESTORE_WORKFLOW)
class ReadsTheClock(AuroraRestoreWorkflow):
    """Reads the worker's clock."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        datetime.now()  # noqa: DTZ005 - what must be refused
        return await super().run(request)


@workflow.defn(name=RESTORE_WORKFLOW)
class DrawsANumber(AuroraRestoreWorkflow):
    """Draws a random number."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        random.random()
        return await super().run(request)


@workflow.defn(name=RESTORE_WORKFLOW)
class ReadsAFile(AuroraRestoreWorkflow):
    """Reads a file of the worker."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        Path(__file__).read_text("utf-8")  # noqa: ASYNC240 - what must be refused
        return await super().run(request)
