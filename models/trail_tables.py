"""Which tables the trail is written to."""

from typing import NamedTuple


class TrailTables(NamedTuple):
    """The DynamoDB tables that the worker writes to, all in one region of its own account."""

    region: str
    names: tuple[str, ...]
