"""The gate: the live schema against the rules. What no rule names ends the step before anyone is let in.

A rule for what does not exist is refused too: after a rename, the new name would have no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from activities.databases.masking.fit import MYSQL, find_misfits
from activities.databases.masking.guesses import guess
from activities.databases.masking.lines import column_line, path_text, table_line
from activities.databases.masking.schema import Column, ForeignKey, Schema, Table
from errors import StepFailed
from limits import first_and_more
from models.masking import UNCHANGED, ColumnRule, Masking, MaskingRules, Rule, TableRule

MAX_LISTED = 50
"""Lines of a refusal, of each kind."""
_JOINING = frozenset({Rule.HASH, Rule.EMAIL})
"""The rules that give different values to different values, and the same to the same: a foreign key stays valid."""


@dataclass(frozen=True)
class Findings:
    """What the gate refuses; each entry is a line."""

    missing: tuple[str, ...] = ()
    """Lines to add to the file: each has a guessed rule."""
    mistakes: tuple[str, ...] = ()
    """Sentences about rules that name nothing, or that do not fit."""

    @property
    def text(self) -> str:
        """Every kind of finding with its lines, the first of each kind."""
        parts = []
        if self.mistakes:
            parts.append("\n".join(first_and_more(self.mistakes, MAX_LISTED)))
        if self.missing:
            lines = first_and_more([f"    {line}" for line in self.missing], MAX_LISTED)
            count = len(self.missing)
            parts.append(f"{count} {'entry is' if count == 1 else 'entries are'} missing:\n" + "\n".join(lines))
        return "\n".join(parts)


def require_rules(schema: Schema, rules: MaskingRules, masking: Masking) -> None:
    """Before the masking. Raises `StepFailed` with the lines to add and the rules to correct."""
    _refuse(find_findings(schema, rules, masking), masking)


def require_rules_after_files(schema: Schema, rules: MaskingRules, masking: Masking) -> None:
    """After the SQL files, which may have created tables and columns. Raises `StepFailed` with the lines to add."""
    made = ColumnRule(rule=Rule.FROM_FILE)
    missing = [
        line
        for table, columns in _find_uncovered(schema, rules)
        for line in (
            [table_line(table, TableRule.FROM_FILE)]
            if len(columns) == len(table.columns)
            else [column_line(table, column, made) for column in columns]
        )
    ]
    _refuse(Findings(missing=(*missing, *_find_large_objects(schema, masking))), masking)


def find_findings(schema: Schema, rules: MaskingRules, masking: Masking, *, files_have_run: bool = False) -> Findings:
    """Everything that keeps the rules from masking the schema.

    `files_have_run`: it is not the schema of a snapshot, but one in which the SQL files have made what they make.
    """
    missing = [
        column_line(table, column, guess(schema, table, column))
        for table, columns in _find_uncovered(schema, rules)
        for column in columns
    ]
    return Findings(
        missing=(*missing, *_find_large_objects(schema, masking)),
        mistakes=(
            *(
                f"the master user cannot connect to {name}, so that its tables are unknown"
                for name in schema.unreadable
            ),
            *(() if files_have_run else _find_from_files(schema, rules)),
            *_find_unknown(schema, rules),
            *_find_misfits(schema, rules),
            *_find_triggers(schema, rules, masking),
            *_find_broken_keys(schema, rules),
        ),
    )


def _refuse(findings: Findings, masking: Masking) -> None:
    if findings.missing or findings.mistakes:
        raise StepFailed(
            "Masking rules incomplete",
            f"The restored database does not fit {masking.file}.\n{findings.text}\n"
            f"Correct the masking file, with the rule that fits each column, then retry.",
        )


def _find_uncovered(schema: Schema, rules: MaskingRules) -> Iterator[tuple[Table, list[Column]]]:
    """Each table with its columns that no rule names."""
    for table in schema.tables:
        given = rules.table(table.database, table.text)
        if given is None:
            yield table, list(table.columns)
        elif not isinstance(given, TableRule):
            columns = [column for column in table.columns if column.name not in given]
            if columns:
                yield table, columns


def _find_from_files(schema: Schema, rules: MaskingRules) -> Iterator[str]:
    """What the file says an SQL file makes, and what has come with the snapshot: nothing would mask it."""
    for table in schema.tables:
        given = rules.table(table.database, table.text)
        names = [table.text] if given is TableRule.FROM_FILE else []
        if isinstance(given, dict):
            columns = (column.name for column in table.columns)
            names = [f"{table.text}.{name}" for name in columns if name in given and given[name].rule is Rule.FROM_FILE]
        for name in names:
            yield (
                f"{table.database}.{name} is from-file, but it comes with the snapshot, with production's values; give it a "
                "rule that masks it"
            )


def _find_large_objects(schema: Schema, masking: Masking) -> Iterator[str]:
    for database, count in schema.large_objects.items():
        if count and database not in masking.keep_large_objects:
            yield f'keep_large_objects = ["{database}"]   # in the request\'s masking: {database} has {count} large objects'


def _find_unknown(schema: Schema, rules: MaskingRules) -> Iterator[str]:
    databases = {table.database for table in schema.tables}
    for database, tables in rules.root.items():
        names = [table.text for table in schema.tables if table.database == database]
        for name, given in tables.items():
            table = schema.by_name.get((database, name))
            if table is None:
                if not _is_from_files(given):
                    similar = _similar(name, names) if names else _similar(database, sorted(databases))
                    yield f"{path_text(database, name)} is in the file, but the table does not exist{similar}"
            elif not isinstance(given, TableRule):
                yield from _find_unknown_columns(table, given)


def _is_from_files(given: TableRule | dict[str, ColumnRule]) -> bool:
    if isinstance(given, TableRule):
        return given is TableRule.FROM_FILE
    return all(rule.rule is Rule.FROM_FILE for rule in given.values())


def _find_unknown_columns(table: Table, given: dict[str, ColumnRule]) -> Iterator[str]:
    names = [column.name for column in table.columns]
    for name, rule in given.items():
        if name not in names and rule.rule is not Rule.FROM_FILE:
            path = path_text(table.database, table.text, name)
            yield f"{path} is in the file, but the table has no such column of its own{_similar(name, names)}"


def _similar(name: str, names: Sequence[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _find_misfits(schema: Schema, rules: MaskingRules) -> Iterator[str]:
    for table in schema.tables:
        given = rules.table(table.database, table.text)
        if given is TableRule.TRUNCATE and table.cannot_change:
            yield f"truncate does not fit {path_text(table.database, table.text)}, because {table.cannot_change}"
        for column, rule in _column_rules(table, given):
            for reason in find_misfits(schema.engine, table, column, rule):
                path = path_text(table.database, table.text, column.name)
                yield f"the rule {rule.rule} does not fit {path}, because {reason}"


def _column_rules(table: Table, given: TableRule | dict[str, ColumnRule] | None) -> Iterator[tuple[Column, ColumnRule]]:
    if isinstance(given, dict):
        yield from ((column, given[column.name]) for column in table.columns if column.name in given)


def changed_columns(table: Table, rules: MaskingRules) -> list[tuple[Column, ColumnRule]]:
    """The columns that a rule changes, with their rules."""
    given = rules.table(table.database, table.text)
    return [(column, rule) for column, rule in _column_rules(table, given) if rule.rule not in UNCHANGED]


def _find_triggers(schema: Schema, rules: MaskingRules, masking: Masking) -> Iterator[str]:
    """On MySQL only: PostgreSQL disables them while it masks."""
    if schema.engine != MYSQL:
        return
    for table in schema.tables:
        name = f"{table.database}.{table.text}"
        if table.triggers and name not in masking.fire_triggers and changed_columns(table, rules):
            yield (
                f"{name} has the trigger {table.triggers[0]}, which MySQL runs on each masked row and which may copy the "
                f"old one; read it, then list {name} in masking.fire_triggers"
            )


def _find_broken_keys(schema: Schema, rules: MaskingRules) -> Iterator[str]:
    """Foreign keys that the masked rows would violate."""
    for key in schema.foreign_keys:
        table, parent = schema.by_name.get((key.database, key.table)), schema.by_name.get((key.database, key.parent))
        if table is None or parent is None:
            continue
        place = f"the foreign key {key.name} of {path_text(key.database, key.table)}"
        child_rule, parent_rule = (rules.table(key.database, each) for each in (key.table, key.parent))
        if child_rule is TableRule.TRUNCATE:
            continue
        if parent_rule is TableRule.TRUNCATE:
            yield f"{place} refers to {path_text(key.database, key.parent)}, which is truncated; truncate both"
            continue
        yield from (f"{place} {reason}" for reason in _find_broken_pairs(key, child_rule, parent_rule))


def _find_broken_pairs(
    key: ForeignKey, child: TableRule | dict[str, ColumnRule] | None, parent: TableRule | dict[str, ColumnRule] | None
) -> Iterator[str]:
    for column, referenced in key.pairs:
        ours, theirs = _rule_of(child, column), _rule_of(parent, referenced)
        unchanged = ours.rule in UNCHANGED and theirs.rule in UNCHANGED
        joined = ours == theirs and ours.rule in _JOINING
        if not (unchanged or joined or ours.rule is Rule.NULL):
            yield (
                f"joins {column} ({ours.rule}) and {referenced} ({theirs.rule}); both need keep, hash or email, or {column} "
                "needs null"
            )


def _rule_of(given: TableRule | dict[str, ColumnRule] | None, column: str) -> ColumnRule:
    keep = ColumnRule(rule=Rule.KEEP)
    return given.get(column, keep) if isinstance(given, dict) else keep


def joined_tables(schema: Schema, rules: MaskingRules) -> Iterable[tuple[str, frozenset[str]]]:
    """Per foreign key whose columns are masked, or whose tables are truncated: the database and the tables it joins."""
    for key in schema.foreign_keys:
        table, parent = schema.by_name.get((key.database, key.table)), schema.by_name.get((key.database, key.parent))
        if table is None or parent is None:
            continue
        masked = {column.name for column, _ in changed_columns(table, rules)} & set(key.columns)
        masked |= {column.name for column, _ in changed_columns(parent, rules)} & set(key.parent_columns)
        truncated = TableRule.TRUNCATE in (rules.table(key.database, key.table), rules.table(key.database, key.parent))
        if masked or truncated:
            yield key.database, frozenset({key.table, key.parent})
