"""check-restore-status on a cluster that restore-snapshot has just restored."""

from __future__ import annotations

from typing import Any

from tests.rigs.activities import ActivityRig


def restore(rig: ActivityRig) -> str:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    outcome: Any = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.clear_calls()
    return str(outcome.cluster_resource_id)


def poll(rig: ActivityRig, resource_id: str, **more: Any) -> Any:
    return rig.run(rig.restored.check_restore_status, rig.check_restore_input(resource_id, **more))


def poll_until_done(rig: ActivityRig, resource_id: str) -> Any:
    return rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(resource_id))
