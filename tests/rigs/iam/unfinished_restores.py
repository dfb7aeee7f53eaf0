"""Restores that are not carried to their end: refused, failed, cancelled, left half-done; and what is removed after them."""

from __future__ import annotations

import pytest

from activities.rds.orphans import list_orphans
from errors import Refused, StepFailed
from models.archive import Archive
from models.leftovers import ListOrphansInput
from models.step_call import FinalPoll
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.restores import AuthorizedRestore

KEEP_ONE = {"archive": Archive(keep=1)}


def select_snapshot_by_age_or_name(deployment: Deployment) -> None:
    """The newest automated snapshot, of which there is none, and then a snapshot by its exact name."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    restore.select_snapshot_by({})
    with pytest.raises(StepFailed):
        restore.check_snapshot()
    restore.select_snapshot_by({"identifier": restore.owners.create_snapshot()})
    restore.check_snapshot()


def refuse_target(deployment: Deployment) -> None:
    """The target does not exist, then it has not opted in, and the notification says so."""
    restore = AuthorizedRestore(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    with pytest.raises(Refused, match="Cluster not found"):
        restore.check_snapshot()
    restore.owners.create_target(Tags=[])
    with pytest.raises(Refused, match="Target has not opted in"):
        restore.check_snapshot()
    restore.notify()


def refuse_missing_prerequisites(deployment: Deployment) -> None:
    """No subnet group, no parameter group, no security group, and first no snapshot either."""
    restore = AuthorizedRestore(
        deployment,
        db_subnet_group_name="nowhere",
        db_cluster_parameter_group_name="none",
        vpc_security_group_ids=("sg-0123456789abcdef0",),
    )
    restore.open_operation()
    restore.owners.create_target()
    with pytest.raises(StepFailed):
        restore.check_snapshot()
    restore.owners.create_snapshot()
    with pytest.raises(Refused):
        restore.check_snapshot()


def search_a_trail_without_links(deployment: Deployment) -> None:
    """The target is gone, and the operations table is of a version that linked no operations."""
    restore = AuthorizedRestore(deployment)
    restore.open_operation()
    owner = deployment.owner("dynamodb", "worker")
    number = restore.operation_id.removeprefix("op-")
    counter = {"record": {"S": "counter"}, "last_number": {"N": str(int(number))}}
    owner.put_item(TableName=deployment.settings.operations_table, Item=counter)
    with pytest.raises(StepFailed):
        restore.check_snapshot()


def replace_failed_copy(deployment: Deployment) -> None:
    """The copy of this operation has failed: it is deleted and made again."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    copy = restore.start_copy(checked)
    restore.owners.set_status(copy.arn, "failed")
    restore.copy_snapshot(checked)


def cancel_copy(deployment: Deployment) -> None:
    """The final poll of a wait that an operator cancelled."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    assert restore.start_copy(checked) is not None
    restore.start_copy(checked, final_poll=FinalPoll.CANCELLED)
    restore.notify()


def delete_target_concurrently(deployment: Deployment) -> None:
    """The owner deletes the target between snapshot-check and delete-rds."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    restore.owners.delete_target()
    copy = restore.copy_snapshot(checked)
    with pytest.raises(StepFailed):
        restore.delete_target(checked, copy)


def remove_leftovers(deployment: Deployment) -> None:
    """First an unfinished copy, then a half-restored cluster with its instances; each time with an inventory."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    copy = restore.start_copy(checked)
    assert restore.remove_leftovers(checked).resource_arns == (copy.arn,)
    restore.take_inventory(copy)

    copy = restore.copy_snapshot(checked)
    restore.delete_target(checked, copy)
    restore.restore_target(checked, copy)
    [cluster] = [entry for entry in restore.take_inventory(copy).resources if entry.kind == "target cluster"]
    assert cluster.state == "available, restored by this operation"
    described = deployment.owner("rds").describe_db_clusters(DBClusterIdentifier=restore.cluster)["DBClusters"][0]
    removed = restore.remove_leftovers(checked, described["DbClusterResourceId"])
    assert removed.resource_arns == (restore.request.target.arn,)
    restore.notify()


def remove_orphans(deployment: Deployment) -> None:
    """Of two copies that no operation archived, the older one is listed with the worker's identity, then removed."""
    restore = AuthorizedRestore.with_target(deployment)
    restore.open_operation()
    copies = []
    for _ in range(2):
        restore.owners.create_snapshot()
        copies.append(restore.copy_snapshot(restore.check_snapshot()))
    request = restore.request.model_copy(update=KEEP_ONE)
    [orphan] = list_orphans(deployment.clients("worker"), ListOrphansInput(request=request))
    assert orphan.arn == copies[0].arn
    assert restore.remove_orphans().resource_arns == (orphan.arn,)
