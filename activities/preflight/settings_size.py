"""Whether the target's settings fit into the trail's row that declares its deletion, from which they may have to come back.

Source: DynamoDB Developer Guide, "Service, account, and table quotas in Amazon DynamoDB": at most 400 KB for an item.
"""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.guards import PreflightCheck, Violation
from limits import MAX_SETTINGS_BYTES
from models.configuration import ClusterSettings


def settings_size_checks(target: str, settings: ClusterSettings | None) -> list[PreflightCheck]:
    """One check of the settings that the intent will hold; `target` is its name, for the message."""
    return [PreflightCheck(("settings-size",), lambda: _find_too_large(target, settings))]


def _find_too_large(target: str, settings: ClusterSettings | None) -> Iterator[Violation]:
    size = len(settings.model_dump_json(exclude_none=True).encode()) if settings else 0
    if size > MAX_SETTINGS_BYTES:
        yield Violation(
            "settings-size",
            "Settings too large",
            f"the settings of {target} are {size} bytes, but the trail keeps at most {MAX_SETTINGS_BYTES} for a restore that "
            "is interrupted: DynamoDB allows 400 KB for a row. Remove tags from the target, its instances or its custom "
            "endpoints.",
        )
