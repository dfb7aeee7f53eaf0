"""Arguments that several verbs share, and the values that they accept."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def request_argument(verb: argparse.ArgumentParser) -> None:
    """The request file."""
    verb.add_argument(
        "request_file", type=Path, metavar="REQUEST_FILE", help="a .json or .toml file; examples/ has some"
    )


TEXT_OR_JSON = ("text", "json")
"""The output formats of a verb that names no others."""


def output_argument(verb: argparse.ArgumentParser, formats: Sequence[str] = TEXT_OR_JSON) -> None:
    """The output format; the first one is the default. `starter.parser` adds it to every verb: its module may have `FORMATS`."""
    verb.add_argument(
        "--output", "-o", choices=formats, default=formats[0], help=f"output format; default: {formats[0]}"
    )


def wait_argument(verb: argparse.ArgumentParser) -> None:
    """Whether the command follows the operation to its end."""
    verb.add_argument(
        "--no-wait", action="store_false", dest="wait", help="return at once; do not follow the operation to its end"
    )


def restore_arguments(verb: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Which restore the command is about; `commands.restores.find_restore` finds it."""
    which = verb.add_mutually_exclusive_group(required=required)
    which.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="the target cluster's name or ARN, an operation such as op-005, or a workflow id"
        + ("" if required else "; default: the newest restore"),
    )
    which.add_argument("--request", type=Path, metavar="FILE", help="the restore of the target in this request file")


def number_of_days(text: str) -> int:
    """1 to 999."""
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1 to 999")
    return int(text)


def time_of_day(text: str) -> time:
    """HH:MM."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of day such as 00:05")
    return time.fromisoformat(text)


def time_zone(text: str) -> ZoneInfo:
    """A name of the IANA time zone database."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time zone such as Europe/Berlin or UTC") from None


def duration(text: str) -> timedelta:
    """A number with s, m or h, from 10 s to 24 h."""
    parts = re.fullmatch(r"([0-9]{1,4})([smh])", text)
    length = timedelta(seconds=int(parts[1]) * {"s": 1, "m": 60, "h": 3600}[parts[2]]) if parts else timedelta(0)
    if not timedelta(seconds=10) <= length <= timedelta(hours=24):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration from 10s to 24h, such as 90m or 2h")
    return length


def age(text: str) -> timedelta:
    """A number with m, h or d, at least 1 m and less than 1000 d."""
    parts = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text)
    length = timedelta(minutes=int(parts[1]) * {"m": 1, "h": 60, "d": 24 * 60}[parts[2]]) if parts else timedelta(0)
    if not timedelta(0) < length < timedelta(days=1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not an age such as 90m, 26h or 8d")
    return length


def pause_end(text: str) -> datetime:
    """A day, which is its midnight, or a time with or without a time zone."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a day such as 2026-11-30 nor a time such as 2026-11-30T07:00"
        ) from None
