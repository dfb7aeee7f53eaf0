"""`starter.py doctor`: everything that the command line and the worker need, checked one by one, each with its cure."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from commands.exit_codes import FAILED, FINE
from commands.json_output import fields_of, print_json
from commands.terminal import print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from commands.diagnosis import Finding

EXAMPLES = (
    ("doctor", "after the installation, and when something does not work"),
    ("doctor -o json | jq '.checks[] | select(.level != \"ok\")'", "only what is not as it should be"),
)
STYLES = {"ok": "green", "warning": "yellow", "fail": "bold red"}


def arguments(_verb: argparse.ArgumentParser) -> None:
    """None."""


def run(args: argparse.Namespace) -> int:
    """Check Temporal, worker, schedules, tables, trail, topics, identity and clock, each with its cure; change nothing."""
    from commands.diagnosis import Level, diagnose

    findings = asyncio.run(diagnose())
    healthy = all(finding.level is not Level.FAIL for finding in findings)
    if args.output == "json":
        print_json({"ok": healthy, "checks": [fields_of(finding) for finding in findings]})
    else:
        _print_lines(findings)
    return FINE if healthy else FAILED


def _print_lines(findings: Sequence[Finding]) -> None:
    from rich.console import Group
    from rich.text import Text

    lines = []
    for finding in findings:
        lines.append(Text.assemble((f"{finding.level:8}", STYLES[finding.level]), f"{finding.check}: {finding.text}"))
        if finding.cure:
            lines.append(Text(f"{'':8}What to do: {finding.cure}"))
    print_result(Group(*lines))
