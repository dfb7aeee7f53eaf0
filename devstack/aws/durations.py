"""The duration of each transition, in seconds on the emulator's clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Durations:
    """Seconds from the call to the resulting status. The defaults suit a demonstration."""

    snapshot: float = 2.0
    copy: float = 4.0
    cluster_create: float = 2.0
    cluster_restore: float = 3.0
    cluster_modify: float = 1.0
    """Also for starting and stopping a cluster."""
    cluster_rename: float = 1.5
    """AWS: about two minutes. Source: RDS User Guide, "Renaming a Multi-AZ DB cluster"."""
    cluster_delete: float = 2.0
    instance_create: float = 3.0
    instance_delete: float = 2.0
    instance_modify: float = 1.0
    instance_rename: float = 2.0
    """AWS: about ten minutes. Source: RDS User Guide, "Renaming a DB instance"."""
    master_password: float = 1.5
    visibility_lag: float = 0.0
    """How long a new resource is missing from Describe responses (eventual consistency)."""
