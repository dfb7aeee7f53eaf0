"""The restores that show which permissions the roles need: some succeed, in others something goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from activities.rds.orphans import list_orphans
from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.setup import create_audit_table, create_operations_table
from commands.diagnosis import Level, diagnose_aws
from errors import DatabaseUnreachable, Refused, StepFailed
from events.messages import RdsResource, find_resource
from events.queue import EventQueue
from models.archive import Archive
from models.configuration import AfterRestore, WhenStopped
from models.leftovers import ListOrphansInput
from models.request import MissingTarget
from models.step_call import FinalPoll
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
KEEP_ONE = {"archive": Archive(keep=1)}


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


def run_two_restores(deployment: Deployment) -> None:
    """The second one deletes what the first one restored; the owner sets its master password.

    Each is restored into quarantine, with parameters of its own.
    Each keeps and shares a snapshot of the masked target, and prunes every copy and the masked snapshot before.
    Each stops the cluster at its end, so that the second one starts it first.
    """
    restore = _with_target(deployment, after=AfterRestore.STOP, when_stopped=WhenStopped.START)
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


def run_one_restore(deployment: Deployment) -> None:
    """Nothing goes wrong."""
    run_all_steps(_with_target(deployment))


def run_first_restore(deployment: Deployment) -> None:
    """The target does not exist yet."""
    run_all_steps(AuthorizedRestore(deployment, missing=MissingTarget.CREATE))


def lose_responses(deployment: Deployment) -> None:
    """Each call that changes something takes effect, its response is lost, and the call is made again."""
    restore = _with_target(deployment)
    for service, operations in LOST_RESPONSES.items():
        for operation in operations:
            deployment.emulator.faults.add(service, operation, "reset-after")
    try:
        run_all_steps(restore)
    finally:
        deployment.emulator.faults.clear()


def replace_failed_copy(deployment: Deployment) -> None:
    """The copy of this operation has failed: it is deleted and made again."""
    restore = _with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    copy = restore.start_copy(checked)
    restore.owners.set_status(copy.arn, "failed")
    restore.copy_snapshot(checked)


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


def delete_target_concurrently(deployment: Deployment) -> None:
    """The owner deletes the target between snapshot-check and delete-rds."""
    restore = _with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    restore.owners.delete_target()
    copy = restore.copy_snapshot(checked)
    with pytest.raises(StepFailed):
        restore.delete_target(checked, copy)


def cancel_copy(deployment: Deployment) -> None:
    """The final poll of a wait that an operator cancelled."""
    restore = _with_target(deployment)
    restore.open_operation()
    restore.owners.create_snapshot()
    checked = restore.check_snapshot()
    assert restore.start_copy(checked) is not None
    restore.start_copy(checked, final_poll=FinalPoll.CANCELLED)
    restore.notify()


def remove_leftovers(deployment: Deployment) -> None:
    """First an unfinished copy, then a half-restored cluster with its instances; each time with an inventory."""
    restore = _with_target(deployment)
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
    restore = _with_target(deployment)
    restore.open_operation()
    copies = []
    for _ in range(2):
        restore.owners.create_snapshot()
        copies.append(restore.copy_snapshot(restore.check_snapshot()))
    request = restore.request.model_copy(update=KEEP_ONE)
    [orphan] = list_orphans(deployment.clients("worker"), ListOrphansInput(request=request))
    assert orphan.arn == copies[0].arn
    assert restore.remove_orphans().resource_arns == (orphan.arn,)


def select_snapshot_by_age_or_name(deployment: Deployment) -> None:
    """The newest automated snapshot, of which there is none, and then a snapshot by its exact name."""
    restore = _with_target(deployment)
    restore.open_operation()
    restore.select_snapshot_by({})
    with pytest.raises(StepFailed):
        restore.check_snapshot()
    restore.select_snapshot_by({"identifier": restore.owners.create_snapshot()})
    restore.check_snapshot()


def run_the_operators_verbs(deployment: Deployment) -> None:
    """What the verbs read that need AWS, under the operator's role: of the trail, the tables, the identity and the topics."""
    restore = AuthorizedRestore(deployment)
    settings = deployment.settings
    dynamodb = deployment.clients("operator").dynamodb(settings.audit_region)
    assert not create_audit_table(dynamodb, settings.audit_table)
    assert not create_operations_table(dynamodb, settings.operations_table)
    table, today = restore.table_as("operator"), restore.owners.now.date()
    table.list_rows("op-001")
    table.list_rows_by_day(today, today)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    numbers.list_targets()
    numbers.find("op-001")
    numbers.list_opened_since(restore.owners.now)
    SealChains(dynamodb, settings.audit_table, settings.operations_table).find_head(restore.request.target.arn)
    table.list_items("op-001")
    findings = diagnose_aws(settings, deployment.clients("operator"), [deployment.layout.topic_arn])
    wrong = [
        finding
        for finding in findings
        if finding.level is not Level.OK
        and finding.check != "clock"  # the emulator's clock is that of the tests
        and not finding.text.startswith("not checked, because it is of account")
    ]
    assert not wrong, wrong


def read_events(deployment: Deployment) -> None:
    """The worker reads what RDS says of a new target from the queue of the stack in the target's account."""
    restore = _with_target(deployment)
    target = restore.request.target
    queue = EventQueue(deployment.clients("worker"), deployment.layout.queue_arn)
    created = RdsResource(target.account_id, target.region, "cluster", target.cluster)
    asyncio.run(_read_until(queue, created))


async def _read_until(queue: EventQueue, resource: RdsResource) -> None:
    """Read and delete messages; raises `TimeoutError` if none is about the resource."""
    async with asyncio.timeout(30):
        is_found = False
        while not is_found:
            messages = await queue.receive()
            is_found = resource in [find_resource(message["Body"]) for message in messages]
            await queue.delete(messages)
    queue.close()


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


def _with_target(deployment: Deployment, **target: Any) -> AuthorizedRestore:
    restore = AuthorizedRestore(deployment, **target)
    restore.owners.create_target()
    return restore


SCENARIOS: Mapping[str, tuple[str, Callable[[Deployment], Any]]] = {
    "two restores in a row": ("separate_accounts", run_two_restores),
    "a drill": ("separate_accounts", run_a_drill),
    "a rich target": ("separate_accounts", restore_a_rich_target),
    "a restore in one account and region": ("one_account", run_one_restore),
    "the first restore": ("separate_accounts", run_first_restore),
    "a trail without links": ("separate_accounts", search_a_trail_without_links),
    "responses are lost": ("separate_accounts", lose_responses),
    "a copy failed": ("separate_accounts", replace_failed_copy),
    "the target is refused": ("separate_accounts", refuse_target),
    "prerequisites are missing": ("separate_accounts", refuse_missing_prerequisites),
    "the owner deletes the target": ("separate_accounts", delete_target_concurrently),
    "a copy is cancelled": ("separate_accounts", cancel_copy),
    "leftovers are removed": ("separate_accounts", remove_leftovers),
    "orphans are removed": ("separate_accounts", remove_orphans),
    "a snapshot by age or name": ("separate_accounts", select_snapshot_by_age_or_name),
    "the operator's verbs": ("separate_accounts", run_the_operators_verbs),
    "the operator's verbs in one account": ("one_account", run_the_operators_verbs),
    "events are read": ("separate_accounts", read_events),
    "the longest name": ("separate_accounts", restore_a_long_name),
}
"""By name: the fixture of the deployment, and the function that runs the scenario."""
