"""The checks of `starter.py doctor`. Each one answers, whatever the others found; what cannot be checked is a warning."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from audit.numbers import OperationNumbersTable
from audit.rows import EXPIRES_AT
from audit.table import AuditTable
from clients.aws import AwsClients
from clients.temporal import TemporalUnreachable, connect, connection_security
from commands.failures import describe, exit_code_for
from limits import join_names
from models.search_attributes import ALL
from models.source import Location
from runs.scheduled_targets import ScheduledTarget, list_scheduled_targets, unreadable_text
from runs.search_attributes import list_missing
from runs.workers import count_workers
from settings import TrailSettings, WrongSettings, list_of_worker_only, load_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SETUP = "python starter.py setup"
CLOCK_TOLERANCE = timedelta(seconds=5)
DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation")
MAX_LISTED = 300
"""Characters of names in a line."""
KEYS = {"audit": ["operation_id", "event_key"], "operations": ["record"]}


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "fail"


class Finding(NamedTuple):
    """One line."""

    check: str
    level: Level
    text: str
    cure: str | None = None


async def diagnose() -> list[Finding]:
    """Every check, in the order in which one depends on another."""
    try:
        settings = load_settings(TrailSettings)
    except WrongSettings as wrong:
        cure = "Set the variables; docs/reference/settings.md has them all. Nothing else was checked."
        return [Finding("settings", Level.FAIL, "; ".join(str(wrong).splitlines()), cure)]
    at = f"environment {settings.environment}, trail in {settings.audit_region}"
    ignored = list_of_worker_only()
    note = f"; only the worker reads {', '.join(ignored)}" if ignored else ""
    findings = [Finding("settings", Level.OK, f"{at}{note}")]
    schedules: list[ScheduledTarget] = []
    findings += await _diagnose_temporal(settings, schedules)
    aws, topics = AwsClients(environment=settings.environment), {arn for each in schedules for arn in each.topic_arns}
    return findings + await asyncio.to_thread(lambda: list(diagnose_aws(settings, aws, sorted(topics))))


async def _diagnose_temporal(settings: TrailSettings, schedules: list[ScheduledTarget]) -> list[Finding]:
    try:
        client = await connect()
    except TemporalUnreachable as unreachable:
        not_checked = [
            Finding(check, Level.WARNING, "not checked, because Temporal cannot be reached")
            for check in ("search attributes", "worker", "schedules")
        ]
        return [Finding("Temporal", Level.FAIL, unreachable.text, unreachable.cure), *not_checked]
    checks: dict[str, Callable[[], Awaitable[Finding]]] = {
        "Temporal": lambda: _check_namespace(client),
        "search attributes": lambda: _check_search_attributes(client),
        "worker": lambda: _check_worker(client, settings.task_queue),
        "schedules": lambda: _check_schedules(client, settings.task_queue, schedules),
    }
    return [await _answer(check, ask) for check, ask in checks.items()]


async def _answer(check: str, ask: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await ask()
    except RPCError as error:
        return Finding(check, Level.FAIL, describe(error))


async def _check_namespace(client: Client) -> Finding:
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    at = f"{client.service_client.config.target_host}, namespace {client.namespace}"
    return Finding("Temporal", Level.OK, f"{at}, {connection_security()}")


async def _check_search_attributes(client: Client) -> Finding:
    missing = await list_missing(client, ALL)
    if missing:
        return Finding("search attributes", Level.FAIL, f"not registered: {', '.join(missing)}", SETUP)
    return Finding("search attributes", Level.OK, f"{', '.join(key.name for key in ALL)} are registered")


async def _check_worker(client: Client, task_queue: str) -> Finding:
    workers = await count_workers(client, task_queue, datetime.now(UTC))
    if not workers:
        text = f"none polled the task queue {task_queue} within the last minute"
        return Finding("worker", Level.FAIL, text, "python worker.py")
    return Finding(
        "worker", Level.OK, f"{workers} on the task queue {task_queue}; a worker reports no version to Temporal"
    )


async def _check_schedules(client: Client, task_queue: str, found: list[ScheduledTarget]) -> Finding:
    schedules, unreadable = await list_scheduled_targets(client)
    found += [each for each in schedules if each.task_queue == task_queue]
    for schedule_id, reason in unreadable.items():
        text, _, cure = unreadable_text(schedule_id, reason).rpartition("\n")
        return Finding("schedules", Level.FAIL, text.replace("\n", " "), cure.strip())
    if not found:
        return Finding("schedules", Level.WARNING, "none", "python starter.py schedule REQUEST_FILE")
    following = min((each.next_at for each in found if each.next_at), default=None)
    following_text = f"the next starts at {following:%Y-%m-%d %H:%M} UTC" if following else "none of them starts again"
    paused = sum(each.pause is not None for each in found)
    level = Level.OK if following else Level.WARNING
    return Finding("schedules", level, f"{len(found)}, {paused} of them paused; {following_text}")


def diagnose_aws(settings: TrailSettings, aws: AwsClients, topics: Sequence[str]) -> Iterator[Finding]:
    """What needs AWS: the identity, the tables and the `topics` that the schedules name."""
    yield from _checked(("identity", "clock"), lambda: _check_identity(aws, settings.audit_region))

    dynamodb = partial(aws.dynamodb, settings.audit_region)
    for kind, table in (("audit", settings.audit_table), ("operations", settings.operations_table)):
        yield from _checked((f"table {table}",), partial(_check_table, dynamodb, table, KEYS[kind]))
    yield from _checked(("trail",), partial(_check_trail, dynamodb, settings))
    if not topics:
        yield Finding("topics", Level.WARNING, "not checked: no schedule names one, or Temporal did not list them")
    for topic in topics:
        yield from _checked((f"topic {topic}",), partial(_check_topic, aws, topic))


def _checked(checks: tuple[str, ...], ask: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings; of what AWS does not answer a finding for each check."""
    try:
        return ask()
    except Exception as error:
        if exit_code_for(error) is None:
            raise
        is_denied = _code(error) in DENIED or _code(error.__cause__) in DENIED
        level, text = (Level.WARNING, "not checked: ") if is_denied else (Level.FAIL, "")
        return [Finding(check, level, f"{text}{' '.join(describe(error).split())}") for check in checks]


