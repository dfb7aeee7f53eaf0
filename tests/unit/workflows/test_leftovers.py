"""What a restore removes after it has ended without success."""

from __future__ import annotations

from typing import Any

import pytest

from models.restore_state import RestoreState, StepState
from models.steps import Status, Step
from tests.rigs.requests import request
from tests.unit.workflows.conftest import FakeTemporal
from workflows.leftovers import remove_leftovers_input

REMOVE_BOTH = {"unfinished_copy": "remove", "half_restored_target": "remove"}


def state_at(temporal: FakeTemporal, failed: Step, **facts: Any) -> RestoreState:
    """The state of a restore that failed at a step, after every earlier step succeeded."""
    steps = [
        StepState(
            step=step,
            status=Status.FAILED if step is failed else Status.SUCCESS,
            details="-",
            started_at=temporal.time,
        )
        for step in Step
        if step.number <= failed.number
    ]
    restored = failed.number > Step.RESTORE_SNAPSHOT.number
    facts = {"operation_id": "op-001", "cluster_resource_id": "cluster-NEW" if restored else None} | facts
    return RestoreState(source_arn="source", target_arn="target", started_at=temporal.time, steps=tuple(steps), **facts)


@pytest.mark.parametrize(
    ("failed", "copy", "cluster"),
    [
        (Step.SNAPSHOT_CHECK, False, None),
        (Step.COPY_SNAPSHOT, True, None),
        (Step.CHECK_COPY_STATUS, True, None),
        (Step.DELETE_RDS, False, None),
        (Step.RESTORE_SNAPSHOT, False, None),
        (Step.CHECK_RESTORE_STATUS, False, "cluster-NEW"),
        (Step.SETUP_DB_USERS, False, "cluster-NEW"),
        (Step.ARCHIVE_SNAPSHOT, False, None),
        (Step.SNS_NOTIFICATION, False, None),
    ],
)
def test_only_what_is_half_done_is_removed(
    temporal: FakeTemporal, failed: Step, copy: bool, cluster: str | None
) -> None:
    """A copy until it is available, a cluster from its restore until its users are set up."""
    step_input = remove_leftovers_input(request(on_failure=REMOVE_BOTH), state_at(temporal, failed))
    removed = (step_input.unfinished_copy, step_input.cluster_resource_id) if step_input else (False, None)
    assert removed == (copy, cluster)


@pytest.mark.parametrize("failed", Step)
def test_by_default_nothing_is_removed(temporal: FakeTemporal, failed: Step) -> None:
    """Neither a copy nor a cluster."""
    assert remove_leftovers_input(request(), state_at(temporal, failed)) is None


def test_without_a_number_nothing_is_removed(temporal: FakeTemporal) -> None:
    """The trail could not keep the intent."""
    state = state_at(temporal, Step.CHECK_COPY_STATUS, operation_id=None)
    assert remove_leftovers_input(request(on_failure=REMOVE_BOTH), state) is None
