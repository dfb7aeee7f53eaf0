"""Times and durations as a person reads them; every time is in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

UNKNOWN = "not known"


def format_time(moment: datetime | None) -> str:
    """A time (aware) such as 2026-03-20 00:05:12."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else UNKNOWN


def format_day(day: date) -> str:
    """A day such as Fri 20 Mar 2026, in English whatever the locale."""
    names = "Mon Tue Wed Thu Fri Sat Sun".split()  # noqa: SIM905 - reads better
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
    return f"{names[day.weekday()]} {day.day} {months[day.month - 1]} {day.year}"


def format_span(span: timedelta | None) -> str:
    """Seconds up to a minute and a half, then minutes up to 99, then hours and minutes, from three days on days and hours."""
    if span is None:
        return UNKNOWN
    seconds = round(span.total_seconds())
    minutes = round(seconds / 60)
    if seconds <= 90:  # noqa: PLR2004 - says the docstring
        return f"{seconds} s"
    if minutes < 100:  # noqa: PLR2004
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if rest == 0 and hours < 3 * 24:
        return f"{hours} h"
    return f"{hours} h {rest:02d} min" if hours < 3 * 24 else f"{hours // 24} d {hours % 24} h"


def day_of(moment: datetime) -> date:
    """The day of a time, in UTC."""
    return moment.astimezone(UTC).date()
