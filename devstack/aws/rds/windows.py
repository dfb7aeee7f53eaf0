"""Backup and maintenance windows: their forms, their length, and that they do not overlap.

Source: RDS API Reference, CreateDBCluster and CreateDBInstance, PreferredBackupWindow and PreferredMaintenanceWindow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devstack.aws.rds.errors import RdsError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_DAY, MINUTES_OF_WEEK = 24 * 60, 7 * 24 * 60
SHORTEST = 30
DEFAULT_BACKUP = ("03:00-03:30", "07:00-07:30")
DEFAULT_MAINTENANCE = ("sun:05:00-sun:05:30", "sun:09:00-sun:09:30")
"""AWS draws a default at random, but one that does not overlap the other window: here it is the first such one."""

_TIME = r"((?:[01]\d|2[0-3]):[0-5]\d)"
_BACKUP = re.compile(f"{_TIME}-{_TIME}")
_MAINTENANCE = re.compile(f"({'|'.join(DAYS)}):{_TIME}-({'|'.join(DAYS)}):{_TIME}", re.IGNORECASE)


def check(backup: str | None, maintenance: str | None) -> None:
    """Raise RdsError for a window of a wrong form or length, and for two that overlap."""
    backup_minutes = _backup_minutes(backup) if backup else set()
    maintenance_minutes = _maintenance_minutes(maintenance) if maintenance else set()
    if backup_minutes & {minute % MINUTES_OF_DAY for minute in maintenance_minutes}:
        raise _invalid("The backup window and maintenance window must not overlap.")


def cluster_windows(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Both windows of a new cluster. Raises RdsError if those that it is given are not valid."""
    backup, maintenance = parameters.get("PreferredBackupWindow"), parameters.get("PreferredMaintenanceWindow")
    check(backup, maintenance)
    backup = backup or next(each for each in DEFAULT_BACKUP if _are_apart(each, maintenance))
    maintenance = maintenance or next(each for each in DEFAULT_MAINTENANCE if _are_apart(backup, each))
    return {"PreferredBackupWindow": backup, "PreferredMaintenanceWindow": maintenance.lower()}


def instance_window(backup: str, requested: str | None) -> str:
    """The maintenance window of a new instance, whose backup window is its cluster's. Raises RdsError."""
    check(backup, requested)
    return (requested or next(each for each in DEFAULT_MAINTENANCE if _are_apart(backup, each))).lower()


def _are_apart(backup: str, maintenance: str | None) -> bool:
    try:
        check(backup, maintenance)
    except RdsError:
        return False
    return True


def _backup_minutes(window: str) -> set[int]:
    parts = _BACKUP.fullmatch(window)
    if parts is None:
        raise _invalid(f"Invalid backup window format: {window}. Should be specified as a range hh24:mi-hh24:mi.")
    return _range(_minute(parts[1]), _minute(parts[2]), MINUTES_OF_DAY, "backup")


def _maintenance_minutes(window: str) -> set[int]:
    parts = _MAINTENANCE.fullmatch(window)
    if parts is None:
        raise _invalid(
            f"Invalid maintenance window format: {window}. Should be specified as a range ddd:hh24:mi-ddd:hh24:mi."
        )
    start = DAYS.index(parts[1].lower()) * MINUTES_OF_DAY + _minute(parts[2])
    end = DAYS.index(parts[3].lower()) * MINUTES_OF_DAY + _minute(parts[4])
    return _range(start, end, MINUTES_OF_WEEK, "maintenance")


def _range(start: int, end: int, cycle: int, kind: str) -> set[int]:
    length = (end - start) % cycle
    if length < SHORTEST:
        raise _invalid(f"The {kind} window must be at least {SHORTEST} minutes.")
    return {(start + minute) % cycle for minute in range(length)}


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _invalid(message: str) -> RdsError:
    return RdsError("InvalidParameterValue", message)
