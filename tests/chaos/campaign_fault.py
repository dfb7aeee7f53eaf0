"""A fault of the campaign, and the AWS call during which each step of a restore can be disturbed from the outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.activities import SEAL_TRAIL
from devstack.aws import Durations
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION, USERS
from models.steps import Step
from tests.chaos.observed_restore import MomentMissed, ObservedRestore

OPEN_OPERATION = "open-operation"
MOMENTS = tuple(f"{half / 2}s" for half in range(12))
"""Each half second of a restore, which takes five seconds; the exact moment within it is random."""
CALLS_THAT_CLOSE = 1
"""check-restore-status reads the master password to close the database; snapshot-check has read those of the users."""
STEP_CALLS: dict[str, tuple[str, str, int]] = {
    OPEN_OPERATION: ("dynamodb", "TransactWriteItems", 0),
    Step.SNAPSHOT_CHECK: ("kms", "DescribeKey", 0),
    Step.COPY_SNAPSHOT: ("rds", "CopyDBClusterSnapshot", 0),
    Step.CHECK_COPY_STATUS: ("rds", "DescribeDBClusterSnapshots", 1),
    Step.DELETE_RDS: ("rds", "DeleteDBCluster", 1),
    Step.RESTORE_SNAPSHOT: ("rds", "RestoreDBClusterFromSnapshot", 0),
    Step.CHECK_RESTORE_STATUS: ("rds", "CreateDBInstance", 0),
    Step.SETUP_DB_USERS: ("secretsmanager", "GetSecretValue", len(USERS) + CALLS_THAT_CLOSE),
    Step.ARCHIVE_SNAPSHOT: ("rds", "AddTagsToResource", 0),
    SEAL_TRAIL: ("dynamodb", "TransactWriteItems", 1),
    Step.SNS_NOTIFICATION: ("sns", "Publish", 0),
}
"""A call that each step makes: service, operation, and how many such calls in the target's region come before it."""
STEPS = tuple(STEP_CALLS)

SUCCEEDED = frozenset({"succeeded"})
FAILED = frozenset({"failed"})
Injector = Callable[[ObservedRestore, str], Awaitable[None]]
"""Injects a fault into a running restore at a place."""


def always_succeeds(_place: str) -> frozenset[str]:
    return SUCCEEDED


def always_fails(_place: str) -> frozenset[str]:
    return FAILED


@dataclass(frozen=True)
class CampaignFault:
    """One fault: what happens, at which places, and how the restore may end."""

    name: str
    description: str
    places: tuple[str, ...]
    inject: Injector
    outcomes: Callable[[str], frozenset[str]] = always_succeeds
    """The allowed outcomes of the restore, by place."""
    prepare: Injector | None = None
    """Runs before the restore starts."""
    durations: Durations | None = None
    """The emulator's durations during the restore, if the fault needs others."""
    subject: str = ""
    """The process or service that it disturbs. A random plan has one fault per subject, but any number for AWS."""
    prevents_message: Callable[[str], bool] = lambda _place: False
    """Whether the fault at a place is that no notification can be sent."""
    swap: Mapping[str, Any] | None = None
    """The limits of the restore's swap; None: the target is deleted first."""
    is_combined: bool = True
    """Whether a random plan may have it beside other faults."""


def delay_step_call(restore: ObservedRestore, place: str, seconds: float, kind: Any = "late-response") -> InjectedFault:
    """Delay the response to a call of a step: after its effect, or without an effect (`no-response`)."""
    service, operation, earlier_calls = STEP_CALLS[place]
    region = TARGET_REGION if service == "rds" else None
    return restore.add_fault(service, operation, kind, seconds=seconds, skip=earlier_calls, region=region)


async def wait_for_moment(restore: ObservedRestore, place: str) -> None:
    """Wait for a random moment within a half second of the restore. Raises MomentMissed if the restore ends before."""
    await asyncio.sleep(float(place.removesuffix("s")) + restore.random.uniform(0, 0.5))
    if restore.ended:
        raise MomentMissed
    restore.record_injection()


def parse_call(place: str) -> tuple[str, str, int]:
    """Service, operation, and how many such calls come before the one that the place names."""
    name, _, number = place.partition("#")
    service, _, operation = name.partition(".")
    return service, operation, int(number or 1) - 1


DENIED_CODES = {
    "dynamodb": "AccessDeniedException", "kms": "AccessDeniedException", "secretsmanager": "AccessDeniedException",
    "sns": "AuthorizationError", "ec2": "UnauthorizedOperation",
}  # fmt: skip
"""The code of a denied call, where it is not `AccessDenied`."""


def deny_call(restore: ObservedRestore, place: str) -> InjectedFault:
    """Deny one AWS call."""
    service, operation, skip = parse_call(place)
    code = DENIED_CODES.get(service, "AccessDenied")
    return restore.add_fault(service, operation, "error", code=code, message="Not authorized", status=403, skip=skip)
