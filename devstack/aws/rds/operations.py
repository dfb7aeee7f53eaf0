"""The registry of the operations that the emulator serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devstack.aws.rds.state import Call

Handler = Callable[[Call], Mapping[str, Any]]

OPERATIONS: dict[str, Handler] = {}
"""Operation name to its handler."""


def serves(operation: str) -> Callable[[Handler], Handler]:
    """Register a function as the handler of an operation."""

    def register(handler: Handler) -> Handler:
        OPERATIONS[operation] = handler
        return handler

    return register
