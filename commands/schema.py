"""`starter.py schema`."""

from __future__ import annotations

import argparse

from commands.exit_codes import FINE

FORMATS = ("json",)

EXAMPLES = (("schema > restores.schema.json", "for an editor"),)


def arguments(_: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_: argparse.Namespace) -> int:
    """Print the JSON Schema of restores.toml, with which an editor completes and checks it."""
    from models.fleet_schema import fleet_schema_text

    print(fleet_schema_text(), end="")
    return FINE
