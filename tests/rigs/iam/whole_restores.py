"""Restores that succeed: of every kind of target, twice in a row, and with responses that are lost on the way."""

from __future__ import annotations

import pytest

from errors import DatabaseUnreachable
from models.archive import Archive
from models.configuration import AfterRestore, WhenStopped
from models.request import MissingTarget
from models.steps import Replacement
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.restores import AuthorizedRestore

LOST_RESPONSES = {
    "rds": (
        "CopyDBClusterSnapshot",
        "DeleteDBInstance",
        "DeleteDBCluster",
        "RestoreDBClusterFromSnapshot",
        "CreateDBInstance",
        "ModifyDBCluster",
        "AddTagsToResource",
    ),
    "dynamodb": ("TransactWriteItems", "PutItem"),
    "sns": ("GetTopicAttributes", "Publish"),
}
"""The calls whose response is lost once, so that they are made again."""
LONGEST_NAME = 63
"""Source: RDS API Reference, CreateDBCluster."""


def run_all_steps(restore: AuthorizedRestore) -> None:
    """All nine steps; no database listens, so that setup-db-users ends after reading its passwords."""
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    copy = restore.copy_snapshot(checked)
    restore.delete_target(checked, copy)
    endpoint = restore.restore_target(checked, copy)
    with pytest.raises(DatabaseUnreachable):
        restore.set_up_users(endpoint)
    restore.archive_snapshot(checked, copy)
    restore.notify()


def run_one_restore(deployment: Deployment) -> None:
    """Nothing goes wrong."""
    run_all_steps(AuthorizedRestore.with_target(deployment))


def run_first_restore(deployment: Deployment) -> None:
    """The target does not exist yet."""
    run_all_steps(AuthorizedRestore(deployment, missing=MissingTarget.CREATE))


def run_two_restores(deployment: Deployment) -> None:
    """The second one deletes what the first one restored; the owner sets its master password.

    Each is restored into quarantine, with parameters of its own.
    Each keeps and shares a snapshot of the masked target, and prunes every copy and the masked snapshot before.
    Each stops the cluster at its end, so that the second one starts it first.
    """
    restore = AuthorizedRestore.with_target(deployment, after=AfterRestore.STOP, when_stopped=WhenStopped.START)
    restore.set_quarantine(restore.owners.create_quarantine())
    restore.archive = Archive(keep=1, masked=True, share_with=(deployment.layout.source,))
    run_all_steps(restore)
    restore.set_master_secret(restore.owners.create_secret("master", "long-enough"))
    run_all_steps(restore)


def run_a_drill(deployment: Deployment) -> None:
    """A target that did not opt in is drilled: the cluster beside it is removed, which a person has stopped meanwhile."""
    restore = AuthorizedRestore(deployment, replacement=Replacement.DRILL)
    restore.owners.create_target(instances_opt_in=False, Tags=[])
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    copy = restore.copy_snapshot(checked)
    endpoint = restore.restore_target(checked, copy)
    with pytest.raises(DatabaseUnreachable):
        restore.set_up_users(endpoint)
    restore.archive_snapshot(checked, copy)
    rds, drill = deployment.owner("rds"), restore.request.target.restored_as(restore.operation_id).cluster
    rds.stop_db_cluster(DBClusterIdentifier=drill)
    restore.owners.advance_clock()
    assert restore.remove_drill(checked).details == "Drill removed"
    assert rds.describe_db_clusters(DBClusterIdentifier=restore.cluster)["DBClusters"][0]["Status"] == "available"
    restore.notify()


def restore_a_rich_target(deployment: Deployment) -> None:
    """Two restores of a target whose every setting is unusual, with names, tags, roles and endpoints of its owner."""
    restore = AuthorizedRestore(deployment, instances=None, kms_key_id=None)
    restore.owners.create_rich_target()
    run_all_steps(restore)
    run_all_steps(restore)
    checked = restore.check_snapshot()
    restore.owners.remove_role()
    restore.complete_target(checked)


def restore_a_long_name(deployment: Deployment) -> None:
    """Two restores of a target whose name leaves no room for -1: the names of its instances are shortened."""
    restore = AuthorizedRestore(deployment, name_length=LONGEST_NAME)
    restore.owners.create_target(Tags=restore.owners.opt_in_and(team="orders"))
    run_all_steps(restore)
    run_all_steps(restore)


def lose_responses(deployment: Deployment) -> None:
    """Each call that changes something takes effect, its response is lost, and the call is made again."""
    restore = AuthorizedRestore.with_target(deployment)
    for service, operations in LOST_RESPONSES.items():
        for operation in operations:
            deployment.emulator.faults.add(service, operation, "reset-after")
    try:
        run_all_steps(restore)
    finally:
        deployment.emulator.faults.clear()
