"""The schema of a restored cluster, as far as masking needs it: read from the catalogues of either engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property


class Kind(Enum):
    """What a column holds, as far as a rule must know it."""

    TEXT = "text"
    INTEGER = "whole number"
    BIGINT = "whole number of 8 bytes"
    NUMBER = "number"
    BOOLEAN = "boolean"
    UUID = "uuid"
    BYTES = "bytes"
    DATE = "date"
    TIME_STAMP = "timestamp"
    JSON = "json"
    OTHER = "other"


@dataclass(frozen=True)
class Column:
    """A column that holds data of its own; one that the server computes from others is left out of the schema."""

    name: str
    type: str
    """As the engine writes it."""
    kind: Kind
    max_length: int | None = None
    """Of a text in characters, of bytes in bytes; None: no limit that matters."""
    nullable: bool = True
    generated_always: bool = False
    """An identity that no statement may set."""
    sets_itself: bool = False
    """On MySQL: ON UPDATE CURRENT_TIMESTAMP, which would change it whenever the row changes."""


@dataclass(frozen=True)
class Table:
    """A table with data of its own. A partitioned table is one table; views are none."""

    database: str
    schema: str
    """In MySQL the database again."""
    name: str
    columns: tuple[Column, ...]
    text: str
    """As the file names it: in PostgreSQL schema.table, in MySQL the table."""
    owner: str = ""
    primary_key: tuple[str, ...] = ()
    unique: tuple[frozenset[str], ...] = ()
    """The columns of each unique index, the primary key included."""
    triggers: tuple[str, ...] = ()
    """Those that an UPDATE fires."""
    partitioned: bool = False
    cannot_change: str | None = None
    """Why no statement of the pipeline can change its rows; None: it can."""

    def column(self, name: str) -> Column | None:
        """The column of this name."""
        return next((column for column in self.columns if column.name == name), None)

    def is_unique(self, column: str) -> bool:
        """Whether an index requires that the column's values, alone or with others, differ."""
        return any(column in columns for columns in self.unique)


@dataclass(frozen=True)
class ForeignKey:
    """A reference from the columns of one table to those of another of the same database."""

    database: str
    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each referencing column with the referenced one."""
        return tuple(zip(self.columns, self.parent_columns, strict=True))


@dataclass(frozen=True)
class Schema:
    """Every table of every database of the cluster that is not the engine's, RDS's or the pipeline's own."""

    engine: str
    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    large_objects: dict[str, int] = field(default_factory=dict)
    """By database, how many there are."""
    unreadable: tuple[str, ...] = ()
    """Databases that the master user cannot connect to."""

    @cached_property
    def by_name(self) -> dict[tuple[str, str], Table]:
        """Each table by its database and by its name in the file."""
        return {(table.database, table.text): table for table in self.tables}
