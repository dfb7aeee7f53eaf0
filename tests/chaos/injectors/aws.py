"""Faults of AWS: every operation of a restore fails in every way in which it can fail."""

from __future__ import annotations

import asyncio
from typing import Any

from devstack.aws.fault_injection import FOREIGN_ANSWERS
from tests.chaos.aws_operations import AWS_OPERATIONS
from tests.chaos.campaign_fault import (
    FAILED,
    STEPS,
    SUCCEEDED,
    CampaignFault,
    Injector,
    delay_step_call,
    deny_call,
    parse_call,
)
from tests.chaos.observed_restore import ObservedRestore

ERROR_SECONDS = 6.0
"""How long an operation fails: longer than botocore's own attempts together, which take a few seconds."""
OUTAGE_SECONDS = 10.0
NO_RESPONSE_SECONDS = {"dynamodb": 4.0}
"""Longer than the clients' read timeouts (clients/aws.py): 3 s for the trail, 20 s for the other services."""
DEFAULT_NO_RESPONSE_SECONDS = 21.0
EXPIRED_CODES = {
    "dynamodb": "ExpiredTokenException", "kms": "ExpiredTokenException", "secretsmanager": "ExpiredTokenException",
    "ec2": "RequestExpired",
}  # fmt: skip
"""The code of an expired token, where it is not `ExpiredToken`."""
ALL_OPERATIONS = tuple(AWS_OPERATIONS)
DECISIVE_OPERATIONS = (
    "dynamodb.GetItem", "dynamodb.TransactWriteItems", "dynamodb.PutItem", "dynamodb.Query",
    "rds.DescribeDBClusterSnapshots", "rds.DescribeDBClusters", "rds.DescribeDBInstances", "rds.CopyDBClusterSnapshot",
    "rds.DeleteDBInstance", "rds.DeleteDBCluster", "rds.RestoreDBClusterFromSnapshot", "rds.CreateDBInstance",
    "secretsmanager.GetSecretValue", "sns.Publish",
)  # fmt: skip
"""The reads that decide and the writes that count: where a false answer could do harm."""
DESCRIPTIONS = {
    "html-page-before": "four answers are a proxy's page, before", "html-page-after": "one answer is a proxy's page, after",
    "empty-body-before": "four answers are empty, before", "empty-body-after": "one answer is empty, after",
    "truncated-body-before": "four answers are cut short, before", "truncated-body-after": "one answer is cut short, after",
}  # fmt: skip
PROXY = "proxy-"
PROXIES = tuple(f"{PROXY}{seed}" for seed in range(50))
SPOILED_SHARE = 0.2


def _fail_for_a_while(kind: Any, seconds: float = ERROR_SECONDS) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        service, operation, skip = parse_call(place)
        fault = restore.add_fault(service, operation, kind, count=None, skip=skip)
        await restore.wait_until_fired(fault)
        await asyncio.sleep(seconds)
        restore.environment.emulator.faults.remove(fault)

    return inject


def _fail_calls(kind: Any, count: int = 1, *, past_read_timeout: bool = False) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        service, operation, skip = parse_call(place)
        seconds = NO_RESPONSE_SECONDS.get(service, DEFAULT_NO_RESPONSE_SECONDS) if past_read_timeout else 0.0
        fault = restore.add_fault(service, operation, kind, count=count, skip=skip, seconds=seconds)
        await restore.wait_until_fired(fault)

    return inject


async def _deny_once(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(deny_call(restore, place))


async def _expire_token_once(restore: ObservedRestore, place: str) -> None:
    service, operation, skip = parse_call(place)
    code = EXPIRED_CODES.get(service, "ExpiredToken")
    fault = restore.add_fault(
        service, operation, "error", code=code, message="The security token is expired", status=403, skip=skip
    )
    await restore.wait_until_fired(fault)


def _outcome_after_denial(place: str) -> frozenset[str]:
    """The pipeline waits for the trail, and a simulation only warns; a denied call to any other service ends the restore."""
    return SUCCEEDED if place.startswith(("dynamodb", "iam.SimulatePrincipalPolicy")) else FAILED


async def _spoil_answers(restore: ObservedRestore, place: str) -> None:
    """A proxy spoils a fifth of all answers until the restore has ended; the place is the seed of its chance."""
    faults = restore.environment.emulator.faults
    faults.seed(int(place.removeprefix(PROXY)))
    spoiling = [
        restore.add_fault("*", "*", kind, count=None, share=SPOILED_SHARE / len(FOREIGN_ANSWERS))
        for kind in FOREIGN_ANSWERS
    ]
    await restore.wait_until(lambda: any(fault.fired for fault in spoiling))
    restore.record_injection()


def _stop_service(service: str) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        delayed = delay_step_call(restore, place, 0.3)
        await restore.wait_until_fired(delayed)
        outage = restore.add_fault(service, "*", "reset-before", count=None)
        await asyncio.sleep(OUTAGE_SECONDS)
        restore.environment.emulator.faults.remove(outage)

    return inject


FAULTS = (
    CampaignFault(
        "throttled", "AWS throttles every call of the operation for 6 s", ALL_OPERATIONS, _fail_for_a_while("throttle")
    ),
    CampaignFault(
        "http500", "every call of the operation is an internal error for 6 s", ALL_OPERATIONS, _fail_for_a_while("http500")
    ),
    CampaignFault(
        "reset-before-effect", "four connections are reset before the effect", ALL_OPERATIONS,
        _fail_calls("reset-before", 4),
    ),
    CampaignFault(
        "reset-after-effect", "the connection is reset after the effect", ALL_OPERATIONS, _fail_calls("reset-after")
    ),
    CampaignFault(
        "denied", "AWS denies access once", ALL_OPERATIONS, _deny_once, outcomes=_outcome_after_denial,
        prevents_message=lambda place: place.startswith("sns.Publish"),
    ),
    CampaignFault("expired", "the token is expired once", ALL_OPERATIONS, _expire_token_once),
    CampaignFault(
        "timeout-before-effect", "the call has no effect and no response within the read timeout", ALL_OPERATIONS,
        _fail_calls("no-response", past_read_timeout=True),
    ),
    CampaignFault(
        "timeout-after-effect", "the call has its effect and no response within the read timeout", ALL_OPERATIONS,
        _fail_calls("late-response", past_read_timeout=True),
    ),
    *(
        CampaignFault(
            f"{kind}-effect", f"{DESCRIPTIONS[kind]} the effect", DECISIVE_OPERATIONS,
            _fail_calls(kind, 4 if kind.endswith("-before") else 1),
        )
        for kind in FOREIGN_ANSWERS
    ),
    CampaignFault("spoiled-answers", "a proxy spoils a fifth of all answers", PROXIES, _spoil_answers),
    CampaignFault("dynamodb-down", "DynamoDB is down for 10 s from this step on", STEPS, _stop_service("dynamodb")),
    CampaignFault("sns-down", "SNS is down for 10 s", ("sns.Publish",), _fail_for_a_while("http500", OUTAGE_SECONDS)),
)  # fmt: skip
