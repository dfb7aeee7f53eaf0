"""The nights that show what the roles need: good ones, and those on which something goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from activities.rds.orphans import list_orphans
from audit.setup import create_audit_table, create_operations_table
from errors import DatabaseUnreachable, Refused, StepFailed
from models.operation import FinalPoll
from models.request import Archive, MissingTarget
from tests.rigs.iam.deployments import SECRET_PREFIX, Site
from tests.rigs.iam.restores import PolicedNight

LOST = {
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
"""The calls whose answer gets lost on the wire once, so that they are made again."""
KEEP_ONE = {"archive": Archive(keep=1)}


def whole(night: PolicedNight) -> Any:
    """All nine steps; no database answers here, so that setup-db-users gets as far as its passwords."""
    night.open()
    night.make_snapshot()
    found = night.check()
    copy = night.copy(found)
    night.delete(found, copy)
    endpoint = night.restore(found, copy)
    with pytest.raises(DatabaseUnreachable):
        night.set_up_users(endpoint)
    night.archive(found, copy)
    night.notify()
    return copy


def two_nights_in_a_row(site: Site) -> None:
    """The second one deletes what the first one made and prunes its copy; its master password is the owner's."""
    first = PolicedNight(site)
    first.make_target()
    whole(first)
    secret = f"{SECRET_PREFIX}master-{first.number}"
    site.owner("secretsmanager").create_secret(Name=secret, SecretString=json.dumps({"password": "long-enough"}))
    target = first.request.target.model_copy(update={"master_user_secret_id": secret})
    first.request = first.request.model_copy(update={"target": target})
    whole(first)


def a_first_night(site: Site) -> None:
    """There is no target yet."""
    whole(PolicedNight(site, missing=MissingTarget.CREATE))


def answers_get_lost(site: Site) -> None:
    """Whatever changes something is done, its answer is lost, and it is made again."""
    night = PolicedNight(site)
    night.make_target()
    for service, operations in LOST.items():
        for operation in operations:
            site.emulator.faults.add(service, operation, "reset-after")
    try:
        whole(night)
    finally:
        site.emulator.faults.clear()


def a_copy_failed(site: Site) -> None:
    """The copy under tonight's name is failed: it is removed and made anew."""
    night = PolicedNight(site)
    night.make_target()
    night.open()
    night.make_snapshot()
    found = night.check()
    made = night.begin_copy(found)
    night.force_status(made.arn, "failed")
    night.copy(found)


def the_target_is_refused(site: Site) -> None:
    """It has not opted in, and its deletion is refused too, should it lose the tag later; people are told."""
    night = PolicedNight(site)
    night.open()
    night.make_target(Tags=[])
    night.make_snapshot()
    with pytest.raises(Refused):
        night.check()
    night.notify()


def nothing_is_ready(site: Site) -> None:
    """No subnet group, no parameter groups, no snapshot of that name."""
    night = PolicedNight(
        site,
        db_subnet_group_name="nowhere",
        db_cluster_parameter_group_name="none",
        vpc_security_group_ids=("sg-0123456789abcdef0",),
    )
    night.open()
    night.make_target()
    with pytest.raises(StepFailed):
        night.check()
    night.make_snapshot()
    with pytest.raises(Refused):
        night.check()


def the_target_vanishes(site: Site) -> None:
    """Somebody else deletes the target between the check and the deletion."""
    night = PolicedNight(site)
    night.open()
    night.make_snapshot()
    night.make_target()
    found = night.check()
    night.delete_by_hand()
    with pytest.raises(StepFailed):
        night.delete(found, night.copy(found))


def a_copy_is_cancelled(site: Site) -> None:
    """The last look of a wait that was cancelled."""
    night = PolicedNight(site)
    night.open()
    night.make_target()
    night.make_snapshot()
    found = night.check()
    assert night.begin_copy(found) is not None
    night.begin_copy(found, final_poll=FinalPoll.CANCELLED)
    night.notify()


def a_failed_night_removes_what_is_half_done(site: Site) -> None:
    """The copy under way, and in the next night the cluster with its instances; each time it looks before people are told."""
    night = PolicedNight(site)
    night.open()
    night.make_target()
    night.make_snapshot()
    found = night.check()
    copy = night.begin_copy(found)
    assert night.remove_leftovers(found).resource_arns == (copy.arn,)
    night.survey(copy)

    copy = night.copy(found)
    night.delete(found, copy)
    night.restore(found, copy)
    [cluster] = [of for of in night.survey(copy).resources if of.kind == "target cluster"]
    assert cluster.state == "available, restored by this operation"
    found_by = site.owner("rds").describe_db_clusters(DBClusterIdentifier=night.cluster)["DBClusters"][0]
    removed = night.remove_leftovers(found, found_by["DbClusterResourceId"])
    assert removed.resource_arns == (night.request.target.arn,)
    night.notify()


def earlier_nights_left_something(site: Site) -> None:
    """Two copies that nobody archived: the one to look at first, with the worker's identity, and then to be removed."""
    night = PolicedNight(site)
    night.open()
    night.make_target()
    copies = []
    for _ in range(2):
        night.make_snapshot()
        copies.append(night.copy(night.check()))
    [orphan] = list_orphans(site.session("worker"), night.request.model_copy(update=KEEP_ONE), None, None)
    assert orphan.arn == copies[0].arn
    assert night.remove_orphans().resource_arns == (orphan.arn,)


def the_newest_automated_snapshot_is_chosen(site: Site) -> None:
    """Chosen by its age, or by its exact name."""
    night = PolicedNight(site)
    night.open()
    night.make_target()
    night.choose({})
    with pytest.raises(StepFailed):
        night.check()
    night.choose({"identifier": night.make_snapshot()})
    night.check()


def setup_and_audit(site: Site) -> None:
    """What `starter.py setup` and `starter.py audit` do, as the operator's role."""
    night = PolicedNight(site)
    settings = site.settings
    dynamodb = site.session("operator").dynamodb(settings.audit_region)
    assert not create_audit_table(dynamodb, settings.audit_table)
    assert not create_operations_table(dynamodb, settings.operations_table)
    table = night.table_as("operator")
    table.list_rows("op-001")
    table.list_rows_by_day(night.now.date(), night.now.date())


SCENARIOS: Mapping[str, tuple[str, Callable[[Site], None]]] = {
    "two nights in a row": ("apart", two_nights_in_a_row),
    "a night in one account and region": ("together", lambda site: whole(_with_target(site))),
    "a first night": ("apart", a_first_night),
    "answers get lost": ("apart", answers_get_lost),
    "a copy failed": ("apart", a_copy_failed),
    "the target is refused": ("apart", the_target_is_refused),
    "nothing is ready": ("apart", nothing_is_ready),
    "the target vanishes": ("apart", the_target_vanishes),
    "a copy is cancelled": ("apart", a_copy_is_cancelled),
    "leftovers are removed": ("apart", a_failed_night_removes_what_is_half_done),
    "orphans are removed": ("apart", earlier_nights_left_something),
    "a snapshot by age or name": ("apart", the_newest_automated_snapshot_is_chosen),
    "setup and audit": ("apart", setup_and_audit),
}


def _with_target(site: Site) -> PolicedNight:
    night = PolicedNight(site)
    night.make_target()
    return night
