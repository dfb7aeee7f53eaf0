"""What an orphan is and what is not, and remove-orphans, which deletes nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from activities.rds.copies import own_copies
from activities.rds.orphans import find_orphans, list_orphans
from clients.aws import AwsClients
from errors import Refused, ResourceBusy, TrailUnavailable
from models.archive import Archive, Notification
from models.inventory import Orphan, OrphanReason
from models.leftovers import ListOrphansInput
from models.request import RestoreRequest
from models.snapshots import SnapshotCopy
from tests.rigs.activities import ActingTrail, ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, TARGET_REGION, session_of


@pytest.fixture
def copies(rig: ActivityRig) -> list[SnapshotCopy]:
    """The copies of four operations, oldest first, none of them archived."""
    rig.make_source()
    return [rig.make_copy(rig.make_snapshot(f"backup-{place}-{rig.number}")) for place in range(4)]


def orphans(rig: ActivityRig, keep: int = 1, in_use: tuple[str, ...] = ()) -> list[Orphan]:
    """The orphans as the inventory sees them."""
    return find_orphans(own_copies(rig.rds(), rig.target, rig.aws.environment), keep, frozenset(in_use))


def identifiers(listed: Iterable[Orphan]) -> set[str]:
    return {orphan.identifier for orphan in listed}


def remove(rig: ActivityRig, keep: int = 1, **more: Any) -> Any:
    return rig.run(rig.leftovers.remove_orphans, rig.orphans_input(keep, **more))


def test_an_old_copy_that_was_never_archived_is_an_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Available, not archived, and not among the newest that are kept: with its operation, and why."""
    assert orphans(rig, keep=3) == [
        Orphan(
            arn=copies[0].arn,
            identifier=copies[0].identifier,
            reason=OrphanReason.UNARCHIVED,
            status="available",
            operation_id=rig.operation_id,
        )
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [("failed", OrphanReason.FAILED), ("copying", OrphanReason.UNFINISHED), ("odd", OrphanReason.UNFINISHED)],
)
def test_a_copy_that_cannot_be_restored_is_an_orphan(
    rig: ActivityRig, copies: list[SnapshotCopy], status: str, reason: OrphanReason
) -> None:
    """However many good ones are kept, it takes no place among them."""
    rig.force_status(copies[3].arn, status)
    [orphan] = orphans(rig, keep=3)
    assert (orphan.identifier, orphan.reason, orphan.status) == (copies[3].identifier, reason, status)


@pytest.mark.parametrize("status", ["deleting", "deleted"])
def test_a_copy_that_is_being_deleted_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy], status: str) -> None:
    """There is nothing to do about it."""
    rig.force_status(copies[0].arn, status)
    assert orphans(rig, keep=3) == []


def test_the_newest_good_copies_are_no_orphans(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """As many as archive.keep allows: the next restore may adopt one."""
    assert identifiers(orphans(rig, keep=2)) == {copies[0].identifier, copies[1].identifier}
    assert orphans(rig, keep=4) == []


def test_an_archived_copy_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Beyond archive.keep the next successful restore prunes it, not a cleanup."""
    tag = {"Key": "aurora-restore:archived-by", "Value": "aurora-restore/op-000"}
    rig.rds().add_tags_to_resource(ResourceName=copies[0].arn, Tags=[tag])
    assert identifiers(orphans(rig, keep=2)) == {copies[1].identifier}


def test_a_copy_in_use_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """It is one of those that are kept, however old its snapshot is."""
    assert identifiers(orphans(rig, keep=2, in_use=(copies[0].arn,))) == {copies[1].identifier, copies[2].identifier}


def test_an_unfinished_copy_in_use_does_not_count_among_the_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """What the notification of a failed restore calls an orphan is what a cleanup would delete."""
    rig.force_status(copies[3].arn, "copying")
    reported = orphans(rig, keep=2, in_use=(copies[3].arn,))
    assert identifiers(reported) == {copies[0].identifier}
    assert identifiers(reported) <= identifiers(orphans(rig, keep=2))


def test_a_copy_of_another_target_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Each of two targets has its own."""
    other = ActivityRig(rig.shared)
    other.make_source()
    other_copy = other.make_copy(other.make_snapshot())
    other.force_status(other_copy.arn, "failed")
    assert other_copy.identifier not in identifiers(orphans(rig))
    assert identifiers(orphans(other)) == {other_copy.identifier}


def test_a_snapshot_with_a_copys_name_but_no_tags_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A failed snapshot of someone else, under a name that the pipeline could give."""
    rig.make_target()
    name = f"{copies[0].identifier[:-1]}{'0' if copies[0].identifier[-1] != '0' else '1'}"
    made = rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=name, DBClusterIdentifier=rig.target.cluster
    )
    rig.force_status(made["DBClusterSnapshot"]["DBClusterSnapshotArn"], "failed")
    assert identifiers(orphans(rig)) == {copy.identifier for copy in copies[:3]}


def test_a_snapshot_with_our_tags_but_another_name_is_no_orphan(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A copy that a colleague made with CopyTags."""
    rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copies[0].arn,
        TargetDBClusterSnapshotIdentifier=f"evidence-{rig.number}",
        CopyTags=True,
    )
    rig.advance_clock()
    assert f"evidence-{rig.number}" not in identifiers(orphans(rig))


