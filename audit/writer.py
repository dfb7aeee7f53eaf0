"""Writing rows without blocking the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from audit.rows import AuditRow
from audit.table import AuditTable

THREADS = 4


class TrailWriter:
    """Writes rows on threads of its own.

    In the worker's activity threads a row would wait for a free thread, behind the AWS calls that it reports.
    """

    def __init__(self, table: AuditTable) -> None:
        """`table` is the trail."""
        self._table = table
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="audit")

    async def write(self, row: AuditRow) -> None:
        """Write a row, as `AuditTable.put` does.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, `TrailConflict` if the key holds another row.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._table.put, row)
