"""How a restored database is masked: where a request names the rules, and the rules themselves, which are in a file.

The file is TOML, one line for each column, so that the line in a message can be added at the end of the file:

    orders."public.customers".email = "email"
    orders."public.sessions" = "truncate"

The rules are not in the request, because Temporal's history keeps every input and a schema has thousands of columns.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, RootModel, Tag, model_validator

from models.identifiers import SecretId
from models.model import Model, SparseModel
from models.text_forms import text_form
from models.users import NO_NUL, WITHOUT_NUL, DatabaseName, Scalar

MAX_SHIFT_DAYS = 3650


class Rule(StrEnum):
    """What becomes of a column's values."""

    KEEP = "keep"
    NULL = "null"
    CONSTANT = "constant"
    HASH = "hash"
    EMAIL = "email"
    NAME = "name"
    PHONE = "phone"
    DATE_SHIFT = "date-shift"
    SHUFFLE = "shuffle"
    SQL = "sql"
    FROM_FILE = "from-file"


MEANINGS = {
    Rule.KEEP: "stays as it is in production",
    Rule.NULL: "becomes NULL",
    Rule.CONSTANT: "becomes `value` in every row",
    Rule.HASH: "becomes a keyed hash (HMAC-SHA-256): the same value everywhere, so that joins hold",
    Rule.EMAIL: "becomes an address at example.com, the same for the same value everywhere",
    Rule.NAME: "becomes a name from a list, the same for the same value; `part` is `first`, `last` or `full`",
    Rule.PHONE: "becomes a number that begins with +999, which no country has",
    Rule.DATE_SHIFT: "moves by 1 to `days` days, forwards or backwards, the same for the same value",
    Rule.SHUFFLE: "gets the value of another row, at random",
    Rule.SQL: "becomes `expression`, which the server evaluates for each row",
    Rule.FROM_FILE: "is made by an SQL file of the request, after the masking",
}
"""What each rule does with a column's values, for the documents."""
KEYED = frozenset({Rule.HASH, Rule.EMAIL, Rule.NAME, Rule.PHONE, Rule.DATE_SHIFT})
"""The rules that need the key."""
UNCHANGED = frozenset({Rule.KEEP, Rule.FROM_FILE})


class NamePart(StrEnum):
    """Which part of a person's name a column has."""

    FIRST = "first"
    LAST = "last"
    FULL = "full"


class TableRule(StrEnum):
    """What becomes of all rows of a table."""

    PUBLIC = "public"
    TRUNCATE = "truncate"
    FROM_FILE = "from-file"


TABLE_MEANINGS = {
    TableRule.PUBLIC: "all columns stay as they are in production, those that are added later too",
    TableRule.TRUNCATE: "all rows are removed",
    TableRule.FROM_FILE: "the table is made by an SQL file of the request, after the masking",
}


class ColumnRule(SparseModel):
    """The rule of one column; in the file its name alone is enough if it needs nothing else."""

    rule: Rule
    value: Scalar = Field(default=None, description="Of constant.")
    part: NamePart | None = Field(default=None, description="Of name; default: full.")
    days: Annotated[int, Field(ge=1, le=MAX_SHIFT_DAYS)] | None = Field(
        default=None, description="Of date-shift: the most days; default: 30."
    )
    expression: Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=2000)] | None = Field(
        default=None, description="Of sql: an expression of the engine's SQL, such as left(note, 3)."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, given: Any) -> Any:
        return {"rule": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_what_its_rule_needs(self) -> Self:
        needed = {Rule.CONSTANT: "value", Rule.SQL: "expression"}.get(self.rule)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f'the rule {self.rule} needs {needed}: {{ rule = "{self.rule}", {needed} = … }}')
        owners = {"value": Rule.CONSTANT, "part": Rule.NAME, "days": Rule.DATE_SHIFT, "expression": Rule.SQL}
        for name, owner in owners.items():
            if getattr(self, name) is not None and self.rule is not owner:
                raise ValueError(f"{name} belongs to the rule {owner}, but the rule is {self.rule}")
        return self


Identifier = Annotated[str, text_form(WITHOUT_NUL, NO_NUL, min_length=1, max_length=200)]
ColumnRules = dict[Identifier, ColumnRule]
TABLE, COLUMNS = "table", "columns"
"""The parts of an error's path that say which of the two an entry was taken for."""


def _entry_tag(entry: object) -> str:
    return COLUMNS if isinstance(entry, dict) else TABLE


Entry = Annotated[
    Annotated[TableRule, Tag(TABLE)] | Annotated[ColumnRules, Tag(COLUMNS)],
    Discriminator(_entry_tag),
]


class MaskingRules(RootModel[dict[DatabaseName, dict[Identifier, Entry]]]):
    """Database, table, and the table's rule or the rules of its columns. In PostgreSQL a table is schema.table."""

    def table(self, database: str, table: str) -> TableRule | ColumnRules | None:
        """What the file says of a table; None if it is not in the file."""
        return self.root.get(database, {}).get(table)

    @property
    def needs_key(self) -> bool:
        """Whether a rule needs the key."""
        return any(
            rule.rule in KEYED
            for tables in self.root.values()
            for columns in tables.values()
            if not isinstance(columns, TableRule)
            for rule in columns.values()
        )


class Masking(SparseModel):
    """The file with the rules, and what belongs to it."""

    file: Annotated[
        str,
        text_form(
            r"^([A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.toml$",
            "a path below the SQL directory such as masking.toml",
            max_length=200,
        ),
    ] = Field(description="Its path below AURORA_RESTORE_SQL_DIRECTORY, such as masking.toml.")
    key_secret_id: SecretId | None = Field(
        default=None,
        description='A secret that is JSON with the key "key", a text of at least 32 characters; needed for the rules '
        "hash, email, name, phone and date-shift.",
    )
    fire_triggers: tuple[Identifier, ...] = Field(
        default=(),
        max_length=200,
        description="Tables, as database.table, whose triggers may run on each masked row. Elsewhere they do not: "
        "PostgreSQL disables them, and on MySQL, which cannot, such a table is refused.",
    )
    keep_large_objects: tuple[DatabaseName, ...] = Field(
        default=(), max_length=200, description="Databases of PostgreSQL whose large objects stay as in production."
    )


class LiveSchema(Model):
    """The schema of a live target, as read-schema returns it."""

    address: str = Field(description="Host and port at which it was read.")
    packed: str = Field(description="As activities/databases/masking/packed_schema.py packs it.")
