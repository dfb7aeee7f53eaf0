"""The lines of a masking file: one for each column, so that a message's line can be added to the file as it is."""

from __future__ import annotations

import json
import re

from activities.databases.masking.schema import Column, Table
from models.masking import ColumnRule, TableRule

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def column_line(table: Table, column: Column, rule: ColumnRule) -> str:
    """Such as orders."public.customers".email = "email"."""
    return f"{_path(table.database, table.text, column.name)} = {_rule_text(rule)}"


def table_line(table: Table, rule: TableRule) -> str:
    """Such as orders."public.sessions" = "truncate"."""
    return f"{_path(table.database, table.text)} = {_quote(rule.value)}"


def path_text(*parts: str) -> str:
    """A place of the file, for a message."""
    return _path(*parts)


def _path(*parts: str) -> str:
    return ".".join(part if _BARE.fullmatch(part) else _quote(part) for part in parts)


def _rule_text(rule: ColumnRule) -> str:
    given = {name: value for name, value in rule.model_dump(mode="json").items() if name != "rule"}
    if not given:
        return _quote(rule.rule.value)
    fields = "".join(f", {name} = {_quote(value)}" for name, value in given.items())
    return f"{{ rule = {_quote(rule.rule.value)}{fields} }}"


def _quote(value: object) -> str:
    """As TOML writes it: for texts, numbers and booleans like JSON, but for the characters that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
