"""delete-rds on the target of an activity test."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster", "DeleteDBClusterSnapshot")


def delete(rig: ActivityRig, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> Any:
    return rig.run(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id, **more))


def refusal(rig: ActivityRig, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> str:
    """The text of a refusal; no deletion was called and every instance is as before."""
    before = rig.instances()
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        delete(rig, snapshot, resource_id, **more)
    assert rig.calls(*DELETIONS) == []
    assert rig.instances() == before
    assert not rig.rows(), "a refusal is no intent"
    return f"{refused.value.fault.short}: {refused.value.fault.message}"
