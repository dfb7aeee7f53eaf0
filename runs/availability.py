"""Calls to Temporal that outlast a short outage of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

UNAVAILABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED)
"""Temporal did not answer; whether it has taken the call is unknown."""

T = TypeVar("T")


async def retry_while_unavailable(call: Callable[[], Awaitable[T]]) -> T:
    """The call's answer; the call is repeated every second while Temporal is unavailable."""
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status not in UNAVAILABLE:
                raise
            await asyncio.sleep(1)
