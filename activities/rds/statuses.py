"""What a status of RDS means for a step that waits.

A status that is in no list is waited on, with a warning: it never counts as success.
Source: Aurora User Guide, "Viewing DB cluster status" and "Viewing DB instance status"; the final ones also from AWS's
CloudFormation handlers for clusters and instances.
"""

from enum import StrEnum


class Meaning(StrEnum):
    """Whether the step continues to wait."""

    READY = "ready"
    WAIT = "wait"
    TERMINAL = "terminal"
    UNKNOWN = "unknown"


READY = frozenset({"available", "storage-optimization"})
"""Fully operational; RDS may optimize the storage for a day and longer."""
INACCESSIBLE = ("inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable")
"""RDS cannot use the key: the state of a whole cluster, which all its instances show too."""
NOT_RUNNING = ("stopped", "stopping")
"""RDS deletes no cluster in these statuses."""
BEING_DELETED = ("deleting", "deleted")
"""The statuses of a cluster, instance or snapshot that needs no further deletion."""

SNAPSHOT_WAIT = frozenset({"pending", "creating", "copying"})
SNAPSHOT_TERMINAL = frozenset({"failed", "deleting", "deleted", "incompatible-restore", "incompatible-parameters"})

_BUSY = frozenset(
    {
        "backing-up",
        "backtracking",
        "creating",
        "maintenance",
        "modifying",
        "rebooting",
        "renaming",
        "resetting-master-credentials",
        "starting",
        "upgrading",
    }
)
_BROKEN = frozenset(
    {
        "deleted",
        "deleting",
        "failed",
        *INACCESSIBLE,
        *NOT_RUNNING,
        "incompatible-network",
        "incompatible-parameters",
        "incompatible-restore",
        "insufficient-capacity",
        "restore-error",
    }
)
CLUSTER_WAIT = _BUSY | {
    "failing-over",
    "migrating",
    "preparing-data-migration",
    "promoting",
    "scaling-capacity",
    "scaling-compute",
    "scaling-storage",
    "update-iam-db-auth",
}
CLUSTER_TERMINAL = _BROKEN | {"cloning-failed", "migration-failed", "restore-failed"}

INSTANCE_WAIT = _BUSY | {
    "converting-to-vpc",
    "delete-precheck",
    "moving-to-vpc",
    "storage-config-upgrade",
    "storage-initialization",
}
INSTANCE_TERMINAL = _BROKEN | {
    "incompatible-create",
    "incompatible-credentials",
    "incompatible-option-group",
    "modify-failed",
    "storage-full",
    "upgrade-failed",
}


def snapshot_meaning(status: str) -> Meaning:
    """The meaning of a DB cluster snapshot's status."""
    return _meaning(status, SNAPSHOT_WAIT, SNAPSHOT_TERMINAL)


def cluster_meaning(status: str) -> Meaning:
    """The meaning of the status of a DB cluster that is being created, restored or modified."""
    return _meaning(status, CLUSTER_WAIT, CLUSTER_TERMINAL)


def instance_meaning(status: str) -> Meaning:
    """The meaning of the status of a DB instance that is being created or modified."""
    return _meaning(status, INSTANCE_WAIT, INSTANCE_TERMINAL)


def _meaning(status: str, wait: frozenset[str], terminal: frozenset[str]) -> Meaning:
    if status in READY:
        return Meaning.READY
    if status in terminal:
        return Meaning.TERMINAL
    if status in wait or status.startswith("configuring-"):
        return Meaning.WAIT
    return Meaning.UNKNOWN
