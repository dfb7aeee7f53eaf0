"""snapshot-check chooses the right snapshot and checks the target."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from clients.aws import AwsClients
from errors import Refused, Skipped, StepFailed
from models.checks import read_checks
from models.request import MissingTarget
from models.snapshots import SNAPSHOT_CREATED_AT_FACT, SOURCE_FACT
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, CHANGING, OTHER_ACCOUNT, SOURCE_REGION, session_of


def check(rig: ActivityRig, **more: Any) -> Any:
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(**more))


def failure(rig: ActivityRig, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        check(rig, **more)
    return failed.value


def make_automated_snapshot(rig: ActivityRig) -> str:
    """Make an automated snapshot of the source; returns its identifier."""
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": rig.source.cluster}
    identifier: str = rig.control("rds/automated-snapshot", **body)["identifier"]
    rig.advance_clock()
    return identifier


# The snapshot


def test_without_a_selector_the_newest_automated_snapshot_is_chosen(rig: ActivityRig) -> None:
    """The outcome has the seed's text and the resource ids of source and target."""
    rig.make_source()
    resource_id = rig.make_target()
    make_automated_snapshot(rig)
    newest = make_automated_snapshot(rig)
    rig.make_snapshot()
    outcome = check(rig)
    arn = f"arn:aws:rds:{SOURCE_REGION}:{ACCOUNT}:cluster-snapshot:{newest}"
    assert (outcome.details, outcome.resource_arns) == (f"Found snapshot: {newest}", (arn,))
    assert outcome.target_resource_id == resource_id
    assert outcome.source_resource_id == outcome.snapshot.cluster_resource_id
    assert outcome.snapshot.engine_version == "16.6"
    assert outcome.snapshot.encrypted
    # What the report of the trail computes the age of the data from.
    assert datetime.fromisoformat(outcome.facts[SNAPSHOT_CREATED_AT_FACT]) == outcome.snapshot.created_at
    assert outcome.facts[SOURCE_FACT].startswith(f"arn:aws:rds:{SOURCE_REGION}:{ACCOUNT}:cluster:")
    checks = {check.name: check for check in read_checks(outcome.facts)}
    assert checks["snapshot"].actual == newest
    assert checks["source-account"][1:] == (ACCOUNT, ACCOUNT, True)
    assert checks["opt-in-tag"][1:] == (rig.source.arn, rig.source.arn, True)
    assert checks["deletion-protection"].actual == "off"
    # Checks that only search for a violation are named.
    assert {"subnet-group", "topic", "account-quota"} <= checks.keys()


def test_snapshot_check_only_reads(rig: ActivityRig) -> None:
    """Run twice: the same outcome, and no call that changes anything."""
    rig.make_source()
    rig.make_target()
    make_automated_snapshot(rig)
    step_input = rig.check_input()
    rig.clear_calls()
    assert rig.run(rig.snapshots.snapshot_check, step_input) == rig.run(rig.snapshots.snapshot_check, step_input)
    assert [call.operation for call in rig.emulator.calls if call.operation.startswith(CHANGING)] == []


def test_an_automated_snapshot_that_is_too_old_is_refused(rig: ActivityRig) -> None:
    """26 hours without a backup is a failure of the source's backups, not a snapshot to restore."""
    rig.make_source()
    rig.make_target()
    identifier = make_automated_snapshot(rig)
    rig.advance_clock(timedelta(hours=27))
    error = failure(rig)
    assert error.fault.short == "Snapshot too old"
    assert identifier in error.fault.message


def test_a_named_snapshot_may_be_old_unless_max_age_forbids_it(rig: ActivityRig) -> None:
    """A request that names a snapshot means it; max_age limits it all the same."""
    rig.make_source()
    rig.make_target()
    identifier = rig.make_snapshot().identifier
    rig.advance_clock(timedelta(days=40))
    assert check(rig, source=rig.named_source(identifier=identifier)).snapshot.identifier == identifier
    limited = rig.named_source(identifier=identifier, max_age=timedelta(days=39))
    assert failure(rig, source=limited).fault.short == "Snapshot too old"


def test_a_prefix_chooses_the_snapshot_of_the_day(rig: ActivityRig) -> None:
    """daily-backup finds daily-backup-DATE; the day is the restore's own unless the request names one."""
    rig.make_source()
    rig.make_target()
    today, yesterday = f"{rig.now:%Y-%m-%d}", f"{rig.now - timedelta(days=1):%Y-%m-%d}"
    prefix = f"daily-{rig.number}"
    for day in (today, yesterday):
        rig.make_snapshot(f"{prefix}-{day}")
    assert check(rig, source=rig.named_source(prefix=prefix)).snapshot.identifier == f"{prefix}-{today}"
    dated = rig.named_source(prefix=prefix, date=(rig.now - timedelta(days=1)).date())
    assert check(rig, source=dated).snapshot.identifier == f"{prefix}-{yesterday}"
    tomorrow = rig.named_source(prefix=prefix, date=(rig.now + timedelta(days=1)).date())
    assert failure(rig, source=tomorrow).fault.short == "Snapshot not found"


