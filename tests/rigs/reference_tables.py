"""Writes the tables of docs/reference that the code knows: `python -m tests.rigs.reference_tables`.

A table lies between `<!-- generated: NAME -->` and `<!-- end -->`. What the code does not say, such as the meaning of a
field without a description, is kept from the table that is there.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from argparse_manpage.manpage import Manpage

from activities.rds.members import CLUSTER, INSTANCE, Fate, Member
from activities.rds.surroundings.table import AROUND
from audit.verify.findings import NOTES, FindingKind
from conformance.life_questions import LIFE_QUESTIONS
from conformance.read_questions import READ_QUESTIONS
from models.fleet import FleetFile, FleetSummary, RestoreSchedule
from models.fleet_schema import fleet_schema_text
from models.masking import MEANINGS, TABLE_MEANINGS
from models.request import RestoreRequest
from settings import PREFIX, Settings
from starter import EPILOG, parser
from tests.rigs.documents import ROOT
from tests.rigs.questions_table import questions_table

FOLDER = ROOT / "docs" / "reference"
MANUAL = ROOT / "docs" / "aurora-restore.1"
MACHINE = "your account and host"
"""In place of the default of --by, which differs from machine to machine."""
BLOCK = re.compile(r"(<!-- generated: ([a-z ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
ROW = re.compile(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", re.MULTILINE)


def rewritten(page: str) -> str:
    """The page with every generated block as the code has it now."""
    return BLOCK.sub(lambda block: f"{block[1]}{GENERATED[block[2]](block[3])}{block[4]}", page)


def _settings(_: str) -> str:
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, setting in Settings.model_fields.items():
        default = getattr(setting.default, "value", setting.default)
        shown = "*required*" if setting.is_required() else "*not set*" if default is None else f"`{default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {setting.description} |")
    return "\n".join(lines) + "\n"


def _help(_: str) -> str:
    command = [sys.executable, "starter.py", "--help"]
    environment = {**os.environ, "COLUMNS": "100"}
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return f"```text\n{printed}```\n"


def _exit_codes(_: str) -> str:
    codes = re.findall(r"^  ([0-9]+)  (.+)$", EPILOG, re.MULTILINE)
    return (
        "\n".join(["| code | meaning |", "|---|---|", *(f"| {code} | {meaning} |" for code, meaning in codes)]) + "\n"
    )


def _options(_: str) -> str:
    lines = ["| command | argument or option | meaning |", "|---|---|---|"]
    for name, verb in commands().items():
        lines += [f"| `{name}` | `{_argument(action)}` | {_meaning(action)} |" for action in _actions(verb)]
    return "\n".join(lines) + "\n"


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command of starter.py with its parser."""
    return commands_of(parser())


