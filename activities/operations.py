"""open-operation: the number of an operation in the trail."""

from typing import Protocol

from activities.step import named_activity
from models.operation import OpenOperationInput, Operation

OPEN_OPERATION = "open-operation"


class OperationNumbers(Protocol):
    """Allocates operation numbers."""

    def open(self, open_input: OpenOperationInput) -> Operation:
        """The operation of this workflow: the next number, or the number that the workflow already has."""


class OperationActivities:
    """Gives every workflow its operation number."""

    def __init__(self, numbers: OperationNumbers) -> None:
        """`numbers` is the operations table."""
        self._numbers = numbers

    @named_activity(OPEN_OPERATION)
    def open_operation(self, open_input: OpenOperationInput) -> Operation:
        """Give a workflow its operation number: op-001, op-002 …, without gaps.

        Run twice: the same number, because number and workflow are written in one transaction.
        """
        return self._numbers.open(open_input)
