"""The copy of a snapshot: one attempt of copy-snapshot, one poll of check-copy-status."""

from __future__ import annotations

from typing import Any

from errors import Cancelled, DeadlinePassed
from models.snapshots import SourceSnapshot
from models.step_call import FinalPoll
from tests.rigs.activities import ActivityRig

FINAL = [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]


def copy(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot, **more))


def poll(rig: ActivityRig, snapshot: SourceSnapshot, **more: Any) -> Any:
    return rig.run(rig.snapshots.check_copy_status, rig.check_copy_input(snapshot, **more))


def make_other_snapshot(rig: ActivityRig, identifier: str) -> None:
    """Make a snapshot of another cluster under this name."""
    rig.make_target(instances=0)
    rig.rds().create_db_cluster_snapshot(DBClusterSnapshotIdentifier=identifier, DBClusterIdentifier=rig.target.cluster)
    rig.advance_clock()
