"""What an orphan is and what is not, and remove-orphans, which removes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.leftovers import LeftoverActivities
from activities.rds.copies import own_copies
from activities.rds.orphans import find_orphans, list_orphans
from clients.aws import AwsClients
from errors import Refused, ResourceBusy, TrailUnavailable
from models.inventory import Orphan, OrphanReason
from models.leftovers import RemoveOrphansInput
from models.request import Archive, Notification, RestoreRequest
from models.snapshots import SnapshotCopy
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, TARGET_REGION, ActivityRig, session_of


@pytest.fixture
def copies(rig: ActivityRig) -> list[SnapshotCopy]:
    """Four nights' copies, oldest first, none of them archived."""
    rig.make_source()
    return [rig.make_copy(rig.make_snapshot(f"night-{place}-{rig.number}")) for place in range(4)]


def seen(rig: ActivityRig, keep: int = 1, in_use: tuple[str, ...] = ()) -> list[Orphan]:
    """The orphans as the survey sees them."""
    return find_orphans(own_copies(rig.rds(), rig.target), keep, frozenset(in_use))


def names(found: list[Orphan]) -> set[str]:
    return {orphan.identifier for orphan in found}


def remove(rig: ActivityRig, keep: int = 1, **changed: Any) -> Any:
    step_input = RemoveOrphansInput(
        **{
            "operation_id": rig.operation_id,
            "step_started_at": rig.started_at,
            "target": rig.target,
            "archive": Archive(keep=keep),
            **changed,
        }
    )
    return rig.run(LeftoverActivities(rig.aws, rig.intents).remove_orphans, step_input)


