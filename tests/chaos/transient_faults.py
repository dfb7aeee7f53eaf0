"""The table of the campaign: every fault, where it can strike, and how a night may end that it struck.

A plan is written `fault@place`, several with ` + ` between them; a place is a step, an AWS operation with the number of
the call (`rds.DescribeDBClusters#2`), or a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from devstack.aws import Durations
from tests.chaos.entry import Entry
from tests.chaos.injectors import aws, database, people, request, temporal, worker
from tests.chaos.observed_restore import Night

FAULTS: dict[str, Entry] = {
    entry.name: replace(entry, subject=strikes.__name__.rpartition(".")[2])
    for strikes in (worker, temporal, aws, database, people, request)
    for entry in strikes.ENTRIES
}
"""Every fault of the campaign by its name."""


@dataclass(frozen=True)
class Incident:
    """A fault at a place."""

    entry: Entry
    place: str

    def __str__(self) -> str:
        return f"{self.entry.name}@{self.place}"

    @property
    def durations(self) -> Durations | None:
        """A world with other durations, if the fault needs one."""
        return self.entry.durations

    @property
    def endings(self) -> frozenset[str]:
        """How its night may end."""
        return self.entry.endings(self.place)

    async def prepare(self, night: Night) -> None:
        """What must be so before the night begins."""
        if self.entry.prepare is not None:
            await self.entry.prepare(night, self.place)

    async def strike(self, night: Night) -> None:
        """Happen."""
        await self.entry.strike(night, self.place)


def incidents_of(plan: str) -> list[Incident]:
    """What a plan says. Raises `ValueError` for a fault or a place that there is not."""
    return [_incident(part.strip()) for part in plan.split(" + ")] if plan else []


def _incident(text: str) -> Incident:
    name, _, place = text.partition("@")
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; there is: {', '.join(FAULTS)}")
    entry = FAULTS[name]
    if place.partition("#")[0] not in entry.places:
        raise ValueError(f"{name} strikes at {', '.join(entry.places)}, not at {place!r}")
    return Incident(entry, place)
