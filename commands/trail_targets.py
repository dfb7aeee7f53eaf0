"""The target that an operator names, among those that the trail knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.numbers import OperationNumbersTable


def find_one_target(numbers: OperationNumbersTable, name: str) -> str:
    """The ARN of the target of this name or ARN; raises `RestoreRefused` if there is none, or more than one."""
    from audit.target_names import find_targets
    from commands.known_targets import list_known_targets
    from runs.restores import RestoreRefused

    arns, unknown = find_targets(list_known_targets(numbers), [name])
    if unknown:
        raise RestoreRefused(f"{name}: {unknown[0].text}")
    if len(arns) > 1:
        raise RestoreRefused(f"{name} is the name of more than one cluster. Name one of these: {', '.join(arns)}")
    return arns[0]
