"""A schema survives the way from the worker to the command, and one that Temporal would refuse is refused with a reason."""

from __future__ import annotations

import pytest

from activities.databases.masking import packed_schema
from activities.databases.masking.packed_schema import pack_schema, unpack_schema
from activities.databases.masking.schema import Column, ForeignKey, Kind, Schema, Table
from errors import StepFailed

TABLE = Table(
    database="orders",
    schema="public",
    name="peo\x00ple",
    columns=(Column(name="é\U0001f4a5", type="text", kind=Kind.TEXT, max_length=3), Column("id", "int", Kind.INTEGER)),
    text="public.people",
    unique=(frozenset({"id", "é\U0001f4a5"}),),
)
KEY = ForeignKey("orders", "to", "public.people", ("id",), "public.people", ("id",))
SCHEMA = Schema(engine="aurora-postgresql", tables=(TABLE,) * 300, foreign_keys=(KEY,), large_objects={"orders": 1})


def test_it_is_the_same_afterwards_and_small() -> None:
    """Kinds, indexes and every character of a name."""
    packed = pack_schema(SCHEMA)
    assert unpack_schema(packed) == SCHEMA
    assert len(packed) < 3_000


def test_one_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal would refuse the result, and the worker would read the schema again and again."""
    monkeypatch.setattr(packed_schema, "MAX_PACKED_SCHEMA", 100)
    with pytest.raises(StepFailed, match="Schema too large"):
        pack_schema(SCHEMA)
