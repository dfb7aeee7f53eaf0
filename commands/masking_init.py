"""`starter.py masking init`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.arguments import request_argument
from commands.exit_codes import FINE
from commands.json_output import print_json

if TYPE_CHECKING:
    from activities.databases.masking.schema import Schema

EXAMPLES = (
    ("masking init restore.toml > masking.toml", "a first file to read and correct"),
    ("masking init restore.toml --database orders", "one database"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The request, and which databases."""
    request_argument(verb)
    verb.add_argument(
        "--database",
        action="append",
        metavar="NAME",
        help="only this database; may be given several times; default: every database of the target",
    )


def run(args: argparse.Namespace) -> int:
    """Print a first masking file: a line for each column of the live target, with a guessed rule."""
    from commands.live_target import read_live_schema
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(TrailSettings)
    lines = _lines(read_live_schema(request, settings.task_queue), request.target.arn, args.database)
    if args.output == "json":
        print_json({"target": request.target.arn, "file": "".join(f"{line}\n" for line in lines)})
        return FINE
    for line in lines:
        print(line)
    return FINE


def _lines(schema: Schema, target: str, databases: list[str] | None) -> Iterator[str]:
    from activities.databases.masking.guesses import guess
    from activities.databases.masking.lines import column_line
    from activities.databases.masking.schema import Kind
    from models.masking import Rule

    yield f"# Masking rules, guessed from names and types of {target}."
    yield "# Read every line: a guess knows nothing of your data. docs/masking.md has the rules."
    yield '# A whole table is one line: … = "truncate" removes its rows, … = "public" keeps all columns.'
    for table in schema.tables:
        if databases and table.database not in databases:
            continue
        yield ""
        for column in table.columns:
            rule = guess(schema, table, column)
            is_text = column.kind in (Kind.TEXT, Kind.JSON, Kind.BYTES, Kind.OTHER)
            note = (
                "   # NOT masked: no rule fits; public, or an expression?" if is_text and rule.rule is Rule.KEEP else ""
            )
            yield column_line(table, column, rule) + note
