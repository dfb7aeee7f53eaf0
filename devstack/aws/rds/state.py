"""All RDS state of the emulator: accounts, regions, and what is due to change in them.

Nothing ticks. Each transition waits in a list with its due time, and `settle` carries out what is due
whenever somebody looks. One lock is held around every look and every change; database work runs outside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from devstack.aws.caller import Caller
from devstack.aws.clock import Clock
from devstack.aws.databases import DatabaseHost, Work
from devstack.aws.durations import Durations
from devstack.aws.rds.resources import (
    Cluster,
    Event,
    GlobalCluster,
    Instance,
    ParameterGroup,
    Snapshot,
    SubnetGroup,
)
from devstack.aws.services import OtherServices
from devstack.aws.sockets import SilentPort

Owner = Cluster | Instance | Snapshot


@dataclass
class Quotas:
    """Limits per account and region (Aurora User Guide, "Quotas"). May be changed while the emulator runs."""

    manual_snapshots: int = 100
    copies_in_progress: int = 5
    """Cross-region copies into one region."""
    clusters: int = 40


@dataclass
class Region:
    """One account's RDS resources in one region, by identifier."""

    account: str
    name: str
    clusters: dict[str, Cluster] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    subnet_groups: dict[str, SubnetGroup] = field(default_factory=dict)
    cluster_parameter_groups: dict[str, ParameterGroup] = field(default_factory=dict)
    parameter_groups: dict[str, ParameterGroup] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def arn(self, kind: str, identifier: str) -> str:
        """The ARN of a resource here; `kind` is AWS's, such as `cluster-snapshot`."""
        return f"arn:{partition_of(self.name)}:rds:{self.name}:{self.account}:{kind}:{identifier}"


def partition_of(region: str) -> str:
    """The partition of a region: aws, aws-cn or aws-us-gov."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


@dataclass
class Transition:
    """Something that happens to a resource at an instant, or as soon after it as it is ready."""

    owner: Owner
    due: datetime
    order: int
    happen: Callable[[datetime], None]
    ready: Callable[[], bool]


class RdsState:
    """The state, its clock, and everything that the operations need to change it."""

    def __init__(
        self, databases: Mapping[str, DatabaseHost], services: OtherServices, clock: Clock, durations: Durations
    ) -> None:
        """Start without any resource. `databases` are by engine."""
        self.lock = threading.RLock()
        self.clock = clock
        self.durations = durations
        self.quotas = Quotas()
        self.services = services
        self.work = Work()
        self.databases = databases
        self.silent: list[SilentPort] = []
        """Every endpoint that was made unreachable, also if it is no more."""
        self.global_clusters: dict[tuple[str, str], GlobalCluster] = {}
        """By account and identifier: a global cluster belongs to no region."""
        self._regions: dict[tuple[str, str], Region] = {}
        self._transitions: list[Transition] = []
        self._order = count()

    def region(self, account: str, name: str) -> Region:
        """One account's resources in one region, empty at first."""
        return self._regions.setdefault((account, name), Region(account, name))

    def regions(self) -> list[Region]:
        """Every region of every account that was ever looked at."""
        return list(self._regions.values())

    def of(self, owner: Cluster | Snapshot) -> Region:
        """The region that a resource belongs to."""
        return self.region(owner.account, owner.region)

    def schedule(
        self,
        owner: Owner,
        seconds: float,
        happen: Callable[[datetime], None],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Let something happen to a resource after `seconds`, or later, as soon as it is ready."""
        due = self.clock.now() + timedelta(seconds=seconds)
        self._transitions.append(Transition(owner, due, next(self._order), happen, ready))

    def cancel(self, owner: Owner) -> None:
        """Drop whatever was to happen to a resource."""
        self._transitions = [each for each in self._transitions if each.owner is not owner]

    def settle(self) -> None:
        """Carry out everything that is due, in order; one transition can make the next one ready."""
        now = self.clock.now()
        while (transition := self._next(now)) is not None:
            self._transitions.remove(transition)
            transition.happen(transition.due)

    def _next(self, now: datetime) -> Transition | None:
        due = [each for each in self._transitions if each.due <= now and each.ready()]
        return min(due, key=lambda each: (each.due, each.order), default=None)

    def close(self) -> None:
        """Stop database work and give ports back."""
        self.work.close()
        for port in self.silent:
            port.close()


@dataclass(frozen=True)
class Call:
    """One call of an RDS operation: its parameters, its caller, and the region that it works in."""

    operation: str
    parameters: dict[str, Any]
    caller: Caller
    state: RdsState

    @property
    def region(self) -> Region:
        """The caller's resources in the region of the request."""
        return self.state.region(self.caller.account, self.caller.region)

    @property
    def now(self) -> datetime:
        """The instant of the call."""
        return self.state.clock.now()
