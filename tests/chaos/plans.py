"""Every fault of the campaign, and the plans that combine them.

A plan is written `fault@place`, several with ` + ` between them. A place is a step, an AWS operation with the number of
the call (`rds.DescribeDBClusters#2`), or a time after the start of the restore.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from devstack.aws import Durations
from tests.chaos.campaign_fault import CampaignFault
from tests.chaos.injectors import aws, database, operator, request, resets, swap, temporal, worker
from tests.chaos.observed_restore import ObservedRestore

FAULTS: dict[str, CampaignFault] = {
    fault.name: replace(fault, subject=injector.__name__.rpartition(".")[2])
    for injector in (worker, temporal, aws, database, operator, resets, request)
    for fault in injector.FAULTS
}
"""Every fault of the campaign by its name."""
SWAP_FAULTS: dict[str, CampaignFault] = {fault.name: replace(fault, subject="swap") for fault in swap.FAULTS}
"""Every fault of a restore that swaps names; `python -m tests.chaos.swaps` injects them, each by itself."""


@dataclass(frozen=True)
class PlannedFault:
    """A fault at a place."""

    fault: CampaignFault
    place: str

    def __str__(self) -> str:
        return f"{self.fault.name}@{self.place}"

    @property
    def name(self) -> str:
        """The fault's name."""
        return self.fault.name

    @property
    def durations(self) -> Durations | None:
        """The emulator's durations during the restore, if the fault needs others."""
        return self.fault.durations

    @property
    def outcomes(self) -> frozenset[str]:
        """The allowed outcomes of the restore."""
        return self.fault.outcomes(self.place)

    @property
    def prevents_message(self) -> bool:
        """Whether the fault is that no notification can be sent."""
        return self.fault.prevents_message(self.place)

    async def prepare(self, restore: ObservedRestore) -> None:
        """Prepare the environment before the restore starts."""
        if self.fault.prepare is not None:
            await self.fault.prepare(restore, self.place)

    async def inject(self, restore: ObservedRestore) -> None:
        """Inject the fault into the running restore. Raises MomentMissed if the restore ends before."""
        await self.fault.inject(restore, self.place)


def parse_plan(plan: str) -> list[PlannedFault]:
    """The faults of a plan. Raises ValueError for an unknown fault, and for a place that it does not have."""
    return [_parse_fault(part.strip()) for part in plan.split(" + ")] if plan else []


def _parse_fault(text: str) -> PlannedFault:
    name, _, place = text.partition("@")
    known = FAULTS | SWAP_FAULTS
    if name not in known:
        raise ValueError(f"unknown fault {name!r}; the faults are: {', '.join(known)}")
    fault = known[name]
    if place.partition("#")[0] not in fault.places:
        raise ValueError(f"{name} cannot be injected at {place!r}; its places are: {', '.join(fault.places)}")
    return PlannedFault(fault, place)
