"""snapshot-check refuses a swap that cannot end well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from errors import Refused
from models.configuration import CustomEndpoint
from models.snapshots import SourceSnapshot
from models.source import SnapshotSelector
from models.steps import Replacement
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ENGINE, TARGET_REGION

# Before anything is changed


def make_cluster_named(suffix: str) -> Callable[[ActivityRig], dict[str, Any]]:
    def arrange(rig: ActivityRig) -> dict[str, Any]:
        rig.make_cluster(TARGET_REGION, rig.target.cluster + suffix)
        return {}

    return arrange


def make_instance_of_the_same_name(rig: ActivityRig) -> dict[str, Any]:
    """The tables were made anew, and count from op-001 again."""
    rig.rds().create_db_instance(
        DBInstanceIdentifier=f"{rig.target.cluster}-{rig.operation_id}-1",
        DBClusterIdentifier=rig.target.cluster,
        DBInstanceClass="db.r6g.large",
        Engine=ENGINE,
    )
    rig.advance_clock()
    return {}


def ask_for_a_custom_endpoint(rig: ActivityRig) -> dict[str, Any]:
    return {"custom_endpoints": (CustomEndpoint(identifier=f"analytics-{rig.number}"),)}


REFUSED = {
    "next": (make_cluster_named("-next"), "swap-names", "a swap needs its name"),
    "old": (make_cluster_named("-old"), "swap-names", "deletion of the old cluster, but a swap needs its name"),
    "instance": (make_instance_of_the_same_name, "instance-name", "needs that name for an instance of its own"),
    "surroundings": (ask_for_a_custom_endpoint, "swap-surroundings", "the target has target.custom_endpoints"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_a_swap_that_cannot_end_well_is_refused_before_anything_is_changed(
    rig: ActivityRig, snapshot: SourceSnapshot, row: str
) -> None:
    """The same request with delete_first is not."""
    rig.make_target()
    arrange, rule, text = REFUSED[row]
    selector = SnapshotSelector(identifier=snapshot.identifier)
    rig.source = rig.source.model_copy(update={"snapshot": selector})
    rig.target = rig.target.model_copy(update=arrange(rig))
    assert rig.run(rig.snapshots.snapshot_check, rig.check_input()).done
    rig.target = rig.target.model_copy(update={"replacement": Replacement.SWAP})
    rig.clear_calls()
    with pytest.raises(Refused, match=text) as refused:
        rig.run(rig.snapshots.snapshot_check, rig.check_input())
    assert [line.split("]")[0] for line in refused.value.fault.message.splitlines()] == [f"[{rule}"]
    assert rig.changes() == []