def test_a_cleanup_deletes_the_orphans_and_nothing_else(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The intent names them first; the newest copy is kept, and the outcome names the deleted ones."""
    rig.clear_calls()
    outcome = remove(rig, keep=2)
    assert (outcome.done, outcome.details) == (True, "Orphans removed")
    assert set(outcome.resource_arns) == {copies[0].arn, copies[1].arn}
    rig.advance_clock()
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    assert rig.rows() == ["remove-orphans intent"]


def test_a_second_cleanup_run_deletes_nothing_more(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Run twice: the same outcome and one intent."""
    first = remove(rig, keep=2)
    rig.clear_calls()
    second = remove(rig, keep=2)
    assert (second.details, set(second.resource_arns)) == (first.details, set(first.resource_arns))
    assert rig.calls("DeleteDBClusterSnapshot") == []
    assert rig.rows() == ["remove-orphans intent"]


def test_a_cleanup_without_orphans_reports_nothing_to_remove(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """No intent, no deletion."""
    outcome = remove(rig, keep=4)
    assert (outcome.details, outcome.resource_arns, rig.rows()) == ("Nothing to remove", (), [])


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_no_orphan_is_deleted(rig: ActivityRig, copies: list[SnapshotCopy], operation: str) -> None:
    """No trail, no deletion."""
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        remove(rig)
    assert rig.changes() == []


def test_an_orphan_of_another_account_is_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Tags may name any target: only STS says which account this is."""
    other_account = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    tag = {"Key": "aurora-restore:copy-for", "Value": other_account.arn}
    for copy in copies:
        rig.rds().add_tags_to_resource(ResourceName=copy.arn, Tags=[tag])
    rig.clear_calls()
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        remove(rig, target=other_account)
    assert rig.changes() == []
    assert rig.rows() == []


def test_a_busy_orphan_is_deleted_by_a_later_attempt(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The others are deleted; Temporal repeats the activity until all are gone, under one intent."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy, match="Snapshot is busy"):
        remove(rig, keep=2)
    outcome = remove(rig, keep=2)
    assert set(outcome.resource_arns) == {copies[0].arn, copies[1].arn}
    assert rig.rows() == ["remove-orphans intent"]


def test_an_orphan_that_rds_still_lists_is_reported_as_deleted(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """RDS reads are eventually consistent: a list right after the deletion may still have it."""
    session, listed_before = session_of(ACCOUNT), list[Any]()

    def before_the_deletion(**answered: Any) -> None:
        parsed = answered["parsed"]
        listed_before.extend([] if listed_before else parsed["DBClusterSnapshots"])
        parsed["DBClusterSnapshots"] = list(listed_before)

    session.register("after-call.rds.DescribeDBClusterSnapshots", before_the_deletion)
    rig.aws = AwsClients(session)
    outcome = remove(rig, keep=2)
    assert (outcome.done, outcome.details) == (True, "Orphans removed")
    assert set(outcome.resource_arns) == {copies[0].arn, copies[1].arn}
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}


def test_an_orphan_that_appears_between_two_attempts_is_deleted_too(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """All attempts belong to one poll: the later one declares what it found beside the first one's orphans."""
    rig.force_status(copies[0].arn, "deleting")
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy):
        remove(rig, keep=2)
    rig.force_status(copies[0].arn, "failed")
    assert set(remove(rig, keep=2).resource_arns) == {copies[0].arn, copies[1].arn}
    assert rig.rows() == ["remove-orphans intent"] * 2


def test_an_orphan_untagged_between_two_attempts_is_kept_and_not_reported(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """It was declared, but an owner who removes our tag keeps the copy."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy):
        remove(rig, keep=3)
    rig.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    outcome = remove(rig, keep=3)
    assert (outcome.details, outcome.resource_arns) == ("Nothing to remove", ())
    assert copies[0].identifier in rig.copies()


def test_an_orphan_archived_while_the_intent_is_written_is_kept(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The orphans are read again after the intent, and the outcome does not name the kept one."""

    def archive() -> None:
        tag = {"Key": "aurora-restore:archived-by", "Value": "aurora-restore/op-000"}
        rig.rds().add_tags_to_resource(ResourceName=copies[0].arn, Tags=[tag])

    activities = LeftoverActivities(rig.aws, ActingTrail(rig.intents, archive))
    outcome = rig.run(activities.remove_orphans, rig.orphans_input(2))
    rig.advance_clock()
    assert outcome.resource_arns == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def test_an_orphan_that_appears_while_the_intent_is_written_is_not_deleted(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """Only what the trail names is deleted; the failed copy makes room among the kept for one that it names."""
    activities = LeftoverActivities(
        rig.aws, ActingTrail(rig.intents, lambda: rig.force_status(copies[3].arn, "failed"))
    )
    outcome = rig.run(activities.remove_orphans, rig.orphans_input(2))
    assert outcome.resource_arns == (copies[0].arn,)
    assert copies[3].identifier in rig.copies()


def restore_request(rig: ActivityRig) -> RestoreRequest:
    notification = Notification(topic_arn=f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:outcomes")
    request = RestoreRequest(source=rig.source, target=rig.target, notification=notification, archive=Archive(keep=1))
    return RestoreRequest.model_validate_json(json.dumps(request.model_dump(mode="json", exclude_none=True)))


def test_listing_orphans_changes_nothing(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """`starter.py cleanup` without --delete lists what the inventory lists, beside what a running restore uses."""
    rig.clear_calls()
    listed = rig.run(rig.leftovers.list_orphans, ListOrphansInput(request=restore_request(rig)))
    assert identifiers(listed.orphans) == {copy.identifier for copy in copies[:3]}
    beside = ListOrphansInput(request=restore_request(rig), snapshot_copy_arn=copies[0].arn)
    assert identifiers(list_orphans(rig.aws, beside)) == {copy.identifier for copy in copies[1:]}
    own = ListOrphansInput(request=restore_request(rig), operation_id=rig.operation_id)
    assert list_orphans(rig.aws, own) == []
    assert rig.changes() == []
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        other_account = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
        request = restore_request(rig).model_copy(update={"target": other_account})
        list_orphans(rig.aws, ListOrphansInput.model_construct(request=request))