def commands_of(root: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    [verbs] = [action.choices for action in root._actions if isinstance(action.choices, dict)]
    return verbs


def _actions(verb: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in verb._actions if action.dest != "help"]


def _argument(action: argparse.Action) -> str:
    if not action.option_strings:
        forms = {"?": f"[{action.metavar}]", "*": f"[{action.metavar} …]"}
        return forms.get(str(action.nargs), str(action.metavar))
    if action.nargs == 0:
        return action.option_strings[0]
    choices = "{" + ",".join(action.choices) + "}" if action.choices else None
    return f"{action.option_strings[0]} {action.metavar or choices or action.dest.upper()}"


def _meaning(action: argparse.Action) -> str:
    return (action.help or "").replace("%(default)s", MACHINE).replace("|", "\\|")


def _request(written: str) -> str:
    """One table for each part of the request, in the order in which a reader meets them."""
    schema = RestoreRequest.model_json_schema()
    parts = "".join(_part(schema, path, part, written) for path, part in _parts(schema, "", schema))
    return parts.lstrip("\n")


def _fleet(written: str) -> str:
    """One table for the file, one for the schedule of an entry."""
    parts = {
        "restores.toml": FleetFile.model_json_schema(),
        "restores.NAME.schedule": RestoreSchedule.model_json_schema(),
        "summary": FleetSummary.model_json_schema(),
    }
    return "".join(_part(schema, path, schema, written) for path, schema in parts.items()).lstrip("\n")


def _parts(schema: dict[str, Any], path: str, part: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, part
    seen: list[str] = []
    for name, field in part["properties"].items():
        nested, suffix = _nested(schema, field)
        if nested is not None and nested["title"] not in seen:
            seen.append(nested["title"])
            yield from _parts(schema, f"{path}.{name}{suffix}".lstrip("."), nested)


def _nested(schema: dict[str, Any], field: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The table that a field holds, if it holds one, and `[]` if it holds a list of them."""
    bare = _bare(field)
    if "items" in bare and "$ref" in bare["items"]:
        item = _definition(schema, bare["items"]["$ref"])
        return (item, "[]") if "properties" in item else (None, "")
    found = _definition(schema, bare["$ref"]) if "$ref" in bare else None
    return (found, "") if found and "properties" in found else (None, "")


def _definition(schema: dict[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def _bare(field: dict[str, Any]) -> dict[str, Any]:
    """The field's type without the possibility that it is left out."""
    options = [option for option in field.get("anyOf", []) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else field


def _part(schema: dict[str, Any], path: str, part: dict[str, Any], written: str) -> str:
    heading = f"### `{path}`" if path else "### The request"
    kept = dict(ROW.findall(written.partition(f"{heading}\n")[2].partition("\n### ")[0]))
    lines = ["", heading, "", "| field | kind | default | meaning |", "|---|---|---|---|"]
    for name, field in part["properties"].items():
        default = _default(field, name in part.get("required", []))
        meaning = str(field.get("description") or kept.get(name, "")).replace("|", "\\|")
        lines.append(f"| `{name}` | {_kind(schema, field)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "*required*"
    default = field.get("default")
    if isinstance(default, dict):
        return "*its defaults*"
    return "*not set*" if default in (None, []) else f"`{default}`"


def _kind(schema: dict[str, Any], field: dict[str, Any]) -> str:
    bare = _bare(field)
    if "$ref" in bare:
        values = _definition(schema, bare["$ref"]).get("enum")
        return " or ".join(f"`{value}`" for value in values) if values else "table"
    match bare["type"]:
        case "array":
            return f"list of {_items(schema, bare['items'])}{_limits(bare)}"
        case "object":
            return _table(bare)
        case "integer" | "number" as kind:
            return f"{'whole number' if kind == 'integer' else 'number'}, {bare['minimum']} to {bare['maximum']}"
        case "boolean":
            return "`true` or `false`"
        case _:
            return str(bare.get("format", "text"))


def _table(bare: dict[str, Any]) -> str:
    values = bare.get("additionalProperties")
    if values is True:
        return "table"
    holds_tables = isinstance(values, dict) and values.get("type") == "object"
    return f"{'tables' if holds_tables else 'table of texts'}{_limits(bare)}"


def _items(schema: dict[str, Any], items: dict[str, Any]) -> str:
    if "$ref" in items:
        values = _definition(schema, items["$ref"]).get("enum")
        return " or ".join(f"`{value}`" for value in values) if values else "tables"
    return "rows" if "items" in items else "texts"


def _limits(bare: dict[str, Any]) -> str:
    least, most = bare.get("minItems"), bare.get("maxItems", bare.get("maxProperties"))
    return f", {least} to {most}" if least else f", at most {most}"


def _members(table: Mapping[str, Member]) -> Callable[[str], str]:
    """A row for each member of RDS's answer: what becomes of it, by which field of the request, and why."""

    def written(_: str) -> str:
        lines = ["| member | what becomes of it | in the request | by which call, or why |", "|---|---|---|---|"]
        for name, member in sorted(table.items(), key=lambda row: (list(Fate).index(row[1].fate), row[0])):
            setting = f"`{member.setting}`" if member.setting else "–"
            lines.append(f"| `{name}` | {member.fate} | {setting} | {member.reason} |")
        return "\n".join(lines) + "\n"

    return written


def _around(_: str) -> str:
    lines = [
        "| around the cluster | what becomes of it | in the request | by which call, or why |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | {row.remains} | {f'`{row.setting}`' if row.setting else '–'} | {row.text} |" for row in AROUND
    ]
    return "\n".join(lines) + "\n"


def _findings(_: str) -> str:
    lines = ["| finding | fault | meaning |", "|---|---|---|"]
    lines += [f"| `{kind}` | {'no' if kind in NOTES else 'yes'} | {kind.message} |" for kind in FindingKind]
    return "\n".join(lines) + "\n"


def _rules(_: str) -> str:
    lines = ["| rule of a column | the column |", "|---|---|"]
    lines += [f"| `{rule}` | {meaning} |" for rule, meaning in MEANINGS.items()]
    lines += ["", "| rule of a table | the table |", "|---|---|"]
    lines += [f"| `{rule}` | {meaning} |" for rule, meaning in TABLE_MEANINGS.items()]
    return "\n".join(lines) + "\n"


GENERATED: dict[str, Callable[[str], str]] = {
    "settings": _settings,
    "help": _help,
    "exit codes": _exit_codes,
    "options": _options,
    "request": _request,
    "fleet": _fleet,
    "findings": _findings,
    "rules": _rules,
    "kept of a cluster": _members(CLUSTER),
    "kept of an instance": _members(INSTANCE),
    "kept around": _around,
    "questions that read": questions_table(READ_QUESTIONS),
    "questions with a cluster": questions_table(LIFE_QUESTIONS.values()),
}
"""What writes each block, given the block that is there."""


def manual() -> str:
    """docs/aurora-restore.1: the man page of the command line, as argparse-manpage writes it, without the day."""
    root = parser("aurora-restore")
    root.man_short_description = "restores an Aurora cluster from another cluster's snapshot"  # type: ignore[attr-defined]
    for verb in commands_of(root).values():
        for action in verb._actions:
            action.help = (action.help or "").replace("%(default)s", MACHINE)
    page = Manpage(root, format="single-commands-section")
    page.date, page.manual = "", "Aurora Restore Pipeline"
    return f"{page}\n"


def pages() -> list[Path]:
    """Every page with generated tables: the reference, and the page of masking."""
    return [*sorted(FOLDER.glob("*.md")), ROOT / "docs" / "masking.md"]


def main() -> None:
    """Write every page anew, and the schema of restores.toml."""
    (FOLDER / "restores.schema.json").write_text(fleet_schema_text(), "utf-8")
    for page in pages():
        page.write_text(rewritten(page.read_text("utf-8")), "utf-8")
    MANUAL.write_text(manual(), "utf-8")


if __name__ == "__main__":
    main()
