"""All RDS state of the emulator: accounts, regions, and the transitions that are due in them.

No thread advances the state. Each transition waits in a list with its due time, and every call first applies those
that are due (`apply_due_transitions`). One lock is held around every read and every change; tasks on database servers
run outside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from devstack.aws.caller import Caller
from devstack.aws.clock import Clock
from devstack.aws.databases import DatabaseHost, ServerTasks
from devstack.aws.durations import Durations
from devstack.aws.gates import Gate
from devstack.aws.rds.dependents import Attachment, Proxy, ScalableTarget
from devstack.aws.rds.resources import (
    Cluster,
    Event,
    EventSubscription,
    GlobalCluster,
    Instance,
    ParameterGroup,
    Snapshot,
    SubnetGroup,
)
from devstack.aws.services import OtherServices
from devstack.aws.sockets import SilentPort

if TYPE_CHECKING:
    from devstack.aws.certificates import CertificateAuthority

Resource = Cluster | Instance | Snapshot


@dataclass
class Quotas:
    """Limits per account and region (Aurora User Guide, "Quotas"). A test may change them in place."""

    manual_snapshots: int = 100
    copies_in_progress: int = 5
    """Cross-region copies into one region."""
    clusters: int = 40
    instances: int = 40
    storage_gib: int = 100_000
    """AllocatedStorage; a cluster of the emulator counts as 1 GiB, as its AllocatedStorage says."""


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
    attachments: list[Attachment] = field(default_factory=list)
    event_subscriptions: dict[str, EventSubscription] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    scalable_targets: dict[str, ScalableTarget] = field(default_factory=dict)
    """By resource id, `cluster:NAME`."""

    @property
    def availability_zones(self) -> list[str]:
        """The emulator has three in every region."""
        return [f"{self.name}{letter}" for letter in "abc"]

    @property
    def default_vpc(self) -> str:
        """The id of the VPC that an account has in each region without creating one."""
        return f"vpc-{self.account[-6:]}{sum(self.name.encode()):04x}"

    def arn(self, kind: str, identifier: str) -> str:
        """The ARN of a resource in this region; `kind` is AWS's resource type, such as `cluster-snapshot`."""
        return f"arn:{partition_of(self.name)}:rds:{self.name}:{self.account}:{kind}:{identifier}"


def partition_of(region: str) -> str:
    """The partition of a region: aws, aws-cn or aws-us-gov."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


@dataclass
class Transition:
    """A change of a resource at an instant, or as soon after it as the resource is ready."""

    resource: Resource
    due: datetime
    order: int
    apply: Callable[[datetime], None]
    ready: Callable[[], bool]


class RdsState:
    """The state, its clock, and what the operations need to change it."""

    def __init__(
        self, databases: Mapping[str, DatabaseHost], services: OtherServices, clock: Clock, durations: Durations
    ) -> None:
        """Start without any resource. `databases` are by engine."""
        self.lock = threading.RLock()
        self.clock = clock
        self.durations = durations
        self.quotas = Quotas()
        self.services = services
        self.server_tasks = ServerTasks()
        self.databases = databases
        self.silent_ports: list[SilentPort] = []
        """The endpoints that were ever made unreachable; the list keeps them to be closed."""
        self.gates: list[Gate] = []
        """Those of all clusters; the list keeps them to be closed."""
        self.ports: dict[str, int] = {}
        """The port of each endpoint that ever was, by its host name."""
        self.global_clusters: dict[tuple[str, str], GlobalCluster] = {}
        """By account and identifier: a global cluster belongs to no region."""
        self._regions: dict[tuple[str, str], Region] = {}
        self._transitions: list[Transition] = []
        self._order = count()
        self.is_closed = False

    @cached_property
    def authority(self) -> CertificateAuthority:
        """Signs the certificates of all endpoints; made when the first one is needed."""
        from devstack.aws.certificates import CertificateAuthority

        return CertificateAuthority()

    def region(self, account: str, name: str) -> Region:
        """One account's resources in one region, empty at first."""
        return self._regions.setdefault((account, name), Region(account, name))

    def regions(self) -> list[Region]:
        """Every region of every account that a call has named so far."""
        return list(self._regions.values())

    def region_of(self, resource: Cluster | Snapshot) -> Region:
        """The region that a resource belongs to."""
        return self.region(resource.account, resource.region)

    def schedule(
        self,
        resource: Resource,
        seconds: float,
        apply: Callable[[datetime], None],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Schedule a change of a resource in `seconds`, or later, as soon as it is ready."""
        due = self.clock.now() + timedelta(seconds=seconds)
        self._transitions.append(Transition(resource, due, next(self._order), apply, ready))

    def cancel(self, resource: Resource) -> None:
        """Drop every scheduled transition of a resource."""
        self._transitions = [each for each in self._transitions if each.resource is not resource]

    def apply_due_transitions(self) -> None:
        """Apply every transition that is due, in order; one transition can make the next one ready."""
        now = self.clock.now()
        while (transition := self._next_due(now)) is not None:
            self._transitions.remove(transition)
            transition.apply(transition.due)

    def _next_due(self, now: datetime) -> Transition | None:
        due = [each for each in self._transitions if each.due <= now and each.ready()]
        return min(due, key=lambda each: (each.due, each.order), default=None)

    def close(self) -> None:
        """Finish the tasks on database servers, and close the silent ports and the gates."""
        self.is_closed = True
        self.server_tasks.close()
        for gate in self.gates:
            gate.close()
        for port in self.silent_ports:
            port.close()


@dataclass(frozen=True)
class Call:
    """One call of an RDS operation: its parameters, its caller, and the state that it changes."""

    operation: str
    parameters: Mapping[str, Any]
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
