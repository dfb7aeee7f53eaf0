"""What a command asks of a worker, because the worker has the permissions for it: one activity each, and its answer.

None of them changes RDS, and none runs under a target's own workflow id: a restore may run at the same time.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow

from models.workflow_names import DECISION_WORKFLOW, ORPHANS_WORKFLOW, PLAN_WORKFLOW, REPAIR_WORKFLOW, SCHEMA_WORKFLOW
from workflows.canonical_run import as_failure
from workflows.policies import WORKER_CALL, with_summary

with workflow.unsafe.imports_passed_through():
    from temporalio.exceptions import ActivityError, is_cancelled_exception

    from activities.database_users import DatabaseUserActivities
    from activities.leftovers import LeftoverActivities
    from activities.plans import PlanActivities
    from audit.activities import DecisionActivities
    from audit.verify.repairs import RepairActivities
    from errors import InvalidRequest, fault_of
    from models.decisions import RetryDecision
    from models.leftovers import ListOrphansInput, OrphanList
    from models.masking import LiveSchema
    from models.plan import Plan, PlanInput
    from models.repair import Repaired, RepairInput
    from models.request import RestoreRequest

Answer = TypeVar("Answer")


@workflow.defn(name=PLAN_WORKFLOW)
class AuroraPlanWorkflow:
    """Plans a restore: `starter.py plan`."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> Plan:
        """What this request would do if it began now."""
        if request is None:
            raise InvalidRequest("Invalid request", "no input was given; expected a restore request.")
        plan_input = PlanInput(request=request, at=workflow.now())
        summary = with_summary(WORKER_CALL, f"plan a restore of {request.target.cluster}")
        return await _answer(workflow.execute_activity_method(PlanActivities.plan_restore, plan_input, **summary))


@workflow.defn(name=ORPHANS_WORKFLOW)
class AuroraOrphansWorkflow:
    """Lists orphans: `starter.py cleanup` without --delete."""

    @workflow.run
    async def run(self, listed: ListOrphansInput) -> OrphanList:
        """The copies of a target that nothing uses."""
        summary = with_summary(WORKER_CALL, f"list the orphans of {listed.request.target.cluster}")
        return await _answer(workflow.execute_activity_method(LeftoverActivities.list_orphans, listed, **summary))


@workflow.defn(name=DECISION_WORKFLOW)
class AuroraDecisionWorkflow:
    """Writes the row of a decision: `starter.py retry` of an operation that has ended."""

    @workflow.run
    async def run(self, decision: RetryDecision) -> None:
        """Done when the trail has the row."""
        # Temporal's clock may be behind the one that the end of the run has from an activity.
        decided = decision.model_copy(update={"decided_at": max(workflow.now(), decision.ended_at)})
        summary = with_summary(WORKER_CALL, f"record that {decision.operation_id} is retried from {decision.step}")
        await _answer(workflow.execute_activity_method(DecisionActivities.record_decision, decided, **summary))


@workflow.defn(name=REPAIR_WORKFLOW)
class AuroraRepairWorkflow:
    """Adds what the trail of an operation lacks: `starter.py audit verify --repair`."""

    @workflow.run
    async def run(self, repair: RepairInput) -> Repaired:
        """The keys of what was added."""
        summary = with_summary(WORKER_CALL, f"repair the trail of {repair.operation_id}")
        return await _answer(workflow.execute_activity_method(RepairActivities.repair_trail, repair, **summary))


@workflow.defn(name=SCHEMA_WORKFLOW)
class AuroraSchemaWorkflow:
    """Reads the schema of a live target: `starter.py masking`."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> LiveSchema:
        """Every table of every database of the target."""
        if request is None:
            raise InvalidRequest("Invalid request", "no input was given; expected a restore request.")
        summary = with_summary(WORKER_CALL, f"read the schema of {request.target.cluster}")
        return await _answer(workflow.execute_activity_method(DatabaseUserActivities.read_schema, request, **summary))


async def _answer(call: Awaitable[Answer]) -> Answer:
    """The answer of a worker. Raises the activity's own error as the workflow's; a cancellation stays one."""
    try:
        return await call
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise as_failure(fault_of(error), None) from error
