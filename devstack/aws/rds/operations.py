"""The table of the operations that are served, filled by the modules that carry them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devstack.aws.rds.state import Call

Handler = Callable[[Call], Mapping[str, Any]]

OPERATIONS: dict[str, Handler] = {}
"""Operation name to what carries it out."""


def serves(operation: str) -> Callable[[Handler], Handler]:
    """Register a function as the one that carries out an operation."""

    def register(handler: Handler) -> Handler:
        OPERATIONS[operation] = handler
        return handler

    return register
