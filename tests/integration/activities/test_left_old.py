"""The old cluster that a swap left: who lists it, what proves that it is one, and when a cleanup deletes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from activities.clusters import left_old
from activities.inventory import InventoryActivities
from activities.leftovers import LeftoverActivities
from activities.preflight.blockers import blocker_checks
from activities.preflight.guards import PreflightCheck
from activities.rds import deletion
from errors import Refused, ResourceBusy
from models.archive import Archive
from models.clusters import SwapClustersInput
from models.configuration import WhenStopped
from models.inventory import InventoryInput, Orphan, OrphanReason
from models.leftovers import ListOrphansInput, RemoveOrphansInput
from models.steps import Replacement
from models.swap import Swap
from tests.integration.activities.test_orphaned_copies import restore_request
from tests.integration.activities.test_remove_drill import cleanup_of, names
from tests.rigs.activities import ActingTrail, ActivityRig
from tests.rigs.activity_resources import ENGINE, TARGET_REGION
from tests.rigs.left_old import record_success, swap_under_a_number

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

CLUSTERS = (OrphanReason.OLD, OrphanReason.UNPROVEN)


@pytest.fixture
def swap(rig: ActivityRig) -> SwapClustersInput:
    """A swap that has renamed both clusters; the trail has no outcome of it."""
    return swap_under_a_number(rig)


@pytest.fixture
def swapped(rig: ActivityRig, swap: SwapClustersInput) -> SwapClustersInput:
    """The trail has its outcome, too."""
    record_success(rig, swap)
    rig.clear_calls()
    return swap


def list_left(rig: ActivityRig, running: str | None = None) -> list[Orphan]:
    """What a cleanup lists as the old cluster, while this operation runs."""
    listed = ListOrphansInput(request=restore_request(rig), operation_id=running)
    return [each for each in rig.run(rig.leftovers.list_orphans, listed).orphans if each.reason in CLUSTERS]


def deletions(rig: ActivityRig) -> list[str]:
    return [change for change in rig.changes() if change.startswith("Delete")]


def old_arn(rig: ActivityRig) -> str:
    return rig.target.replaced.arn


def kept_for(rig: ActivityRig, keep_old: timedelta) -> RemoveOrphansInput:
    """A cleanup with a request that keeps the old cluster, whose restore was ended meanwhile."""
    target = rig.target.model_copy(update={"replacement": Replacement.SWAP, "swap": Swap(keep_old=keep_old)})
    return cleanup_of(rig).model_copy(update={"target": target})


def test_a_cleanup_lists_and_deletes_the_old_cluster(rig: ActivityRig, swapped: SwapClustersInput) -> None:
    """With its operation, its age and what it costs, once its time is over; twice is harmless, and the target stays."""
    rig.advance_clock()
    [orphan] = list_left(rig)
    assert (orphan.arn, orphan.reason, orphan.operation_id) == (old_arn(rig), OrphanReason.OLD, rig.operation_id)
    assert orphan.text.endswith("h; its 1 instance(s) and its storage cost as before")
    kept = ListOrphansInput(
        request=restore_request(rig).model_copy(update={"target": kept_for(rig, timedelta(days=7)).target})
    )
    [orphan] = [each for each in rig.run(rig.leftovers.list_orphans, kept).orphans if each.reason in CLUSTERS]
    assert orphan.text.endswith(" UTC, and no cleanup deletes it before")
    with pytest.raises(Refused, match=r"kept until .* as target\.swap\.keep_old says"):
        rig.run(rig.leftovers.remove_orphans, kept_for(rig, timedelta(days=7)))
    assert deletions(rig) == []
    outcome = rig.run(rig.leftovers.remove_orphans, kept_for(rig, timedelta(microseconds=1)))
    assert (outcome.details, outcome.resource_arns) == ("Orphans removed", (old_arn(rig),))
    assert deletions(rig) == ["DeleteDBInstance staging-1", "DeleteDBCluster staging-old"]
    rig.advance_clock()
    assert names(rig) == ["staging"]
    assert list_left(rig) == []
    assert rig.run(rig.leftovers.remove_orphans, cleanup_of(rig)).details == "Nothing to remove"
    assert len(deletions(rig)) == 2


def test_what_a_running_operation_may_own_is_no_orphan(rig: ActivityRig, swapped: SwapClustersInput) -> None:
    """Neither in a list nor in its own message; the message of the next one names it."""
    own = rig.operation_id
    assert list_left(rig, running=own) == []
    assert [each.operation_id for each in list_left(rig, running="op-999998")] == [own]
    inventories = InventoryActivities(rig.aws, rig.intents)
    given = InventoryInput(operation_id=own, target=rig.target, archive=Archive(keep=1))
    assert rig.run(inventories.take_inventory, given).orphans == ()
    later = given.model_copy(update={"operation_id": "op-999998"})
    assert [each.arn for each in rig.run(inventories.take_inventory, later).orphans] == [old_arn(rig)]


def set_target_status(rig: ActivityRig) -> None:
    rig.force_status(rig.target.arn, "modifying")


def rename_target(rig: ActivityRig) -> None:
    rig.rename_target(f"{rig.target.cluster}-kept")


def replace_target(rig: ActivityRig) -> None:
    rename_target(rig)
    rig.make_target(instances=0)


def withdraw_opt_in(rig: ActivityRig) -> None:
    rig.rds().remove_tags_from_resource(ResourceName=old_arn(rig), TagKeys=["aurora-restore:replaced-by"])


def protect(rig: ActivityRig) -> None:
    name = rig.target.replaced.cluster
    rig.rds().modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=True, ApplyImmediately=True)
    rig.advance_clock()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (rename_target, "Nothing has the target's name"),
        (replace_target, "Another cluster has the target's name"),
        (set_target_status, "Target is not available"),
        (withdraw_opt_in, "Target has not opted in"),
        (protect, "Deletion protection is on"),
    ],
)
def test_it_stays_unless_every_proof_and_every_guard_holds(
    rig: ActivityRig, swapped: SwapClustersInput, change: Callable[[ActivityRig], None], why: str
) -> None:
    """Above all if the target does not answer: then the old cluster may be the only one left."""
    change(rig)
    rig.clear_calls()
    with pytest.raises(Refused, match=why):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    assert deletions(rig) == []


def rename_old(rig: ActivityRig) -> None:
    name = rig.target.replaced.cluster
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=name, NewDBClusterIdentifier=f"{rig.target.cluster}-mine", ApplyImmediately=True
    )
    rig.advance_clock()


@pytest.mark.parametrize("change", [rename_old, rename_target])
def test_it_is_proven_again_after_the_intent(
    rig: ActivityRig, swapped: SwapClustersInput, change: Callable[[ActivityRig], None]
) -> None:
    """Someone renames one of the two clusters while the trail is written."""
    activities = LeftoverActivities(rig.aws, ActingTrail(rig.intents, lambda: change(rig)))
    try:
        outcome = rig.run(activities.remove_orphans, cleanup_of(rig))
    except Refused as refused:
        assert refused.fault.short == "Nothing has the target's name"
    else:
        assert (outcome.details, outcome.resource_arns) == ("Nothing to remove", ()), "what was renamed is kept"
    assert deletions(rig) == []


def rename_soon(rig: ActivityRig, name: str, new_name: str) -> None:
    """RDS has accepted the new name; the cluster still is available under its own."""
    rig.rds().modify_db_cluster(DBClusterIdentifier=name, NewDBClusterIdentifier=new_name, ApplyImmediately=True)


def test_a_rename_that_has_only_begun_keeps_it(rig: ActivityRig, swapped: SwapClustersInput) -> None:
    """A rollback by hand begins so; RDS would still delete its instances."""
    target, old = rig.target.cluster, rig.target.replaced.cluster
    rename_soon(rig, old, f"{target}-mine")
    with pytest.raises(Refused, match=f"named {old} and being renamed"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    rig.advance_clock()
    rename_soon(rig, f"{target}-mine", old)
    rig.advance_clock()
    rename_soon(rig, target, f"{target}-bad")
    with pytest.raises(Refused, match="is being renamed, expected available"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    assert deletions(rig) == []


def test_the_guards_hold_directly_before_each_deletion(
    rig: ActivityRig, swapped: SwapClustersInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner takes the tag off after the first one: the cluster stays, and the message says what is gone."""
    delete_instance = deletion._delete_instance

    def delete_then_withdraw(rds: RDSClient, identifier: str) -> None:
        delete_instance(rds, identifier)
        withdraw_opt_in(rig)

    monkeypatch.setattr(deletion, "_delete_instance", delete_then_withdraw)
    with pytest.raises(Refused, match=r"has not opted in|may not be replaced") as refused:
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    assert "-1 were deleted before; its data is still there" in refused.value.fault.message
    assert deletions(rig) == ["DeleteDBInstance staging-1"]


