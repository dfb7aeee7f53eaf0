"""Numbers that both engines' expressions have in common."""

from __future__ import annotations

from models.masking import ColumnRule

DEFAULT_SHIFT_DAYS = 30
FIRST_REAL_YEAR, FIRST_SENTINEL_YEAR = 1000, 9000
"""Dates outside of these years are not shifted: they mean "never" or "unknown", and MySQL cannot shift the last one."""


def shift_steps(rule: ColumnRule) -> int:
    """How many shifts there are: odd numbers of days from 1 - steps to steps - 1, so that none is 0."""
    days = rule.days or DEFAULT_SHIFT_DAYS
    return days + days % 2
