"""open-operation: the number of an operation in the trail."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from temporalio import activity

from models.operation import Earlier, OpenOperationInput, Operation

OPEN_OPERATION = "open-operation"


class OperationNumbers(Protocol):
    """Allocates operation numbers."""

    def open(self, open_input: OpenOperationInput) -> Operation:
        """The operation of this workflow: the next number, or the number that the workflow already has."""


class EarlierRestores(Protocol):
    """Reads the trail."""

    def read(self, target_arn: str) -> Earlier:
        """What it knows of the target's earlier restores."""


class OperationActivities:
    """Gives every workflow its operation number."""

    def __init__(self, numbers: OperationNumbers, earlier: EarlierRestores) -> None:
        """`numbers` is the operations table; `earlier` reads the trail."""
        self._numbers = numbers
        self._earlier = earlier
        # All numbers come from one counter: operations that this worker opens at once would only cancel each other's
        # transactions, and each would hold one of the worker's threads meanwhile.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="numbers")

    @activity.defn(name=OPEN_OPERATION)
    async def open_operation(self, open_input: OpenOperationInput) -> Operation:
        """Give a workflow its operation number: op-001, op-002 …, without gaps, and the durations of earlier restores.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, or other workers are faster again and again.
        Run twice: the same number, because number and workflow are written in one transaction; the durations may be newer.
        """
        operation = await asyncio.get_running_loop().run_in_executor(self._thread, self._numbers.open, open_input)
        earlier = await asyncio.to_thread(self._earlier.read, open_input.target_arn)
        learned = {"earlier_durations": earlier.durations, "usual_seconds": earlier.usual_seconds}
        return operation.model_copy(update=learned)
