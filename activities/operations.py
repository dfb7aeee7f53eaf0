"""open-operation: the number under which a night is audited."""

from typing import Protocol

from activities.step import named_activity
from models.operation import OpenOperationInput, Operation

OPEN_OPERATION = "open-operation"


class OperationNumbers(Protocol):
    """Where numbers come from."""

    def open(self, wanted: OpenOperationInput) -> Operation:
        """The operation of this workflow: the next number, or the one that it already has."""


class OperationActivities:
    """Gives every night its number."""

    def __init__(self, numbers: OperationNumbers) -> None:
        """`numbers` is the operations table."""
        self._numbers = numbers

    @named_activity(OPEN_OPERATION)
    def open_operation(self, wanted: OpenOperationInput) -> Operation:
        """Give a workflow its operation number: op-001, op-002 …, without gaps.

        Run twice: the same number, because number and workflow are written together or not at all.
        """
        return self._numbers.open(wanted)
