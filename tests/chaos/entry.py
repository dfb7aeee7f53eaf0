"""What a fault of the campaign is, and the calls by which a night's steps are met from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from audit.activities import SEAL_TRAIL
from devstack.aws import Durations
from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION
from models.steps import Step
from tests.chaos.observed_restore import Night, NotHit

OPEN = "open-operation"
MOMENTS = tuple(f"{half / 2}s" for half in range(12))
"""Half seconds of a night, which takes five; when exactly in it is drawn."""
GATES: dict[str, tuple[str, str, int]] = {
    OPEN: ("dynamodb", "TransactWriteItems", 0),
    Step.SNAPSHOT_CHECK: ("kms", "DescribeKey", 0),
    Step.COPY_SNAPSHOT: ("rds", "CopyDBClusterSnapshot", 0),
    Step.CHECK_COPY_STATUS: ("rds", "DescribeDBClusterSnapshots", 1),
    Step.DELETE_RDS: ("rds", "DeleteDBCluster", 0),
    Step.RESTORE_SNAPSHOT: ("rds", "RestoreDBClusterFromSnapshot", 0),
    Step.CHECK_RESTORE_STATUS: ("rds", "CreateDBInstance", 0),
    Step.SETUP_DB_USERS: ("secretsmanager", "GetSecretValue", 0),
    Step.ARCHIVE_SNAPSHOT: ("rds", "AddTagsToResource", 0),
    SEAL_TRAIL: ("dynamodb", "TransactWriteItems", 1),
    Step.SNS_NOTIFICATION: ("sns", "Publish", 0),
}
"""The call by which a step is met: service, operation, how many such calls in the target's region come before it."""
STEPS = tuple(GATES)

SUCCEEDS = frozenset({"succeeded"})
FAILS = frozenset({"failed"})
Strike = Callable[[Night, str], Awaitable[None]]


def succeeds(_place: str) -> frozenset[str]:
    return SUCCEEDS


def fails(_place: str) -> frozenset[str]:
    return FAILS


@dataclass(frozen=True)
class Entry:
    """One fault: what happens, where it can strike, and how its night may end."""

    name: str
    says: str
    places: tuple[str, ...]
    strike: Strike
    endings: Callable[[str], frozenset[str]] = succeeds
    prepare: Strike | None = None
    durations: Durations | None = None
    subject: str = ""
    """Whom it strikes: several at random never strike one subject twice, unless it is AWS."""
    message_lost: Callable[[str], bool] = lambda _place: False
    """Whether the fault is that no message can be sent."""


def hold(night: Night, place: str, seconds: float, kind: Any = "late-response") -> InjectedFault:
    """Hold the call by which a step is met: after its effect, or instead of it (`silence`)."""
    service, operation, before = GATES[place]
    region = TARGET_REGION if service == "rds" else None
    return night.arm(service, operation, kind, seconds=seconds, skip=before, region=region)


async def some_time(night: Night, place: str) -> None:
    """Wait until a moment of the night, drawn within half a second. Raises `NotHit` if it is over by then."""
    await asyncio.sleep(float(place.removesuffix("s")) + night.chance.uniform(0, 0.5))
    if night.closed:
        raise NotHit
    night.hit()


def operation_at(place: str) -> tuple[str, str, int]:
    """Service, operation, and how many such calls come before the one that is meant."""
    name, _, nth = place.partition("#")
    service, _, operation = name.partition(".")
    return service, operation, int(nth or 1) - 1


DENIED = {"dynamodb": "AccessDeniedException", "kms": "AccessDeniedException", "secretsmanager": "AccessDeniedException",
          "sns": "AuthorizationError", "ec2": "UnauthorizedOperation"}  # fmt: skip


def deny(night: Night, place: str) -> InjectedFault:
    """Deny an operation of AWS once."""
    service, operation, skip = operation_at(place)
    code = DENIED.get(service, "AccessDenied")
    return night.arm(service, operation, "error", code=code, message="Not authorized", status=403, skip=skip)
