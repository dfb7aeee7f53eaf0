"""The morning summary of a fleet: one message that says how every target is."""

from __future__ import annotations

from temporalio import workflow

from models.workflow_names import SUMMARY_WORKFLOW
from workflows.policies import NOTIFICATION, with_summary

with workflow.unsafe.imports_passed_through():
    from activities.notifications.summary import SummaryActivities
    from models.fleet_summary import SummaryInput, SummaryOutcome


@workflow.defn(name=SUMMARY_WORKFLOW)
class AuroraSummaryWorkflow:
    """Publishes the summary of one fleet; a schedule that `starter.py apply` makes starts it."""

    @workflow.run
    async def run(self, summary_input: SummaryInput) -> SummaryOutcome:
        """Publish one summary. Raises the error of the activity after an hour of attempts."""
        policy = with_summary(NOTIFICATION, f"summary of {len(summary_input.target_arns)} targets")
        outcome: SummaryOutcome = await workflow.execute_activity_method(
            SummaryActivities.publish_summary, summary_input, **policy
        )
        workflow.set_current_details(outcome.subject)
        return outcome
