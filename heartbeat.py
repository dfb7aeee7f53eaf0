"""Heartbeats for every running activity, so that Temporal starts another attempt within seconds of a worker's death.

A heartbeat shows that the process lives, not that the call makes progress; a call that hangs is ended by its
start-to-close timeout.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput, Interceptor

HEARTBEATS_PER_TIMEOUT = 3


class HeartbeatInterceptor(Interceptor):
    """Sends heartbeats for every activity that has a heartbeat timeout."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _HeartbeatInbound(next)


class _LastDetails(ActivityOutboundInterceptor):
    """Keeps the details of the activity's last heartbeat; before the first, those of the attempt before."""

    def __init__(self, next: ActivityOutboundInterceptor) -> None:
        super().__init__(next)
        self.details: Sequence[Any] = next.info().heartbeat_details

    def heartbeat(self, *details: Any) -> None:
        self.details = details
        super().heartbeat(*details)


class _HeartbeatInbound(ActivityInboundInterceptor):
    """Sends heartbeats while the activity runs."""

    _outbound: _LastDetails

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        # Kept, because activity.heartbeat() needs the activity's thread once that runs, and would block this event loop.
        self._outbound = _LastDetails(outbound)
        super().init(self._outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if timeout is None:
            return await self.next.execute_activity(input)
        heartbeats = asyncio.create_task(self._send_heartbeats(timeout.total_seconds() / HEARTBEATS_PER_TIMEOUT))
        try:
            return await self.next.execute_activity(input)
        finally:
            heartbeats.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeats

    async def _send_heartbeats(self, interval: float) -> None:
        while True:
            # With the last details, because Temporal keeps only those of the last heartbeat.
            self._outbound.heartbeat(*self._outbound.details)
            await asyncio.sleep(interval)
