"""What a restored database would do by itself, as production does: which kinds there are, and what a request keeps."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.model import Model
from models.text_forms import text_form

EVERY = "*"
"""In place of names: every one of the kind."""
Name = Annotated[str, text_form(r"^[^\x00]+$", "text without a NUL character", min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(max_length=200)]


class SideEffectKind(StrEnum):
    """What acts by itself, or outside of the database, without a user of the restored cluster."""

    CRON_JOBS = "cron_jobs"
    SUBSCRIPTIONS = "subscriptions"
    USER_MAPPINGS = "user_mappings"
    EVENT_TRIGGERS = "event_triggers"
    EVENTS = "events"
    REPLICATION = "replication"
    OUTGOING_CALLS = "outgoing_calls"
    """Functions and triggers that leave the database; they are listed, never changed."""
    UNSEEN_DATABASES = "unseen_databases"
    """Databases that the master user cannot enter; they are listed, because nobody knows what is in them."""


class KeptSideEffects(Model):
    """By name, what goes on as in production; everything else is disabled before the first SQL file runs."""

    cron_jobs: Names = Field(default=(), description="Jobs of pg_cron, by name, or by number if they have none.")
    subscriptions: Names = Field(default=(), description="Subscriptions of PostgreSQL's logical replication.")
    user_mappings: Names = Field(default=(), description="Foreign servers of PostgreSQL whose user mappings stay.")
    event_triggers: Names = Field(default=(), description="Event triggers of PostgreSQL.")
    events: Names = Field(default=(), description="Events of MySQL, as database.event.")
    replication: Names = Field(default=(), description="* keeps MySQL's replication from an external source.")

    def keeps(self, kind: SideEffectKind, name: str) -> bool:
        """Whether the request keeps the one of this name."""
        names: tuple[str, ...] = getattr(self, kind.value, ())
        return EVERY in names or name in names


class SideEffect(Model):
    """One that was found."""

    kind: SideEffectKind
    name: str
    disabled: bool = Field(description="false: the request keeps it, or it can only be listed.")