def _code(error: BaseException | None) -> str | None:
    return error.response["Error"].get("Code") if isinstance(error, ClientError) else None


def _check_identity(aws: AwsClients, region: str) -> list[Finding]:
    answer: Any = aws.own_sts(region).get_caller_identity()
    identity = Finding("identity", Level.OK, f"{answer['Arn']}, account {answer['Account']}")
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        return [identity, Finding("clock", Level.WARNING, "not checked: AWS's answer has no date")]
    # AWS's date has whole seconds.
    apart = datetime.now(UTC) - parsedate_to_datetime(date)
    seconds = round(apart.total_seconds())
    text = f"{abs(seconds)} s {'ahead of' if seconds >= 0 else 'behind'} AWS's; Temporal reports no time of its own"
    if abs(apart) <= CLOCK_TOLERANCE:
        return [identity, Finding("clock", Level.OK, text)]
    return [identity, Finding("clock", Level.FAIL, text, "Synchronize this machine's clock, for example with chrony.")]


def _check_table(connect_to: Callable[[], DynamoDBClient], table: str, keys: Sequence[str]) -> list[Finding]:
    dynamodb, check = connect_to(), f"table {table}"
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return [Finding(check, Level.FAIL, f"does not exist in {dynamodb.meta.region_name}", SETUP)]
    actual = [key["AttributeName"] for key in described["KeySchema"]]
    if actual != list(keys):
        text = f"has the key {', '.join(actual)}; expected {', '.join(keys)}"
        return [Finding(check, Level.FAIL, text, "Name another table, or the right one, in the settings.")]
    wrong = _missing_settings(dynamodb, table, has_expiry="event_key" in keys)
    if wrong:
        return [Finding(check, Level.WARNING, f"exists without {' and '.join(wrong)}", SETUP)]
    return [Finding(check, Level.OK, f"{described['TableStatus']}, with backups of the past 35 days")]


def _missing_settings(dynamodb: DynamoDBClient, table: str, *, has_expiry: bool) -> list[str]:
    """What `setup` makes and the table lacks."""
    missing = []
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        missing.append("point-in-time recovery")
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"] if has_expiry else {}
    if has_expiry and expiry.get("AttributeName") != EXPIRES_AT:
        missing.append(f"time to live in {EXPIRES_AT}")
    return missing


def _check_trail(connect_to: Callable[[], DynamoDBClient], settings: TrailSettings) -> list[Finding]:
    dynamodb = connect_to()
    targets = OperationNumbersTable(dynamodb, settings.operations_table).list_targets()
    AuditTable(dynamodb, settings.audit_table).list_rows("op-001")
    names = join_names(sorted({arn.rpartition(":")[2] for arn in targets}), MAX_LISTED)
    return [Finding("trail", Level.OK, f"readable, with {len(targets)} targets{f': {names}' if names else ''}")]


def _check_topic(aws: AwsClients, topic: str) -> list[Finding]:
    _, _, _, region, account_id, *_ = topic.split(":")
    if aws.own_sts(region).get_caller_identity()["Account"] != account_id:
        text = f"not checked, because it belongs to account {account_id}: a worker reads it for plan and before each restore"
        return [Finding(f"topic {topic}", Level.WARNING, text)]
    client = aws.sns(Location(account_id=account_id, region=region), "doctor", topic)
    try:
        client.get_topic_attributes(TopicArn=topic)
    except client.exceptions.NotFoundException:
        cure = f"Create it, or name another one in the request:\n    aws sns create-topic --name {topic.rpartition(':')[2]}"
        return [Finding(f"topic {topic}", Level.FAIL, "does not exist", cure)]
    except BotoCoreError as error:
        return [Finding(f"topic {topic}", Level.WARNING, f"not checked: {error}")]
    return [Finding(f"topic {topic}", Level.OK, "exists")]
