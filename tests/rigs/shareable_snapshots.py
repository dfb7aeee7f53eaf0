"""Writes deploy/shareable_snapshots.py into the template that deploys it: `python -m tests.rigs.shareable_snapshots`."""

from __future__ import annotations

import re
import textwrap

from tests.rigs.iam.template import DEPLOY

TEMPLATE = DEPLOY / "shareable-snapshots.yaml"
CODE = DEPLOY / "shareable_snapshots.py"
BLOCK = re.compile(r"(?<=        ZipFile: \|\n).*?(?=\n\n  \w)", re.DOTALL)


def with_code(template: str) -> str:
    """The template with today's code in its function."""
    lines = textwrap.indent(CODE.read_text("utf-8").rstrip("\n"), " " * 10)
    return BLOCK.sub(lambda _: lines, template, count=1)


if __name__ == "__main__":
    TEMPLATE.write_text(with_code(TEMPLATE.read_text("utf-8")), "utf-8")
