"""Resources of other kinds that depend on a cluster or lead to it, as the emulator stores them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from devstack.aws.rds.resources import Cluster, Tags


@dataclass(frozen=True)
class Attachment:
    """A resource of another kind that depends on a cluster, and keeps RDS from deleting it."""

    kind: str
    """In words, as RDS would name it."""
    name: str
    cluster_arn: str
    tags: Tags
    shown: dict[str, Any]
    """The members of a response, without tags."""


@dataclass(frozen=True)
class ProxyTarget:
    """A cluster that is registered with a proxy, under the name that it had then."""

    cluster: Cluster
    identifier: str
    arn: str
    endpoint: str


@dataclass
class Proxy:
    """An RDS Proxy."""

    name: str
    arn: str
    tags: Tags
    shown: dict[str, Any]
    """The other members of a response."""
    targets: list[ProxyTarget] = field(default_factory=list)


@dataclass
class ScalableTarget:
    """A cluster in Application Auto Scaling."""

    shown: dict[str, Any]
    """The members of a response."""
    tags: Tags
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
