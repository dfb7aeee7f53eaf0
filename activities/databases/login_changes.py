"""The logins that setup-db-users has changed, over all its attempts: for the outcome, and for every error."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from temporalio import activity

from limits import MAX_FACT, MAX_LOGINS, MAX_QUOTED, MAX_WARNING, join_names, shorten
from models.closing import ClosedDatabase
from models.side_effects import SideEffect, SideEffectKind

_MEANINGS = {"disabled": "Disabled", "kept": "Kept as in production", "found": "Not changed, may leave the database"}
LISTED = (SideEffectKind.OUTGOING_CALLS, SideEffectKind.UNSEEN_DATABASES)
MAX_SIDE_EFFECTS = 100
"""Side effects of one kind that are named."""
MAX_ACCESS_WARNINGS = 20
"""Users that the warnings name."""
HEARTBEAT_EVERY = 100
"""Of the locked logins beyond those that are named: each heartbeat has all names."""
CLOSED = "The database is closed: the users of the request cannot log in until this step succeeds."


@dataclass
class LoginChanges:
    """What all attempts of this activity have changed. Each attempt passes it on in its heartbeats.

    A snapshot may have 100,000 logins: the first `MAX_LOGINS` that were locked are named, the others counted. An attempt
    that dies may take up to `HEARTBEAT_EVERY` of the count with it.
    """

    created: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    more_locked: int = 0
    side_effects: dict[str, list[str]] = field(default_factory=dict)
    """By what was done with them: disabled_cron_jobs, kept_events, found_outgoing_calls …"""
    masked_tables: int = 0
    masked_rows: int = 0
    tables_left: int = 0
    """How many tables are still to be masked."""
    empty_views: list[str] = field(default_factory=list)
    """Materialized views that could not be filled from the masked tables."""
    access_warnings: list[str] = field(default_factory=list)
    """A sentence for each user of the request that can do less or more than it says."""
    is_closed: bool = False
    """Whether the users of the request are locked, from before the first SQL file until after the checks."""

    @classmethod
    def from_last_heartbeat(cls, closed: ClosedDatabase | None = None) -> LoginChanges:
        """What the earlier attempts have changed, or what an earlier step has closed; this attempt adds to it."""
        details, own = activity.info().heartbeat_details, {each.name for each in fields(cls)}
        # An activity that polls by itself has heartbeats of its polls too.
        if details and isinstance(details[0], dict) and own.issuperset(details[0]):
            return cls(**details[0])
        if closed is None:
            return cls()
        effects = {done: list(names) for done, names in closed.side_effects.items()}
        return cls(locked=list(closed.locked), more_locked=closed.more_locked, side_effects=effects, is_closed=True)

    @property
    def closed(self) -> ClosedDatabase:
        """For the step that goes on with the closed database."""
        effects = {done: tuple(names) for done, names in self.side_effects.items()}
        return ClosedDatabase(locked=tuple(self.locked), more_locked=self.more_locked, side_effects=effects)

    def add_locked(self, login: str) -> None:
        """Record a locked login at once, because a worker may die at any time."""
        if login in self.locked:
            return
        if len(self.locked) < MAX_LOGINS:
            self.locked.append(login)
            self._heartbeat()
            return
        self.more_locked += 1
        if self.more_locked % HEARTBEAT_EVERY == 0:
            self._heartbeat()

    def add_user(self, name: str, is_new: bool) -> None:
        """Record a user of the request. One that an earlier attempt has created stays a created one."""
        if name not in (*self.created, *self.altered):
            (self.created if is_new else self.altered).append(name)
            self._heartbeat()

    def add_side_effect(self, effect: SideEffect) -> None:
        """Record what would have acted by itself. One that an earlier attempt has disabled is not found again."""
        treatment = "found" if effect.kind in LISTED else "kept"
        names = self.side_effects.setdefault(f"{'disabled' if effect.disabled else treatment}_{effect.kind.value}", [])
        if effect.name not in names and len(names) < MAX_SIDE_EFFECTS:
            names.append(shorten(effect.name, MAX_QUOTED))
            self._heartbeat()

    def add_access_warning(self, warning: str) -> None:
        """Record that a user can do less or more than the request says."""
        if warning not in self.access_warnings and len(self.access_warnings) < MAX_ACCESS_WARNINGS:
            self.access_warnings.append(shorten(warning, MAX_WARNING))
            self._heartbeat()

    @property
    def side_effect_facts(self) -> dict[str, str]:
        """For the trail: what was done, and the names."""
        return {done: join_names(names, MAX_FACT) for done, names in self.side_effects.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """For the notification: a sentence for the masking, each kind of side effect that was found, and each such user."""
        masked = (f"Masked: {self.masked}.",) if self.masked else ()
        views = join_names(self.empty_views, MAX_QUOTED)
        empty = (f"Materialized views that are empty, because they cannot be filled: {views}.",) if views else ()
        side_effects = (
            f"{_MEANINGS[done.partition('_')[0]]}: {done.partition('_')[2].replace('_', ' ')} {join_names(names, MAX_QUOTED)}."
            for done, names in self.side_effects.items()
        )
        return (*masked, *empty, *side_effects, *self.access_warnings)

    def set_masked(self, tables: int, rows: int, left: int) -> None:
        """Record how many tables with how many rows are masked, and how many tables are left."""
        self.masked_tables, self.masked_rows, self.tables_left = tables, rows, left
        self._heartbeat()

    def add_empty_views(self, names: tuple[str, ...]) -> None:
        """Record materialized views that are empty now."""
        self.empty_views += [name for name in names if name not in self.empty_views][:MAX_SIDE_EFFECTS]
        self._heartbeat()

    @property
    def masked(self) -> str:
        """Such as "2 tables, 1,200 rows"; "" if nothing was masked."""
        tables = f"{self.masked_tables} table{'' if self.masked_tables == 1 else 's'}"
        return f"{tables}, {self.masked_rows:,} rows" if self.masked_tables else ""

    def set_closed(self, is_closed: bool) -> None:
        """Record that the database was closed, or opened."""
        self.is_closed = is_closed
        self._heartbeat()

    def join_locked(self, max_characters: int) -> str:
        """The names of the locked logins, and how many more there are."""
        return join_names(self.locked, max_characters, self.more_locked)

    def describe(self, max_characters: int) -> str:
        """What an error has to say: whether the database is closed, and which logins were locked; "" if nothing."""
        closed = [CLOSED] if self.is_closed else []
        locked = [f"Logins locked so far: {self.join_locked(max_characters)}."] if self.locked else []
        return " ".join([*closed, *locked])

    def _heartbeat(self) -> None:
        activity.heartbeat(asdict(self))
