"""What a restore sets and counts, and when: the handover to the users, and each operation once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.common import MetricMeter
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from clients.aws import AwsClients
from errors import StepFailed
from metrics import (
    DATA_TIME,
    LAST_SUCCESS,
    UNMASKED_COLUMNS,
    MetricsInterceptor,
    _HandoverMetrics,
    _WorkflowMetrics,
    count_aws_calls,
)
from models.archive import Notification
from models.notifications import NotificationInput
from models.restore_state import RestoreState, StepState
from models.steps import STEPS, STEPS_THAT_KEEP_THE_OLD, Outcome, Replacement, Status, Step
from tests.rigs.messages import raised_messages
from tests.rigs.requests import request

BEGAN = datetime(2026, 11, 27, 4, 5, tzinfo=UTC)
SNAPSHOT = BEGAN - timedelta(hours=3)
LABELS = {"target": "orders-staging", "region": "eu-central-1", "account": "111122223333"}


class _Meter:
    """Keeps what gauges are set to, by name and labels, and the labels of what is counted."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[dict[str, Any], float]] = {}
        self.counted: list[dict[str, Any]] = []
        self._labels: dict[str, Any] = {}

    def with_additional_attributes(self, labels: dict[str, Any]) -> _Meter:
        self._labels = labels
        return self

    def create_gauge_float(self, name: str, *_: str) -> SimpleNamespace:
        return SimpleNamespace(set=lambda value: self.values.update({name: (self._labels, value)}))

    def create_counter(self, name: str, *_: str) -> SimpleNamespace:
        return SimpleNamespace(add=lambda _, labels=None: self.counted.append(labels or {"": name}))


def state_of(order: tuple[Step, ...], **changes: Any) -> RestoreState:
    """A restore whose steps before the message each took a minute, and whose message is being sent."""
    done = order[: order.index(Step.SNS_NOTIFICATION)]
    steps = [
        StepState(
            step=step, status=Status.SUCCESS, details="", started_at=BEGAN, ended_at=BEGAN + timedelta(minutes=number)
        )
        for number, step in enumerate(done, 1)
    ]
    sending = StepState(step=Step.SNS_NOTIFICATION, status=Status.IN_PROGRESS, details="", started_at=BEGAN)
    target = request().target
    return RestoreState(
        outcome=Outcome.SUCCEEDED, source_arn=target.arn, target_arn=target.arn, started_at=BEGAN, steps=(*steps, sending),
        snapshot_created_at=SNAPSHOT, **changes,
    )  # fmt: skip


