"""remove-drill: the cluster that a drill restored is deleted once it is checked and measured. No other cluster ever is."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from activities.clusters.own_drill import OwnDrill, check_guards, prove
from activities.rds.statuses import BEING_DELETED
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.rds.target_deletion import delete_target
from activities.step import Intents, end_wait_if_final, step_activity, time_in_step
from clients.aws import AwsClients
from models.checks import checks_fact
from models.drill import DRILL_FACT
from models.leftovers import RemoveDrillInput
from models.step_call import StepOutcome
from models.steps import Housekeeping, Step
from models.waits import Change

ABSENT_FOR = timedelta(minutes=1)
"""How long the step waits before an absence counts as a removal by somebody else."""


class DrillActivities:
    """Removes what a drill restored."""

    def __init__(self, aws: AwsClients, intents: Intents) -> None:
        """`intents` is the trail; without a row in it nothing is deleted."""
        self._aws = aws
        self._intents = intents

    @step_activity(Step.REMOVE_DRILL)
    def remove_drill(self, step_input: RemoveDrillInput) -> StepOutcome:
        """Delete the cluster that this drill restored: proof, guards, intent, readers, writer, cluster. Done when it is gone.

        A stopped one is started first, because RDS does not delete it otherwise.
        Raises `Refused` if its name or its tags are not those of this drill, or if a guard of delete-rds refuses.
        Source: RDS API Reference, DeleteDBInstance, DeleteDBCluster, StartDBCluster.
        Run twice: a deletion under way continues, and what is gone is no error.
        """
        target = TargetCluster(self._aws, step_input.drill, step_input.operation_id)
        # Another account has no cluster of ours, which is no proof that ours is deleted.
        target.check_account()
        cluster = target.find_by_resource_id(step_input.cluster_resource_id)
        if cluster is None:
            return self._confirm_absence(step_input, target)
        if cluster["Status"] in BEING_DELETED:
            end_wait_if_final(step_input, "Deletion under way", "RDS continues it; retry when the cluster is gone.")
            return _removing(step_input)
        end_wait_if_final(step_input, "Drill not removed", "The cluster costs money until a retry deletes it.")
        own = _own(step_input, target)
        passed = check_guards(own, target, cluster)
        if waiting_for := start_if_stopped(target, cluster):
            return _removing(step_input, waiting_for, Change.CLUSTER_START)
        arn, name = step_input.drill.arn, step_input.drill.cluster
        text = f"Removing {name} ({step_input.cluster_resource_id})"
        self._intents.declare(Step.REMOVE_DRILL, step_input, text, (arn,), {DRILL_FACT: name} | checks_fact(passed))
        delete_target(target, cluster, partial(prove, own, target))
        return _removing(step_input)

    def _confirm_absence(self, step_input: RemoveDrillInput, target: TargetCluster) -> StepOutcome:
        """The outcome if RDS lists no cluster of the resource id: an empty list may be a read that missed it."""
        facts = {DRILL_FACT: step_input.drill.cluster}
        named = target.find()
        is_there = named is not None and named["DbClusterResourceId"] == step_input.cluster_resource_id
        declared = (Step.REMOVE_DRILL, Housekeeping.REMOVE_LEFTOVERS)
        if not is_there and any(self._intents.has_intent(step, step_input.operation_id) for step in declared):
            return StepOutcome(details="Drill removed", resource_arns=(step_input.drill.arn,), facts=facts)
        end_wait_if_final(step_input, "Drill cluster not visible", "Check in RDS whether it exists, then retry.")
        if is_there or time_in_step(step_input) < ABSENT_FOR:
            return _removing(step_input, "not listed, reading again", Change.OTHER)
        warning = f"Somebody else removed {step_input.drill.arn} before this drill did."
        return StepOutcome(details="Drill removed by somebody else", warnings=(warning,), facts=facts)


def _own(step_input: RemoveDrillInput, target: TargetCluster) -> OwnDrill:
    return OwnDrill(
        source=step_input.source,
        drill=step_input.drill,
        operation=target.operation_tag,
        resource_id=step_input.cluster_resource_id,
        source_resource_id=step_input.source_resource_id,
        target_resource_id=step_input.target_resource_id,
    )


def _removing(
    step_input: RemoveDrillInput, text: str = "deleting", change: Change = Change.CLUSTER_DELETION
) -> StepOutcome:
    arns = (step_input.drill.arn,)
    return StepOutcome(done=False, details=text, in_progress=(change,), resource_arns=arns)
