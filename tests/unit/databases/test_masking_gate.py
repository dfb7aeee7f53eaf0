"""The gate compares a schema with the rules: what is missing, what names nothing, what does not fit; and it guesses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.databases.masking.gate import MAX_LISTED, find_findings
from activities.databases.masking.guesses import guess
from activities.databases.masking.key import MaskingKey, read_masking_key
from activities.databases.masking.lines import column_line
from activities.databases.masking.rules_file import find_unusable
from activities.databases.masking.schema import Column, ForeignKey, Kind, Schema, Table
from activities.databases.masking.units import units
from errors import StepFailed
from models.masking import Masking, MaskingRules
from tests.rigs.documents import ROOT

MASKING = Masking(file="masking.toml", key_secret_id="masking")
TEXT = Column("c", "text", Kind.TEXT)


def column(name: str = "c", kind: Kind = Kind.TEXT, **fields: Any) -> Column:
    return Column(name, kind.value, kind, **fields)


def table(name: str, *columns: Column, **fields: Any) -> Table:
    return Table("shop", "public", name, columns, f"public.{name}", **fields)


def schema(*tables: Table, keys: tuple[ForeignKey, ...] = (), engine: str = "aurora-postgresql") -> Schema:
    return Schema(engine, tables, keys)


def rules(**entries: Any) -> MaskingRules:
    tables = {f"public.{name}": entry for name, entry in entries.items()}
    return MaskingRules.model_validate_json(json.dumps({"shop": tables} if tables else {}))


def mistakes(found: Schema, given_rules: MaskingRules) -> str:
    return "\n".join(find_findings(found, given_rules, MASKING).mistakes)


@pytest.mark.parametrize(
    ("tested", "fields", "rule", "reason"),
    [
        (column(kind=Kind.INTEGER), {}, "email", "masks text"),
        (column(kind=Kind.INTEGER), {}, "hash", "masks text or whole number of 8 bytes or uuid or bytes"),
        (column(kind=Kind.TEXT), {}, "date-shift", "masks date or timestamp"),
        (column(max_length=32), {}, "email", "needs 33 characters"),
        (column(max_length=15), {}, "hash", "needs 16 characters"),
        (column(nullable=False), {}, "null", "the column is NOT NULL"),
        (column(kind=Kind.BIGINT, generated_always=True), {}, "hash", "only keep fits"),
        (column(), {"unique": (frozenset({"c", "d"}),)}, "name", "an index requires different values"),
        (column(), {"unique": (frozenset({"c"}),)}, {"rule": "constant", "value": 1}, "an index requires"),
        (column(), {"cannot_change": "it belongs to rdsadmin"}, "null", "it belongs to rdsadmin"),
    ],
)
def test_a_rule_that_does_not_fit(tested: Column, fields: dict[str, Any], rule: Any, reason: str) -> None:
    """The same column may be kept."""
    found = schema(table("t", tested, **fields))
    assert reason in mistakes(found, rules(t={"c": rule}))
    assert mistakes(found, rules(t={"c": "keep"})) == mistakes(found, rules(t="public")) == ""


def test_shuffle_needs_a_primary_key_on_mysql_only() -> None:
    """PostgreSQL finds a row by its place."""
    for engine, expected in (("aurora-mysql", True), ("aurora-postgresql", False)):
        found = mistakes(schema(table("t", TEXT), engine=engine), rules(t={"c": "shuffle"}))
        assert ("no primary key" in found) is expected


PARENT, CHILD = table("parent", column("key")), table("child", column("ref"))
KEY = ForeignKey("shop", "child_fk", "public.child", ("ref",), "public.parent", ("key",))


@pytest.mark.parametrize(
    ("parent", "child", "allowed"),
    [
        ({"key": "hash"}, {"ref": "hash"}, True),
        ({"key": "keep"}, {"ref": "keep"}, True),
        ({"key": "hash"}, {"ref": "null"}, True),
        ({"key": "hash"}, "truncate", True),
        ("truncate", "truncate", True),
        ("public", {"ref": "keep"}, True),
        ({"key": "hash"}, {"ref": "keep"}, False),
        ({"key": "keep"}, {"ref": "hash"}, False),
        ({"key": "name"}, {"ref": "name"}, False),
        ({"key": "hash"}, {"ref": "email"}, False),
        ("truncate", {"ref": "keep"}, False),
        ("public", {"ref": "hash"}, False),
    ],
)
def test_both_ends_of_a_foreign_key(parent: Any, child: Any, allowed: bool) -> None:
    """They get the same values, or the rows are gone; what changes on both ends is one transaction."""
    found, given_rules = schema(CHILD, PARENT, keys=(KEY,)), rules(parent=parent, child=child)
    assert ("foreign key child_fk" not in mistakes(found, given_rules)) is allowed
    if allowed and parent in ({"key": "hash"}, "truncate"):
        assert [len(unit.tables) for unit in units(found, given_rules, MASKING)] == [2]


def test_what_is_missing_is_bounded_and_each_line_is_toml() -> None:
    """A file without a line for a table lacks one for each of its columns."""
    found = schema(*(table(f"t{n}", column('with "quotes" ü'), column("email")) for n in range(60)))
    findings = find_findings(found, rules(t0="public"), MASKING)
    assert len(findings.missing) == 118
    assert f"and {118 - MAX_LISTED} more" in findings.text
    assert tomllib.loads("\n".join(findings.missing))["shop"]["public.t7"]["email"] == "email"


def test_a_name_that_does_not_exist_gets_the_nearest_one() -> None:
    """Database, table, column; but not what an SQL file makes."""
    found = schema(table("customers", column("email")))
    entry = {"email": "email"}
    assert "did you mean public.customers?" in mistakes(found, rules(customer=entry))
    assert "did you mean email?" in mistakes(found, rules(customers={**entry, "e_mail": "keep"}))
    other = MaskingRules.model_validate_json(json.dumps({"shp": {"public.customers": entry}}))
    assert "did you mean shop?" in mistakes(found, other)
    assert mistakes(found, rules(customers={**entry, "later": "from-file"}, report="from-file")) == ""
    misplaced = "is from-file, but it comes with the snapshot, with production's values; give it a rule that masks it"
    assert misplaced in mistakes(found, rules(customers="from-file"))
    assert f"customers.email {misplaced}" in mistakes(found, rules(customers={"email": "from-file"}))
    assert find_findings(found, rules(customers="from-file"), MASKING, files_have_run=True).mistakes == ()


def test_large_objects_and_closed_databases_are_findings() -> None:
    """Neither has a column that a rule could name."""
    found = Schema("aurora-postgresql", (), (), {"shop": 3}, ("closed",))
    assert "cannot connect to closed" in mistakes(found, rules())
    assert "shop has 3 large objects" in find_findings(found, rules(), MASKING).text
    kept = MASKING.model_copy(update={"keep_large_objects": ("shop",)})
    assert not find_findings(found, rules(), kept).missing


@pytest.mark.parametrize(
    ("tested", "expected"),
    [
        (column("contact_email"), '"email"'),
        (column("email", max_length=20), '"hash"'),
        (column("mobile_number"), '"phone"'),
        (column("first_name"), '{ rule = "name", part = "first" }'),
        (column("surname"), '{ rule = "name", part = "last" }'),
        (column("customer_name"), '"name"'),
        (column("comment"), '"hash"'),
        (column("state", max_length=2), '"null"'),
        (column("state", max_length=2, nullable=False), '{ rule = "constant", value = "" }'),
        (column("birthday", Kind.DATE), '"date-shift"'),
        (column("created_at", Kind.TIME_STAMP), '"keep"'),
        (column("amount", Kind.NUMBER), '"keep"'),
        (column("tax_id", Kind.INTEGER, nullable=False), '{ rule = "constant", value = 0 }'),
        (column("payload", Kind.JSON), '"null"'),
        (column("payload", Kind.JSON, nullable=False), '{ rule = "constant", value = "{}" }'),
    ],
)
def test_a_guess_leaves_no_text_as_it_is(tested: Column, expected: str) -> None:
    """By name and type; it always fits."""
    found = table("t", tested)
    line = column_line(found, tested, guess(schema(found), found, tested))
    assert line == f'shop."public.t".{tested.name} = {expected}'


@settings(deadline=None)  # on a busy machine an example may take a while
@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.booleans(), st.booleans(), st.sampled_from([None, 1, 20, 50])), max_size=6
    )
)
def test_a_file_of_guesses_passes_the_gate(columns: list[tuple[Kind, bool, bool, int | None]]) -> None:
    """Whatever the columns; both ends of a foreign key get the same rule."""
    parts = [
        column(f"c{n}", kind, nullable=nullable, max_length=length if kind is Kind.TEXT else None)
        for n, (kind, nullable, _, length) in enumerate(columns)
    ]
    unique = tuple(frozenset({f"c{n}"}) for n, each in enumerate(columns) if each[2])
    found = schema(table("t", *parts, unique=unique), CHILD, PARENT, keys=(KEY,))
    text = "\n".join(find_findings(found, rules(), MASKING).missing)
    written = MaskingRules.model_validate_json(json.dumps(tomllib.loads(text)))
    assert find_findings(found, written, MASKING).text == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('shop.t.c = "emial"', "shop.t.c.rule: must be 'keep', 'null'"),
        ('shop.t = "emptied"', "shop.t: must be 'public', 'truncate' or 'from-file'"),
        ('shop.t.c = "constant"', "the rule constant needs value"),
        ('shop.t.c = { rule = "hash", days = 3 }', "days belongs to the rule date-shift"),
        ("shop.t.c = ", "is not TOML"),
        ('shop.t.c = "hash"', "masking.key_secret_id is not set"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, reason: str) -> None:
    """The reason names the place, and quotes no value."""
    (tmp_path / "masking.toml").write_text(text, "utf-8")
    found = find_unusable(tmp_path, Masking(file="masking.toml"))
    assert found is not None
    assert reason in found
    assert "emial" not in found


def test_the_example_can_be_used() -> None:
    """It has each rule, but for those that need no explanation."""
    assert find_unusable(ROOT / "examples", MASKING) is None


@pytest.mark.parametrize("secret", ["", "no JSON", "[]", '{"key": "short"}', '{"password": "' + "x" * 40 + '"}'])
def test_a_secret_without_a_key_is_refused_without_a_word_of_it(secret: str) -> None:
    """Nor does a key show itself."""

    class Secrets:
        def get_secret_value(self, **_: str) -> dict[str, str]:
            return {"SecretString": secret}

    client: Any = Secrets()
    with pytest.raises(StepFailed, match=r"Masking key not usable") as failure:
        read_masking_key(client, "masking")
    assert secret == "" or secret not in str(failure.value)
    assert repr(MaskingKey.derive("k" * 32)) == "MaskingKey()"
