"""Backup and maintenance windows: their form, their length, and that they do not overlap.

Source: RDS API Reference, CreateDBCluster and CreateDBInstance, PreferredBackupWindow and PreferredMaintenanceWindow.
RDS has accepted the windows of the live target, so that only what the request changes can be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from activities.preflight.guards import PreflightCheck, Violation
from models.configuration import ClusterSettings
from models.request import Target

SHORTEST = timedelta(minutes=30)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
BACKUP_FIELD = "target.preferred_backup_window"
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"
_DAY = f"({'|'.join(DAYS)})"
_BACKUP = re.compile(f"{_TIME}-{_TIME}")
_MAINTENANCE = re.compile(f"{_DAY}:{_TIME}-{_DAY}:{_TIME}")


@dataclass(frozen=True)
class Window:
    """A span of time that comes back every day or every week; `start` counts from midnight, or from Monday's."""

    start: timedelta
    length: timedelta
    cycle: timedelta

    def overlaps(self, other: Window) -> bool:
        """Whether both have a moment in common, of any day on which both are open."""
        cycle = min(self.cycle, other.cycle)
        behind = (other.start - self.start) % cycle
        return behind < self.length or (self.start - other.start) % cycle < other.length


def window_checks(requested: Target, settings: ClusterSettings) -> list[PreflightCheck]:
    """`settings` are the request's over the live target's."""
    return [
        PreflightCheck(("window",), lambda: _find_invalid(requested)),
        PreflightCheck(("window-overlap",), lambda: _find_overlaps(requested, settings)),
    ]


def _find_invalid(requested: Target) -> Iterator[Violation]:
    for field, text in _requested_windows(requested):
        is_backup = field == BACKUP_FIELD
        example = "03:00-03:30" if is_backup else "sun:04:00-sun:04:30"
        if problem := _problem(_parse_backup(text) if is_backup else _parse_maintenance(text)):
            yield Violation(
                "window",
                "Window not valid",
                f"{field} is {text}: {problem}. Set a window in UTC of at least 30 minutes, such as {example}.",
            )


def _requested_windows(requested: Target) -> Iterator[tuple[str, str]]:
    """Each window that the request sets, with the name of its field."""
    fields = {
        BACKUP_FIELD: requested.preferred_backup_window,
        "target.preferred_maintenance_window": requested.preferred_maintenance_window,
    }
    for place, instance in enumerate(requested.instances or ()):
        fields[f"target.instances.{place}.preferred_maintenance_window"] = instance.preferred_maintenance_window
    yield from ((field, text) for field, text in fields.items() if text is not None)


def _problem(window: Window | None) -> str | None:
    if window is None:
        return "there is no such time or day"
    return "it is shorter than 30 minutes" if window.length < SHORTEST else None


def _find_overlaps(requested: Target, settings: ClusterSettings) -> Iterator[Violation]:
    """The backup window with each maintenance window, of the cluster and of its instances."""
    backup_text = settings.preferred_backup_window
    backup = _parse_backup(backup_text) if backup_text else None
    if backup is None:
        return
    is_new = requested.preferred_backup_window is not None
    for owner, text, is_requested in _maintenance_windows(requested, settings):
        maintenance = _parse_maintenance(text)
        if maintenance and (is_new or is_requested) and backup.overlaps(maintenance):
            yield Violation(
                "window-overlap",
                "Windows overlap",
                f"the backup window {backup_text} overlaps the maintenance window {text} of {owner}. "
                "Set the other window in the request too, so that they are apart.",
            )


def _maintenance_windows(requested: Target, settings: ClusterSettings) -> Iterator[tuple[str, str, bool]]:
    """Whose it is, its text, and whether the request sets it."""
    if text := settings.preferred_maintenance_window:
        yield "the cluster", text, requested.preferred_maintenance_window is not None
    for number, instance in enumerate(settings.instances or (), start=1):
        if text := instance.preferred_maintenance_window:
            yield f"instance {instance.identifier or number}", text, requested.instances is not None


def _parse_backup(text: str) -> Window | None:
    """The window; None if it is not a range of times of a day."""
    parts = _BACKUP.fullmatch(text)
    if parts is None:
        return None
    start, end = _time(parts[1], parts[2]), _time(parts[3], parts[4])
    return Window(start, (end - start) % DAY, DAY)


def _parse_maintenance(text: str) -> Window | None:
    """The window; None if it is not a range of days and times."""
    parts = _MAINTENANCE.fullmatch(text.lower())
    if parts is None:
        return None
    start = DAYS.index(parts[1]) * DAY + _time(parts[2], parts[3])
    end = DAYS.index(parts[4]) * DAY + _time(parts[5], parts[6])
    return Window(start, (end - start) % WEEK, WEEK)


def _time(hours: str, minutes: str) -> timedelta:
    return timedelta(hours=int(hours), minutes=int(minutes))
