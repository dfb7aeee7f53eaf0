"""The end of a drill: the cluster that it restored is removed."""

from __future__ import annotations

from temporalio import workflow

from workflows.step_runner import StepRunner

with workflow.unsafe.imports_passed_through():
    from activities.clusters.drill import DrillActivities
    from audit import trail
    from models.leftovers import RemoveDrillInput
    from models.steps import Step
    from models.waits import Wait


async def remove_drill(runner: StepRunner, step_input: RemoveDrillInput, wait: Wait) -> None:
    """Remove the restored cluster and wait until it is gone."""
    # No trail, no deletion: the trail must hold every outcome so far.
    await trail.wait_until_written()
    await runner.poll(Step.REMOVE_DRILL, DrillActivities.remove_drill, step_input, wait)
