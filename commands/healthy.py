"""`starter.py healthy`: a check for a monitoring system, such as Nagios, Icinga, Sensu or a cron job."""

from __future__ import annotations

import argparse
import sys
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from commands.arguments import age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audit.health import TargetHealth

SERVICE = "AURORA_RESTORE"
FORMATS = ("line", "json")
MAX_NAMED = 5
"""Targets that the line names; JSON has all of them."""
MAX_MEASURED = 20
"""Targets of which the line has the age as performance data."""
MAX_TEXT = 500
"""Characters of an error in the line."""

EXAMPLES = (
    ("healthy --max-age 26h", "exit code 0 if every target has a good restore of the past 26 hours"),
    ("healthy orders-staging billing-staging", "only these"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which targets, and how old their restores may be."""
    verb.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        default=[],
        help="target clusters by name or ARN; default: every target that the trail knows",
    )
    verb.add_argument(
        "--max-age",
        type=age,
        default="26h",
        metavar="AGE",
        help="how old the last good restore of a target may be, such as 90m, 26h or 8d; default: 26h",
    )


def run(args: argparse.Namespace) -> int:
    """Tell monitoring whether each target has a young and good restore: exit code 0, 1, 2 or 3, and one line."""
    try:
        healths = _read(args.targets, args.max_age)
    except Exception as error:  # noqa: BLE001 - an exit code of another kind would say that a restore failed
        healths = [_unreadable(error)]
    return _print(healths, args.max_age, args.output)


def _read(names: Sequence[str], max_age: timedelta) -> list[TargetHealth]:
    from audit.health import TargetHealths
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from audit.target_names import find_targets
    from clients.aws import AwsClients
    from commands.known_targets import list_known_targets
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    arns, unknown = find_targets(list_known_targets(numbers), names)
    table = AuditTable(dynamodb, settings.audit_table)
    return [*TargetHealths(table, numbers, max_age, datetime.now(UTC)).read(arns), *unknown]


def _unreadable(error: Exception) -> TargetHealth:
    """Everything that keeps the trail from being read: settings, credentials, network, tables, or a defect of ours."""
    from audit.health import Level, TargetHealth
    from commands.failures import describe, exit_code_for

    if exit_code_for(error) is None:
        traceback.print_exc()
        text = f"unexpected {type(error).__name__}: {error}"
    else:
        text = describe(error)
    return TargetHealth(target="the audit trail", level=Level.UNKNOWN, text=text)


def _print(healths: Sequence[TargetHealth], max_age: timedelta, output_format: str) -> int:
    from audit.health import worst_level

    level = worst_level(health.level for health in healths)
    if output_format == "json":
        from commands.json_output import fields_of, print_json

        print_json(
            {"level": level.name, "targets": [fields_of(health) | {"level": health.level.name} for health in healths]}
        )
    else:
        print(_line(healths, max_age))
    sys.stdout.flush()
    return int(level)


def _line(healths: Sequence[TargetHealth], max_age: timedelta) -> str:
    """The line of a monitoring plugin: service, level, text, and after a bar the performance data."""
    from audit.health import Level, worst_level
    from limits import first_and_more, shorten

    level = worst_level(health.level for health in healths)
    shown = [health for health in healths if health.level is not Level.OK] or list(healths)
    # The worst first, because a line may be cut on its way.
    shown.sort(key=lambda health: health.level is not level)
    texts = [shorten(_one_line(_text(health, healths)), MAX_TEXT) for health in shown]
    count = f"{len(shown)} of {len(healths)} targets: " if len(healths) > 1 and level is not Level.OK else ""
    line = f"{SERVICE} {level.name}: {count}{'; '.join(first_and_more(texts, MAX_NAMED))}"
    measured = [
        f"'{_label(health, healths)}'={health.age_seconds}s;;{int(max_age.total_seconds())}"
        for health in healths
        if health.age_seconds is not None
    ]
    return f"{line} | {' '.join(measured)}" if 0 < len(measured) <= MAX_MEASURED else line


def _text(health: TargetHealth, healths: Sequence[TargetHealth]) -> str:
    cure = f"; what to do: {health.what_to_do}" if health.what_to_do else ""
    return f"{_label(health, healths)}: {health.text}{cure}"


def _label(health: TargetHealth, healths: Sequence[TargetHealth]) -> str:
    """The target's name, or its ARN if a target of another region or account has the same name."""
    return health.target if sum(each.name == health.name for each in healths) > 1 else health.name


def _one_line(text: str) -> str:
    """Without line breaks and bars, which mean something to a monitoring system."""
    return " ".join(text.replace("|", "/").split())