def test_a_copy_that_no_night_archived_is_one(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Available, never archived, and not among the newest that stay: with its night, and why."""
    assert seen(rig, keep=3) == [
        Orphan(
            arn=copies[0].arn,
            identifier=copies[0].identifier,
            reason=OrphanReason.UNARCHIVED,
            status="available",
            operation_id=rig.operation_id,
        )
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [("failed", OrphanReason.FAILED), ("copying", OrphanReason.UNFINISHED), ("odd", OrphanReason.UNFINISHED)],
)
def test_a_copy_that_cannot_be_restored_from_is_one(
    rig: ActivityRig, copies: list[SnapshotCopy], status: str, why: OrphanReason
) -> None:
    """However many good ones stay, it takes no place among them."""
    rig.force_status(copies[3].arn, status)
    [orphan] = seen(rig, keep=3)
    assert (orphan.identifier, orphan.reason, orphan.status) == (copies[3].identifier, why, status)


@pytest.mark.parametrize("status", ["deleting", "deleted"])
def test_a_copy_that_goes_already_is_none(rig: ActivityRig, copies: list[SnapshotCopy], status: str) -> None:
    """There is nothing to do about it."""
    rig.force_status(copies[0].arn, status)
    assert seen(rig, keep=3) == []


def test_what_is_kept_is_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The newest good copies stay, as many as archive.keep says: the next night may adopt one."""
    assert names(seen(rig, keep=2)) == {copies[0].identifier, copies[1].identifier}
    assert seen(rig, keep=4) == []


def test_what_was_archived_is_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """An archived copy beyond archive.keep is pruned by the next good night, not by a cleanup."""
    tag = {"Key": "aurora-restore:archived-by", "Value": "op-000"}
    rig.rds().add_tags_to_resource(ResourceName=copies[0].arn, Tags=[tag])
    assert names(seen(rig, keep=2)) == {copies[1].identifier}


def test_what_is_in_use_is_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Tonight's copy is one of those that stay, however old its snapshot is."""
    assert names(seen(rig, keep=2, in_use=(copies[0].arn,))) == {copies[1].identifier, copies[2].identifier}


def test_an_unfinished_copy_in_use_takes_no_good_ones_place(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """What the message of a failed night calls an orphan is what a cleanup would remove."""
    rig.force_status(copies[3].arn, "copying")
    reported = seen(rig, keep=2, in_use=(copies[3].arn,))
    assert names(reported) == {copies[0].identifier}
    assert names(reported) <= names(seen(rig, keep=2))


def test_another_targets_copy_is_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Of two targets each has its own."""
    other = ActivityRig(rig.shared)
    other.make_source()
    theirs = other.make_copy(other.make_snapshot())
    other.force_status(theirs.arn, "failed")
    assert theirs.identifier not in names(seen(rig))
    assert names(seen(other)) == {theirs.identifier}


def test_the_name_alone_makes_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A failed snapshot of somebody's under a name that the pipeline could give, without its tags."""
    rig.make_target()
    name = f"{copies[0].identifier[:-1]}{'0' if copies[0].identifier[-1] != '0' else '1'}"
    made = rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=name, DBClusterIdentifier=rig.target.cluster
    )
    rig.force_status(made["DBClusterSnapshot"]["DBClusterSnapshotArn"], "failed")
    assert names(seen(rig)) == {copy.identifier for copy in copies[:3]}


def test_the_tag_alone_makes_none(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """A colleague's copy for an inquiry, made with CopyTags, carries our tags and is not ours."""
    rig.rds().copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=copies[0].arn,
        TargetDBClusterSnapshotIdentifier=f"evidence-{rig.number}",
        CopyTags=True,
    )
    rig.advance_clock()
    assert f"evidence-{rig.number}" not in names(seen(rig))


def test_the_orphans_go_and_nothing_else(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The intent names them first; the newest stays, and the answer says what went."""
    rig.clear_calls()
    answer = remove(rig, keep=2)
    assert (answer.done, answer.details) == (True, "Orphans removed")
    assert set(answer.resource_arns) == {copies[0].arn, copies[1].arn}
    rig.advance_clock()
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBClusterSnapshot")
    assert rig.rows() == ["remove-orphans intent"]


def test_a_second_run_removes_nothing_more(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Run twice: the same answer and one intent."""
    first = remove(rig, keep=2)
    rig.clear_calls()
    again = remove(rig, keep=2)
    assert (again.details, set(again.resource_arns)) == (first.details, set(first.resource_arns))
    assert rig.calls("DeleteDBClusterSnapshot") == []
    assert rig.rows() == ["remove-orphans intent"]


def test_without_orphans_nothing_is_said_to_be_removed(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """No intent, no deletion."""
    answer = remove(rig, keep=4)
    assert (answer.details, answer.resource_arns, rig.rows()) == ("Nothing to remove", (), [])


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_no_orphan_goes(rig: ActivityRig, copies: list[SnapshotCopy], operation: str) -> None:
    """No trail, no deletion."""
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        remove(rig)
    assert rig.changes() == []


def test_an_orphan_of_another_account_stays(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """Tags may name any target: who is asked is STS."""
    elsewhere = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    tag = {"Key": "aurora-restore:copy-for", "Value": elsewhere.arn}
    for copy in copies:
        rig.rds().add_tags_to_resource(ResourceName=copy.arn, Tags=[tag])
    rig.clear_calls()
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        remove(rig, target=elsewhere)
    assert rig.changes() == []
    assert rig.rows() == []


def test_an_orphan_that_rds_holds_on_to_is_asked_for_again(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """The others go; Temporal repeats the activity until all have gone, under one intent."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy, match="Snapshot is busy"):
        remove(rig, keep=2)
    answer = remove(rig, keep=2)
    assert set(answer.resource_arns) == {copies[0].arn, copies[1].arn}
    assert rig.rows() == ["remove-orphans intent"]


def test_an_orphan_that_rds_still_shows_after_its_deletion_is_told(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """RDS answers from more than one place: it took the deletion, and a list right after it may not know yet."""
    session, shown = session_of(ACCOUNT), list[Any]()

    def as_before(**answered: Any) -> None:
        parsed = answered["parsed"]
        shown.extend([] if shown else parsed["DBClusterSnapshots"])
        parsed["DBClusterSnapshots"] = list(shown)

    session.register("after-call.rds.DescribeDBClusterSnapshots", as_before)
    rig.aws = AwsClients(session)
    answer = remove(rig, keep=2)
    assert (answer.done, answer.details) == (True, "Orphans removed")
    assert set(answer.resource_arns) == {copies[0].arn, copies[1].arn}
    assert set(rig.copies()) == {copies[2].identifier, copies[3].identifier}


def test_an_orphan_that_comes_between_two_attempts_goes_too(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """All attempts are of one look: the later one declares what it has found beside what the first one did."""
    rig.force_status(copies[0].arn, "deleting")
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy):
        remove(rig, keep=2)
    rig.force_status(copies[0].arn, "failed")
    assert set(remove(rig, keep=2).resource_arns) == {copies[0].arn, copies[1].arn}
    assert rig.rows() == ["remove-orphans intent"] * 2


def test_an_orphan_that_somebody_took_between_two_attempts_is_not_told(
    rig: ActivityRig, copies: list[SnapshotCopy]
) -> None:
    """Declared, but spared: who takes our tag off it keeps it."""
    rig.emulator.faults.add("rds", "DeleteDBClusterSnapshot", "error", code="InvalidDBClusterSnapshotStateFault")
    with pytest.raises(ResourceBusy):
        remove(rig, keep=3)
    rig.rds().remove_tags_from_resource(ResourceName=copies[0].arn, TagKeys=["aurora-restore:copy-for"])
    answer = remove(rig, keep=3)
    assert (answer.details, answer.resource_arns) == ("Nothing to remove", ())
    assert copies[0].identifier in rig.copies()


def test_an_orphan_that_was_archived_meanwhile_stays(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """What is removed is looked at once more after the intent; the answer does not name what was spared."""
    tag = {"Key": "aurora-restore:archived-by", "Value": "op-000"}

    class Slow:
        """A trail during whose writing somebody keeps the oldest copy."""

        def __getattr__(self, name: str) -> Any:
            return getattr(rig.intents, name)

        def declare(self, *args: Any) -> None:
            rig.intents.declare(*args)
            rig.rds().add_tags_to_resource(ResourceName=copies[0].arn, Tags=[tag])

    step_input = RemoveOrphansInput(
        operation_id=rig.operation_id, step_started_at=rig.now, target=rig.target, archive=Archive(keep=2)
    )
    answer = rig.run(LeftoverActivities(rig.aws, Slow()).remove_orphans, step_input)
    rig.advance_clock()
    assert answer.resource_arns == (copies[1].arn,)
    assert copies[0].identifier in rig.copies()


def asked(rig: ActivityRig) -> RestoreRequest:
    told = Notification(topic_arn=f"arn:aws:sns:{TARGET_REGION}:{ACCOUNT}:told")
    request = RestoreRequest(source=rig.source, target=rig.target, notification=told, archive=Archive(keep=1))
    return RestoreRequest.model_validate_json(json.dumps(request.model_dump(mode="json", exclude_none=True)))


def test_whoever_only_looks_changes_nothing(rig: ActivityRig, copies: list[SnapshotCopy]) -> None:
    """`starter.py cleanup` without --delete sees what the survey sees, beside what a running night works on."""
    rig.clear_calls()
    found = list_orphans(rig.aws, asked(rig), None, None)
    assert names(found) == {copy.identifier for copy in copies[:3]}
    assert names(list_orphans(rig.aws, asked(rig), None, copies[0].arn)) == {copy.identifier for copy in copies[1:]}
    assert list_orphans(rig.aws, asked(rig), rig.operation_id, None) == []
    assert rig.changes() == []
    with pytest.raises(Refused, match=f"belong to account {ACCOUNT}"):
        elsewhere = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
        list_orphans(rig.aws, asked(rig).model_copy(update={"target": elsewhere}), None, None)
