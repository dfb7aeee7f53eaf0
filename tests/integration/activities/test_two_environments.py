"""Two environments in one account, each with tables of its own and therefore with an op-001 of its own.

They restore the same target from the same snapshot: neither adopts, deletes or counts as its own what the other made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from activities.inventory import InventoryActivities
from activities.rds.orphans import list_orphans
from clients.aws import AwsClients
from errors import Refused
from models.archive import Archive, Notification
from models.inventory import InventoryInput
from models.leftovers import ListOrphansInput
from models.request import RestoreRequest
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, session_of


@pytest.fixture
def other(rig: ActivityRig) -> ActivityRig:
    """The other environment: the same source, target and operation number, and a trail of its own."""
    clients = AwsClients(session_of(ACCOUNT), environment="reporting")
    other = ActivityRig(replace(rig.shared, clients=clients), number=rig.number)
    assert (other.operation_id, other.target, other.source) == (rig.operation_id, rig.target, rig.source)
    return other


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source that both restore."""
    rig.make_source()
    return rig.make_snapshot()


def refusal(rig: ActivityRig, activity: Any, step_input: Any) -> str:
    """The refusal; nothing was changed."""
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        rig.run(activity, step_input)
    assert rig.changes() == []
    return refused.value.fault.short + refused.value.fault.message


def test_each_makes_a_copy_of_its_own(rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Under a name and with a tag of its own; a copy that both used would be pruned by one of them too early."""
    own, others = rig.make_copy(snapshot), other.make_copy(snapshot)
    made = {name: {tag["Key"]: tag["Value"] for tag in copy["TagList"]} for name, copy in rig.copies().items()}
    assert set(made) == {own.identifier, others.identifier}
    assert made[own.identifier]["aurora-restore:operation"] == f"aurora-restore/{rig.operation_id}"
    assert made[others.identifier]["aurora-restore:operation"] == f"reporting/{rig.operation_id}"
    assert others.identifier.startswith("reporting-staging-")


def test_a_cancelled_operation_keeps_the_others_running_copy(
    rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """Both are op-001 of their tables, and both copies are of the same snapshot for the same target."""
    for each in (rig, other):
        each.run(each.snapshots.copy_snapshot, each.copy_input(snapshot))
    step_input = rig.leftovers_input(snapshot_arn=snapshot.arn, unfinished_copy=True)
    removed = rig.poll_until_done(rig.leftovers.remove_leftovers, step_input)
    assert removed.resource_arns == (rig.copy_of(snapshot).arn,)
    assert list(other.copies()) == [other.copy_of(snapshot).identifier]


def test_archiving_and_cleaning_up_keep_the_others_copies(
    rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The other one may be about to restore from the copy: its target may be deleted already."""
    others = [other.make_copy(rig.make_snapshot(f"earlier-{rig.number}-{each}")) for each in range(2)]
    copy = rig.make_copy(snapshot)
    archived = rig.run(rig.snapshots.archive_snapshot, rig.archive_input(copy, keep=1, snapshot=snapshot))
    assert archived.pruned == ()
    removed = rig.run(rig.leftovers.remove_orphans, rig.orphans_input(keep=1))
    assert removed.resource_arns == ()
    assert {each.identifier for each in others} < set(rig.copies())
    request = RestoreRequest(
        source=rig.source, target=rig.target, users=(), notification=Notification(topic_arn=TOPIC), archive=KEEP_ONE
    )
    listed = ListOrphansInput(request=request)
    assert list_orphans(rig.aws, listed) == []
    [orphan] = list_orphans(other.aws, listed)
    assert orphan.operation_id == other.operation_id


TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:outcomes"
KEEP_ONE = Archive(keep=1)


def test_what_another_environment_restored_is_not_deleted(
    rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """Its restore may still be running; the cluster has the opt-in tag, because the restore set it again."""
    other.make_copy(snapshot)
    restored = other.run(other.clusters.restore_snapshot, other.restore_input(snapshot)).cluster_resource_id
    rig.make_copy(snapshot)
    source = rig.named_source(identifier=snapshot.identifier)
    command = f"--resource-name {rig.target.arn} --tag-keys aurora-restore:operation"
    for activity, step_input in (
        (rig.snapshots.snapshot_check, rig.check_input(source=source)),
        (rig.clusters.delete_rds, rig.delete_input(snapshot, restored)),
    ):
        text = refusal(rig, activity, step_input)
        assert text.startswith("Target of another environment")
        assert f"was restored by {other.operation_id} of the environment reporting" in text
        assert command in text


def test_what_another_environment_restored_is_not_adopted(
    rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The cluster is of the same number, and even if both had restored from one snapshot it is not this operation's."""
    copy = other.make_copy(snapshot)
    restored = other.run(other.clusters.restore_snapshot, other.restore_input(snapshot)).cluster_resource_id
    step_input = rig.restore_input(snapshot, snapshot_copy=copy)
    assert refusal(rig, rig.clusters.restore_snapshot, step_input).startswith("Another cluster has the target's name")
    kept = rig.leftovers_input(cluster_resource_id=restored)
    assert rig.poll_until_done(rig.leftovers.remove_leftovers, kept).resource_arns == ()
    assert rig.changes() == []


def test_the_owner_hands_a_target_over(rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without the other environment's tag it is deleted as any target with the opt-in tag."""
    other.make_copy(snapshot)
    restored = other.run(other.clusters.restore_snapshot, other.restore_input(snapshot)).cluster_resource_id
    rig.make_copy(snapshot)
    rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:operation"])
    rig.poll_until_done(rig.clusters.delete_rds, rig.delete_input(snapshot, restored))
    assert rig.cluster() is None


def test_the_inventory_names_the_environment(rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A reader of the notification must not take the other op-001 for this one."""
    other.make_copy(snapshot)
    other.run(other.clusters.restore_snapshot, other.restore_input(snapshot))
    taken = rig.run(
        InventoryActivities(rig.aws, rig.intents).take_inventory,
        InventoryInput(operation_id=rig.operation_id, target=rig.target, archive=KEEP_ONE),
    )
    [cluster] = [resource for resource in taken.resources if resource.kind == "target cluster"]
    assert cluster.state.endswith(f"restored by {other.operation_id} of the environment reporting")
    assert not [resource for resource in taken.resources if resource.kind == "copy"]


def test_a_master_password_that_another_environment_set_is_set_again(
    rig: ActivityRig, other: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The tag of the same number says nothing about this operation's password."""
    secret = rig.make_secret("master", '{"password": "long-enough-too"}')
    rig.make_copy(snapshot)
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    resource_id = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot)).cluster_resource_id
    tag = {"Key": "aurora-restore:master-password-set-by", "Value": other.operation_tag}
    rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=[tag])
    rig.clear_calls()
    rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(resource_id))
    assert [call for call in rig.calls("ModifyDBCluster") if "MasterUserPassword" in call.parameters]
