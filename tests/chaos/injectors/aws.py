"""What befalls AWS: every operation of the night, in every way in which it can fail."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.entry import FAILS, STEPS, SUCCEEDS, Entry, Strike, deny, hold, operation_at
from tests.chaos.observed_restore import Night
from tests.chaos.operations import OPERATIONS

A_WHILE = 6.0
"""Seconds of throttling or of an outage: longer than botocore's own attempts together, which take a few seconds."""
OUTAGE = 10.0
READ_TIMEOUT = {"dynamodb": 4.0}
"""A little longer than the clients wait for an answer (clients/aws.py): 3 s for the trail, 20 s for the others."""
SILENCE = 21.0
EXPIRED = {"dynamodb": "ExpiredTokenException", "kms": "ExpiredTokenException", "secretsmanager": "ExpiredTokenException",
           "ec2": "RequestExpired"}  # fmt: skip
ALL_OPERATIONS = tuple(OPERATIONS)


def _for_a_while(kind: Any, seconds: float = A_WHILE, service: str = "") -> Strike:
    async def strike(night: Night, place: str) -> None:
        of, operation, skip = operation_at(place)
        fault = night.arm(service or of, operation, kind, count=None, skip=skip)
        await night.fired(fault)
        await asyncio.sleep(seconds)
        night.stage.emulator.faults.remove(fault)

    return strike


def _once(kind: Any, count: int = 1, *, silent: bool = False) -> Strike:
    async def strike(night: Night, place: str) -> None:
        service, operation, skip = operation_at(place)
        seconds = READ_TIMEOUT.get(service, SILENCE) if silent else 0.0
        fault = night.arm(service, operation, kind, count=count, skip=skip, seconds=seconds)
        await night.fired(fault)

    return strike


async def _denied(night: Night, place: str) -> None:
    await night.fired(deny(night, place))


async def _expired(night: Night, place: str) -> None:
    service, operation, skip = operation_at(place)
    code = EXPIRED.get(service, "ExpiredToken")
    fault = night.arm(
        service, operation, "error", code=code, message="The security token is expired", status=403, skip=skip
    )
    await night.fired(fault)


def _after_denied(place: str) -> frozenset[str]:
    """The trail is waited for; everything else ends the night."""
    return SUCCEEDS if place.startswith("dynamodb") else FAILS


def _service_down(service: str) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = hold(night, place, 0.3)
        await night.fired(held)
        down = night.arm(service, "*", "reset-before", count=None)
        await asyncio.sleep(OUTAGE)
        night.stage.emulator.faults.remove(down)

    return strike


ENTRIES = (
    Entry("throttled", "every call of the operation is throttled for 6 s", ALL_OPERATIONS, _for_a_while("throttle")),
    Entry("http500", "every call of the operation fails inside AWS for 6 s", ALL_OPERATIONS, _for_a_while("http500")),
    Entry("reset-before", "four connections are reset before the effect", ALL_OPERATIONS, _once("reset-before", 4)),
    Entry("reset-after", "the connection is reset after the effect", ALL_OPERATIONS, _once("reset-after")),
    Entry(
        "denied", "access is denied once", ALL_OPERATIONS, _denied, endings=_after_denied,
        message_lost=lambda place: place.startswith("sns.Publish"),
    ),
    Entry("expired", "the token is expired once", ALL_OPERATIONS, _expired),
    Entry("silence-before", "no effect and no answer, past the read timeout", ALL_OPERATIONS, _once("no-response", silent=True)),
    Entry("silence-after", "effect, and no answer, past the read timeout", ALL_OPERATIONS, _once("late-response", silent=True)),
    Entry("dynamodb-down", "DynamoDB is away for 10 s from this step on", STEPS, _service_down("dynamodb")),
    Entry("sns-down", "SNS is away for 10 s", ("sns.Publish",), _for_a_while("http500", OUTAGE)),
)  # fmt: skip
