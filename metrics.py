"""Metrics of the worker: Temporal's own and ours, from one exporter, the one of Temporal's SDK.

A name is the one that Prometheus gets, without the suffixes that the exporter adds: `_total` to a counter, the unit to a
histogram, and nothing to a gauge. Labels have few
values: a target, a step, an outcome, an AWS service and its operation. docs/monitoring.md lists all of them.
Source: Temporal docs, Observability; Prometheus docs, "Metric and label naming".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from temporalio import activity, workflow
from temporalio.common import MetricMeter
from temporalio.exceptions import ApplicationError, ChildWorkflowError, is_cancelled_exception
from temporalio.runtime import OpenTelemetryConfig, PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from audit.activities import RECORD_OUTCOME
from audit.last_successes import read_last_successes
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow
from audit.table import AuditTable
from clients.aws import AwsClients
from clients.throttling import THROTTLED, THROTTLED_BY_DYNAMODB
from errors import PipelineError, Skipped
from models.clusters import CheckRestoreOutcome
from models.notifications import NotificationInput
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.step_call import StepInput, StepOutcome
from models.steps import Outcome, audited_step
from models.workflow_names import CANONICAL_ID_PREFIX, RESTORE_WORKFLOW
from settings import PREFIX, WrongSettings

if TYPE_CHECKING:
    from botocore.model import OperationModel

log = structlog.stdlib.get_logger("metrics")

LAST_SUCCESSES_SECONDS = 10
"""How long a starting worker waits for the trail's answer about them."""
LAST_SUCCESS, DATA_TIME = "aurora_restore_last_success_timestamp_seconds", "aurora_restore_data_timestamp_seconds"
STEP_DURATION, TRAIL_LAG = "aurora_restore_step_duration", "aurora_restore_trail_lag_seconds"
BUCKETS = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0]
"""Seconds of a step: from a second to half a day."""
UNMASKED_COLUMNS = "Masking rules incomplete"


class CannotListen(WrongSettings):
    """Nothing can listen at the address for Prometheus, which is in use or not of this machine."""


def create_runtime(address: str | None, otlp_url: str | None) -> Runtime | None:
    """The SDK's runtime with an endpoint for Prometheus or a push to an OTLP collector; None without either.

    Raises `CannotListen`.
    """
    if address is not None:
        config: PrometheusConfig | OpenTelemetryConfig = PrometheusConfig(
            bind_address=address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides={STEP_DURATION: BUCKETS},
        )
    elif otlp_url is not None:
        config = OpenTelemetryConfig(
            url=otlp_url,
            http=otlp_url.endswith("/v1/metrics"),
            durations_as_seconds=True,
            histogram_bucket_overrides={STEP_DURATION: BUCKETS},
        )
    else:
        return None
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=config))
    except (RuntimeError, ValueError) as error:
        raise CannotListen(f"{PREFIX}METRICS_ADDRESS: cannot listen at {address}: {error}") from error


def count_aws_calls(aws: AwsClients, meter: MetricMeter) -> None:
    """Count every request to AWS, each of botocore's own retries included, by service, operation and outcome."""
    calls = meter.create_counter("aurora_restore_aws_calls", "Requests to AWS, by how they ended.")

    def count(response: tuple[Any, Mapping[str, Any]] | None, operation: OperationModel, **_: object) -> None:
        labels = {"service": operation.service_model.service_name, "operation": operation.name}
        calls.add(1, {**labels, "outcome": _outcome_of(response)})

    aws.on_each_attempt(count)


def count_events(runtime: Runtime | None) -> Callable[[str], None]:
    """What counts the messages in the queues of RDS's events by what became of them; without a runtime it does nothing."""
    if runtime is None:
        return lambda _: None
    events = runtime.metric_meter.create_counter("aurora_restore_rds_events", "Messages in the queues of RDS's events.")
    return lambda outcome: events.add(1, {"outcome": outcome})


def _outcome_of(response: tuple[Any, Mapping[str, Any]] | None) -> str:
    if response is None:
        return "no-answer"
    code = response[1].get("Error", {}).get("Code")
    if code is None:
        return "ok"
    return "throttled" if code in THROTTLED | THROTTLED_BY_DYNAMODB else "error"


class MetricsInterceptor(Interceptor):
    """Counts what activities and workflows do. It changes nothing of them and writes nothing into a history."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _ActivityMetrics(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: ARG002 - the SDK's signature
        """See base class."""
        return _WorkflowMetrics


class _ActivityMetrics(ActivityInboundInterceptor):
    """Polls, durations of steps, differences, failed attempts, and how far the trail is behind."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        argument = input.args[0] if input.args else None
        try:
            outcome = await self.next.execute_activity(input)
        except Exception as error:
            if not is_cancelled_exception(error):
                _count_failure(error)
            raise
        finally:
            if isinstance(argument, AuditRow) and activity.info().activity_type == RECORD_OUTCOME:
                _measure_trail_lag(argument)
        step = audited_step(activity.info().activity_type)
        if step is not None and isinstance(argument, StepInput) and isinstance(outcome, StepOutcome):
            _measure_step(step.value, argument, outcome)
        return outcome


