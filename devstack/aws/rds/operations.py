"""The registry of the operations that the emulator serves, each with the members of its input that it models.

A member of the input is in one of three sets:

    modelled         declared in `serves`; the operation reads its value and does what AWS does with it
    without effect   in `WITHOUT_EFFECT`, because AWS does nothing with it in what the emulator has
    refused          every other one: a call with it is refused by the member's name, before it changes anything

Source of the input shapes: botocore's service model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.state import Call

Handler = Callable[[Call], Mapping[str, Any]]

OPERATIONS: dict[str, Handler] = {}
"""Operation name to its handler."""

MODELLED: dict[str, frozenset[str]] = {}
"""Operation name to the members of its input that it models."""

WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "CopyDBClusterSnapshot": {
        "PreSignedUrl": "AWS ignores it outside of GovCloud. Source: RDS API Reference, CopyDBClusterSnapshot.",
    },
    "DeleteDBInstance": {
        "SkipFinalSnapshot": "An instance in an Aurora cluster has no snapshots of its own; its cluster has them.",
    },
}
"""Members that an operation accepts and does nothing with, by operation, each with the reason."""


def serves(operation: str, models: str) -> Callable[[Handler], Handler]:
    """Register a function as the handler of an operation.

    `models` names the members of the input whose values the handler reads, separated by blanks.
    """

    def register(handler: Handler) -> Handler:
        OPERATIONS[operation] = handler
        MODELLED[operation] = frozenset(models.split())
        return handler

    return register


def refuse_unmodelled(operation: str, parameters: Mapping[str, Any]) -> None:
    """Raise RdsError for members that the operation neither models nor knows to be without effect."""
    known = MODELLED[operation] | WITHOUT_EFFECT.get(operation, {}).keys()
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise RdsError(
            "InvalidParameterCombination",
            f"The emulator does not model {', '.join(unknown)} of {operation}. "
            'Leave it out, or model it in devstack/aws/rds (devstack/aws/README.md, "Members").',
        )