def test_an_instance_that_is_added_meanwhile_is_deleted_too(
    rig: ActivityRig, swapped: SwapClustersInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps RDS from deleting the cluster takes a while to read; then the instances are read again."""
    added = f"{rig.target.cluster}-added"

    def add_instance(rds: RDSClient, cluster: DBClusterTypeDef) -> list[PreflightCheck]:
        rds.create_db_instance(
            DBInstanceIdentifier=added, DBClusterIdentifier=cluster["DBClusterIdentifier"],
            DBInstanceClass="db.r6g.large", Engine=ENGINE,
        )  # fmt: skip
        return blocker_checks(rds, cluster)

    monkeypatch.setattr(left_old, "blocker_checks", add_instance)
    assert rig.run(rig.leftovers.remove_orphans, cleanup_of(rig)).resource_arns == (old_arn(rig),)
    assert "DeleteDBInstance staging-added" in deletions(rig)


def test_a_stopped_one_is_started_and_tried_again(rig: ActivityRig, swapped: SwapClustersInput) -> None:
    """If the request allows it, as delete-rds does: RDS deletes no stopped cluster."""
    rig.rds().stop_db_cluster(DBClusterIdentifier=rig.target.replaced.cluster)
    rig.advance_clock()
    with pytest.raises(Refused, match="Target cannot be deleted now"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    rig.target = rig.target.model_copy(update={"when_stopped": WhenStopped.START})
    with pytest.raises(ResourceBusy, match="starting the stopped cluster"):
        rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    rig.advance_clock()
    assert rig.run(rig.leftovers.remove_orphans, cleanup_of(rig)).resource_arns == (old_arn(rig),)


def test_what_the_trail_does_not_prove_is_listed_and_kept(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """The swap did not succeed, or its rows are gone; without the owner's tag the cluster is anyone's."""
    [orphan] = list_left(rig)
    assert (orphan.reason, orphan.operation_id) == (OrphanReason.UNPROVEN, rig.operation_id)
    assert "that swap did not succeed" in orphan.text
    rig.target = rig.target.model_copy(update={"cluster": f"{rig.target.cluster}-b"})
    rig.make_target(instances=0)
    name = rig.target.replaced.cluster
    rig.rename_target(name)
    [orphan] = list_left(rig)
    assert orphan.operation_id is None
    assert f"delete-db-cluster --region {TARGET_REGION} --db-cluster-identifier {name}" in orphan.text
    outcome = rig.run(rig.leftovers.remove_orphans, cleanup_of(rig))
    assert outcome.details == f"Nothing to remove; {name} is kept, not proven to be an old cluster"
    assert deletions(rig) == []
    assert list_left(rig, running="op-999998") == []
    withdraw_opt_in(rig)
    assert list_left(rig) == []
