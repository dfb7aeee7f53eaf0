"""The rows of the fault table about what happens to the restored cluster last.

Its masked snapshots, the end of its quarantine, its new name.
Operation, code, action, short text, advice. Source: botocore's model of RDS.
"""

from __future__ import annotations

_TAKE, _SHARE = "CreateDBClusterSnapshot", "ModifyDBClusterSnapshotAttribute"
_QUOTA_ADVICE = (
    "Delete manual cluster snapshots that nobody needs in the target's region, or ask AWS for a higher quota."
)
_SHARE_ADVICE = "Take accounts that no longer need it off the snapshot in RDS, then retry."

ARCHIVE_FAULTS: tuple[tuple[str, str, str, str, str], ...] = (
    (_TAKE, "DBClusterSnapshotAlreadyExistsFault", "adopt", "", ""),
    (_TAKE, "InvalidDBClusterStateFault", "wait", "Cluster is busy", ""),
    (_TAKE, "InvalidDBClusterSnapshotStateFault", "wait", "Snapshot is busy", ""),
    # The poll has just read the cluster: a late view of RDS; a cluster that is gone is found by the next poll.
    (_TAKE, "DBClusterNotFoundFault", "wait", "Cluster not visible yet", ""),
    (_TAKE, "SnapshotQuotaExceeded", "prune", "Snapshot quota exceeded", _QUOTA_ADVICE),
    (_SHARE, "DBClusterSnapshotNotFoundFault", "wait", "Snapshot not visible yet", ""),
    (_SHARE, "InvalidDBClusterSnapshotStateFault", "wait", "Snapshot is busy", ""),
    # A name is taken until the cluster that had it has left it.
    ("ModifyDBCluster", "DBClusterAlreadyExistsFault", "wait", "Cluster name is taken", ""),
    ("RebootDBInstance", "InvalidDBInstanceState", "wait", "Instance is busy", ""),
    (_SHARE, "SharedSnapshotQuotaExceeded", "fail", "Snapshot shared too often", _SHARE_ADVICE),
)
