"""A sign of life from every running activity, so that the work of a killed worker is taken over within seconds.

It says that the process lives, not that the call makes progress; what hangs is ended by start-to-close.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput, Interceptor

BEATS_PER_TIMEOUT = 3


class HeartbeatInterceptor(Interceptor):
    """Beats for every activity that has a heartbeat timeout."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _Beating(next)


class _Remembering(ActivityOutboundInterceptor):
    """Keeps the details of the activity's own last heartbeat, at first those of the attempt before."""

    def __init__(self, next: ActivityOutboundInterceptor) -> None:
        super().__init__(next)
        self.details: Sequence[Any] = next.info().heartbeat_details

    def heartbeat(self, *details: Any) -> None:
        self.details = details
        super().heartbeat(*details)


class _Beating(ActivityInboundInterceptor):
    _outbound: _Remembering

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        # Kept because activity.heartbeat() belongs to the activity's thread once that runs, and would block this loop.
        self._outbound = _Remembering(outbound)
        super().init(self._outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if timeout is None:
            return await self.next.execute_activity(input)
        beating = asyncio.create_task(self._beat(timeout.total_seconds() / BEATS_PER_TIMEOUT))
        try:
            return await self.next.execute_activity(input)
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating

    async def _beat(self, seconds: float) -> None:
        while True:
            # Temporal keeps those of the last heartbeat only: an empty one would take their place.
            self._outbound.heartbeat(*self._outbound.details)
            await asyncio.sleep(seconds)