def test_a_missing_snapshot_is_named(rig: ActivityRig) -> None:
    """The error has what was expected, and that nothing was found."""
    rig.make_source()
    rig.make_target()
    error = failure(rig, source=rig.named_source(identifier="missing"))
    assert error.fault.short == "Snapshot not found"
    assert "expected an available snapshot missing" in error.fault.message
    assert "found none" in error.fault.message


def test_a_snapshot_of_another_cluster_is_refused(rig: ActivityRig) -> None:
    """A mistyped name that leads to another cluster's snapshot; the error names that cluster."""
    rig.make_source()
    rig.make_target()
    other = f"invoices-{rig.number}"
    rig.make_cluster(SOURCE_REGION, other)
    rig.make_snapshot("of-another", cluster=other)
    error = failure(rig, source=rig.named_source(identifier="of-another"))
    assert error.fault.short == "Snapshot not found"
    assert f"of-another of cluster {other} (available)" in error.fault.message


def test_an_unfinished_snapshot_is_not_chosen(rig: ActivityRig) -> None:
    """The newest available snapshot is, not one that is still being created."""
    rig.make_source()
    rig.make_target()
    finished = make_automated_snapshot(rig)
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": rig.source.cluster}
    unfinished = rig.control("rds/automated-snapshot", **body)["identifier"]
    assert unfinished != finished
    assert check(rig).snapshot.identifier == finished
    rig.advance_clock()
    assert check(rig).snapshot.identifier == unfinished
    rig.rds(SOURCE_REGION).create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"new-{rig.number}", DBClusterIdentifier=rig.source.cluster
    )
    assert "(creating)" in failure(rig, source=rig.named_source(identifier=f"new-{rig.number}")).fault.message


def test_the_snapshot_of_a_deleted_source_can_be_restored(rig: ActivityRig) -> None:
    """Its resource id is then that of the snapshot alone."""
    rig.make_source()
    rig.make_target()
    identifier = rig.make_snapshot().identifier
    rig.rds(SOURCE_REGION).delete_db_cluster(DBClusterIdentifier=rig.source.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    outcome = check(rig, source=rig.named_source(identifier=identifier))
    assert outcome.source_resource_id is None
    assert outcome.snapshot.cluster_resource_id is not None


# The target


def test_a_missing_target_is_refused_unless_the_request_allows_it(rig: ActivityRig) -> None:
    """Most often its name is misspelt."""
    rig.make_source()
    make_automated_snapshot(rig)
    with pytest.raises(Refused, match=r"(?s)Cluster not found.*--create-target"):
        check(rig)
    first_restore = rig.target.model_copy(update={"missing": MissingTarget.CREATE})
    assert check(rig, target=first_restore).target_resource_id is None


@pytest.mark.parametrize("wrong", [("source",), ("target",), ("source", "target")])
def test_a_wrong_account_is_the_only_reason(rig: ActivityRig, wrong: tuple[str, ...]) -> None:
    """Neither the opt-in tag nor an ARN that differs for that reason; and nothing else is read."""
    rig.make_source()
    rig.make_target()
    make_automated_snapshot(rig)
    for name in wrong:
        setattr(rig, name, getattr(rig, name).model_copy(update={"account_id": OTHER_ACCOUNT}))
    step_input = rig.check_input()
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        rig.run(rig.snapshots.snapshot_check, step_input)
    rules = re.findall(r"^\[([a-z-]+)\]", refused.value.fault.message, re.MULTILINE)
    assert rules == [f"{name}-account" for name in wrong]
    assert {call.operation for call in rig.emulator.calls} == {"GetCallerIdentity"}


def test_credentials_of_another_account_are_the_only_reason(rig: ActivityRig) -> None:
    """There is no snapshot in that account, nor anything else of the request."""
    rig.make_source()
    make_automated_snapshot(rig)
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused) as refused:
        check(rig)
    assert refused.value.fault.short == "Wrong AWS account (and 1 more)"


# The time


@pytest.mark.parametrize(("late_by", "skipped"), [(59, False), (61, True), (11 * 60, True)])
def test_a_restore_that_begins_too_late_is_skipped(rig: ActivityRig, late_by: int, skipped: bool) -> None:
    """Before anything is read: people may work with the target by now."""
    due = rig.now - timedelta(minutes=late_by)
    late = {"due_at": due, "begin_before": due + timedelta(hours=1)}
    if not skipped:
        assert "Snapshot" in failure(rig, **late).fault.short
        return
    rig.clear_calls()
    with pytest.raises(Skipped, match=f"was due at {due:%Y-%m-%d %H:%M} UTC.*Find out why no worker took it") as error:
        check(rig, **late)
    assert error.value.fault.short == "Skipped: too late"
    assert [call for call in rig.emulator.calls if call.service == "rds"] == []


def test_a_restore_beside_another_one_is_skipped(rig: ActivityRig) -> None:
    """Although everything else would allow it."""
    rig.make_source()
    rig.make_target()
    make_automated_snapshot(rig)
    with pytest.raises(Skipped, match="aurora-restore:the-other is restoring or cleaning up"):
        check(rig, running_workflow_id="aurora-restore:the-other")