def _measure_step(step: str, step_input: StepInput, outcome: StepOutcome) -> None:
    meter = activity.metric_meter().with_additional_attributes({"step": step})
    meter.create_counter("aurora_restore_polls", "Calls of the activities of steps that returned.").add(1)
    if isinstance(outcome, CheckRestoreOutcome) and outcome.done:
        differences = meter.create_counter("aurora_restore_differences", "Settings that are not as configured.")
        differences.add(len(outcome.differences), _target_labels(getattr(step_input, "target", None)))
    if outcome.done:
        ended_at = outcome.ended_at or datetime.now(UTC)
        seconds = max((ended_at - step_input.step_started_at).total_seconds(), 0.0)
        durations = meter.create_histogram_float(STEP_DURATION, "From the step's begin to its end.", "seconds")
        durations.record(seconds)


def _count_failure(error: Exception) -> None:
    labels = {"activity": activity.info().activity_type, "error_type": type(error).__name__}
    meter = activity.metric_meter()
    meter.create_counter("aurora_restore_failed_attempts", "Attempts of activities that failed.").add(1, labels)
    if isinstance(error, PipelineError) and error.fault.short == UNMASKED_COLUMNS:
        name, text = "aurora_restore_unmasked_columns", "Attempts that ended at columns without a masking rule."
        meter.create_counter(name, text).add(1)


def _measure_trail_lag(row: AuditRow) -> None:
    """How long ago it happened what is being written; it also grows while DynamoDB refuses."""
    lag = datetime.now(UTC) - row.timestamp
    gauge = activity.metric_meter().create_gauge_float(TRAIL_LAG, "Age of the row that the trail gets.", "seconds")
    gauge.set(max(lag / timedelta(seconds=1), 0.0))


class _WorkflowMetrics(WorkflowInboundInterceptor):
    """Operations by outcome, and through its other side the last success. A replay counts nothing again."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """See base class."""
        super().init(_HandoverMetrics(outbound))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        request = input.args[0] if input.args else None
        if not isinstance(request, RestoreRequest):
            return await self.next.execute_workflow(input)
        try:
            state = await self.next.execute_workflow(input)
        except BaseException as error:
            outcome = _outcome_of_error(error)
            # A run without the target's own id has a child, which is counted; a skip of its own happens in no child.
            if _is_canonical() or (outcome is Outcome.SKIPPED and not isinstance(error.__cause__, ChildWorkflowError)):
                _count_operation(request, outcome)
            raise
        if _is_canonical() and isinstance(state, RestoreState):
            _count_operation(request, state.outcome)
        return state


class _HandoverMetrics(WorkflowOutboundInterceptor):
    """Sets the last success and the time of its data when the message goes out: a kept old cluster may delay the end by days."""

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        """See base class."""
        message = input.args[0] if input.args else None
        if isinstance(message, NotificationInput) and message.state.handed_over_at is not None:
            meter = workflow.metric_meter().with_additional_attributes(_target_labels(message.target))
            _set_times(meter, message.state.handed_over_at, message.state.snapshot_created_at)
        return self.next.start_activity(input)


def _is_canonical() -> bool:
    return workflow.info().workflow_id.startswith(CANONICAL_ID_PREFIX)


def _outcome_of_error(error: BaseException) -> Outcome:
    if isinstance(error, ApplicationError) and error.type == Skipped.__name__:
        return Outcome.SKIPPED
    return Outcome.CANCELLED if is_cancelled_exception(error) else Outcome.FAILED


def _count_operation(request: RestoreRequest, outcome: Outcome) -> None:
    kind = "drill" if request.target and request.target.drills else "restore"
    labels = {**_target_labels(request.target), "kind": kind, "outcome": outcome.value}
    workflow.metric_meter().create_counter("aurora_restore_operations", "Operations that ended.").add(1, labels)


async def measure_last_successes(
    meter: MetricMeter, namespace: str, task_queue: str, table: AuditTable, numbers: OperationNumbersTable
) -> None:
    """Set the gauges of each target's last success as the trail has it, in the series that a restore of it sets too.

    Await it before the first poll, so that no restore of this worker is newer. Without an answer of the trail it logs why.
    """
    reading = asyncio.to_thread(read_last_successes, table, numbers)
    try:
        successes = await asyncio.wait_for(reading, LAST_SUCCESSES_SECONDS)
    except (PipelineError, TimeoutError) as error:
        reason = str(error) or f"no answer within {LAST_SUCCESSES_SECONDS} s"
        log.warning("the last success of each target is unknown until the next one", reason=reason)
        return
    ours = {"namespace": namespace, "task_queue": task_queue, "workflow_type": RESTORE_WORKFLOW}
    for success in successes:
        _, _, _, region, account, _, cluster = success.target_arn.split(":")
        labels = {**ours, "target": cluster, "region": region, "account": account}
        _set_times(meter.with_additional_attributes(labels), success.restored_at, success.snapshot_created_at)


def _set_times(meter: MetricMeter, succeeded_at: datetime | None, data_of: datetime | None) -> None:
    texts = {
        LAST_SUCCESS: "When the target was last handed to its users.",
        DATA_TIME: "When the target's snapshot was taken.",
    }
    for (name, text), at in zip(texts.items(), (succeeded_at, data_of), strict=True):
        if at is not None:
            meter.create_gauge_float(name, text, "seconds").set(at.timestamp())


def _target_labels(target: Any) -> dict[str, str | int | float | bool]:
    return {"target": target.cluster, "region": target.region, "account": target.account_id} if target else {}