DELETE_FIRST = STEPS[Replacement.DELETE_FIRST]
SWAP: dict[str, Any] = {"replacement": Replacement.SWAP}
CASES: dict[str, tuple[RestoreState, Step | None]] = {
    "delete first": (state_of(DELETE_FIRST), Step.ARCHIVE_SNAPSHOT),
    "swap": (state_of(STEPS[Replacement.SWAP], **SWAP), Step.SWAP_CLUSTERS),
    "swap that keeps the old": (state_of(STEPS_THAT_KEEP_THE_OLD, **SWAP, keeps_old=True), Step.SWAP_CLUSTERS),
    "drill": (state_of(STEPS[Replacement.DRILL], replacement=Replacement.DRILL), None),
    "failed": (state_of(DELETE_FIRST).model_copy(update={"outcome": Outcome.FAILED}), None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_success_is_the_handover_and_known_when_the_message_goes_out(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the end of the restore, which a kept old cluster may delay by days; a drill hands no target over."""
    state, handover = CASES[case]
    meter, sent = _Meter(), cast("WorkflowOutboundInterceptor", SimpleNamespace(start_activity=lambda _: "sent"))
    monkeypatch.setattr(workflow, "metric_meter", lambda: meter)
    topic = Notification(topic_arn="arn:aws:sns:eu-central-1:111122223333:restores")
    message = NotificationInput(
        operation_id="op-001", step_started_at=BEGAN, notification=topic, target=request().target, workflow_id=CANONICAL,
        state=state,
    )  # fmt: skip
    call = cast("StartActivityInput", SimpleNamespace(args=[message]))
    assert cast("str", _HandoverMetrics(sent).start_activity(call)) == "sent"
    if handover is None:
        assert meter.values == {}
        return
    [at] = [step.ended_at for step in state.steps if step.step is handover]
    assert at is not None
    assert meter.values == {LAST_SUCCESS: (LABELS, at.timestamp()), DATA_TIME: (LABELS, SNAPSHOT.timestamp())}


def failure(fault: str, cause: Exception) -> ApplicationError:
    """As a workflow ends with it."""
    error = ApplicationError("text", type=fault)
    error.__cause__ = cause
    return error


IN_CHILD = ChildWorkflowError(
    "failed", namespace="n", workflow_id="w", run_id="r", workflow_type="t", initiated_event_id=1, started_event_id=2,
    retry_state=None,
)  # fmt: skip
CANONICAL, SCHEDULED = request().target.workflow_id, "aurora-restore-orders-2026-11-27T04:05:00Z"


DRILL = request(target={"replacement": "drill"})


@pytest.mark.parametrize(
    ("workflow_id", "error", "counted"),
    [
        (CANONICAL, failure("Skipped", ValueError()), ["skipped"]),
        (CANONICAL, failure("StepFailed", ValueError()), ["failed"]),
        (SCHEDULED, failure("Skipped", IN_CHILD), []),
        (SCHEDULED, failure("StepFailed", IN_CHILD), []),
        (SCHEDULED, failure("Skipped", ValueError()), ["skipped"]),
    ],
    ids=["skipped", "failed", "its child skipped", "its child failed", "skipped without a child"],
)
async def test_an_operation_counts_once(
    workflow_id: str, error: ApplicationError, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that has the target's own id; a schedule's run only if it had no child."""

    async def fail(_: ExecuteWorkflowInput) -> None:
        raise error

    meter, inbound = _Meter(), cast("WorkflowInboundInterceptor", SimpleNamespace(execute_workflow=fail))
    monkeypatch.setattr(workflow, "metric_meter", lambda: meter)
    monkeypatch.setattr(workflow, "info", lambda: SimpleNamespace(workflow_id=workflow_id))
    for wanted in (request(), DRILL):
        with pytest.raises(ApplicationError):
            await _WorkflowMetrics(inbound).execute_workflow(
                cast("ExecuteWorkflowInput", SimpleNamespace(args=[wanted]))
            )
    assert meter.counted == [
        {**LABELS, "kind": kind, "outcome": outcome} for kind in ("restore", "drill") for outcome in counted
    ]


def test_a_request_to_aws_counts_by_how_it_ended() -> None:
    """The alert about throttling needs every code that botocore knows for it; other refusals are answers."""
    meter, observers = _Meter(), list[Any]()
    aws = cast("AwsClients", SimpleNamespace(on_each_attempt=observers.append))
    count_aws_calls(aws, cast("MetricMeter", meter))
    operation = SimpleNamespace(name="DescribeDBClusters", service_model=SimpleNamespace(service_name="rds"))
    codes = ("RequestThrottledException", "ProvisionedThroughputExceededException", "DBClusterNotFoundFault")
    answers = [None, (None, {}), *((None, {"Error": {"Code": code}}) for code in codes)]
    for answer in answers:
        observers[0](response=answer, operation=operation, attempts=1)
    ended = ("no-answer", "ok", "throttled", "throttled", "error")
    called = {"service": "rds", "operation": "DescribeDBClusters"}
    assert meter.counted == [{**called, "outcome": outcome} for outcome in ended]


async def test_an_attempt_that_ends_at_columns_without_a_rule_is_counted_by_itself() -> None:
    """The alert about them needs it; the fault is known by its short text, which the gate of masking raises."""
    assert UNMASKED_COLUMNS in {message.short for message in raised_messages()}

    async def fail(activity_input: ExecuteActivityInput) -> None:
        raise StepFailed(activity_input.args[0], "text")

    meter, environment = _Meter(), ActivityEnvironment()
    environment.metric_meter = cast("MetricMeter", meter)
    inbound = MetricsInterceptor().intercept_activity(
        cast("ActivityInboundInterceptor", SimpleNamespace(execute_activity=fail))
    )
    for short in ("Copy failed", UNMASKED_COLUMNS):
        with pytest.raises(StepFailed):
            await environment.run(inbound.execute_activity, cast("ExecuteActivityInput", SimpleNamespace(args=[short])))
    failed = {"activity": "unknown", "error_type": "StepFailed"}
    assert meter.counted == [failed, failed, {"": "aurora_restore_unmasked_columns"}]
