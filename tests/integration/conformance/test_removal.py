"""The removal brings to an end whatever state a killed run has left its resources in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from botocore.exceptions import BotoCoreError, EndpointConnectionError

from conformance import removal, write_check
from conformance.life import Life, TookTooLong
from conformance.life_changes import OF_THE_COPY, copy_snapshot
from conformance.life_questions import LIFE_QUESTIONS
from conformance.own_resources import CLUSTER, RUN_TAG, SNAPSHOT, NotOwn, new_run, own_resource, tags_of
from conformance.questions import Verdict, compare
from conformance.removal import Pace, is_of_run, remove
from tests.rigs.conformance import Kit, everything_in
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, OTHER_ACCOUNT, SOURCE, TARGET

PASSWORD = {"MasterUsername": "boss", "MasterUserPassword": "long-enough"}


def make_cluster(kit: Kit, life: Life, **parameters: object) -> str:
    """An own cluster that is creating; returns its name."""
    name = life.name("cluster")
    kit.own.create_cluster(name, Engine=ENGINE, Tags=life.tags, **PASSWORD, **parameters)
    return name


def left_of(kit: Kit, life: Life) -> set[str]:
    return {name for name in everything_in(kit.aws) if name.startswith(life.run)}


def test_a_protected_cluster_that_is_still_creating_is_removed(kit: Kit) -> None:
    """Protection is turned off; a status that allows no deletion is waited for."""
    life = kit.life()
    make_cluster(kit, life, DeletionProtection=True)
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []
    assert left_of(kit, life) == set()


def test_a_cluster_that_becomes_visible_late_is_removed(kit: Kit) -> None:
    """One list without it proves nothing."""
    emulator = kit.aws.emulator
    before, emulator.durations = emulator.durations, replace(emulator.durations, visibility_lag=5)
    life = kit.life()
    make_cluster(kit, life)
    emulator.durations = before
    assert left_of(kit, life) == set()
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []
    kit.aws.wait()
    assert left_of(kit, life) == set()


def test_a_cluster_that_is_being_renamed_is_removed(kit: Kit) -> None:
    """Under whichever name it has."""
    life = kit.life()
    name = make_cluster(kit, life)
    kit.aws.wait()
    kit.own.modify_cluster(name, NewDBClusterIdentifier=life.name("renamed"))
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []
    assert left_of(kit, life) == set()


def test_a_lost_connection_does_not_end_the_removal(kit: Kit) -> None:
    """It is tried again, until nothing is left; one that does not come back is the error."""
    life = kit.life()
    make_cluster(kit, life)
    kit.aws.emulator.faults.add("rds", "DescribeDBInstances", "reset-before", count=9)
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []
    assert left_of(kit, life) == set()
    kit.aws.emulator.faults.add("rds", "DescribeDBInstances", "reset-before", count=None)
    try:
        with pytest.raises(BotoCoreError):
            remove([kit.own], is_of_run(life.run), Pace(1800, lambda _: None))
    finally:
        kit.aws.emulator.faults.clear()


def test_a_lost_connection_between_two_empty_lists_is_no_empty_list(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing must be left twice in a row."""
    find_left = Mock(side_effect=[[], EndpointConnectionError(endpoint_url="-"), [], []])
    monkeypatch.setattr(removal, "find_left", find_left)
    assert remove([kit.own], is_of_run(new_run()), kit.pace) == []
    assert find_left.call_count == 4


def test_a_run_without_permission_to_delete_says_so(kit: Kit) -> None:
    """The first refusal that is not about a status ends the removal; the next one may succeed."""
    life = kit.life()
    make_cluster(kit, life)
    kit.aws.wait()
    kit.aws.emulator.faults.add("rds", "DeleteDBCluster", "error", code="AccessDenied", message="no", status=403)
    with pytest.raises(Exception, match="AccessDenied"):
        remove([kit.own], is_of_run(life.run), kit.pace)
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []


def test_a_change_is_repeated_while_the_cluster_is_busy(kit: Kit) -> None:
    """A call that AWS should accept, and one that it should refuse for another reason, wait for the status to pass."""
    life = kit.life()
    name = make_cluster(kit, life)  # creating: every change is refused
    life.attempt("modify-to-an-unknown-version", lambda: kit.own.modify_cluster(name, EngineVersion="1.1"))
    assert compare(LIFE_QUESTIONS["modify-to-an-unknown-version"], life.answers.popitem()[1]).verdict is Verdict.SAME
    kit.own.stop_cluster(name)
    assert life.statuses(CLUSTER, "cluster", "stopped") == ["stopping", "stopped"]
    kit.own.start_cluster(name)
    changed = life.insist(lambda: kit.own.modify_cluster(name, DeletionProtection=True))
    assert changed["DeletionProtection"] is True
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []


def test_a_call_waits_for_a_cluster_that_is_not_visible_yet(kit: Kit) -> None:
    """As right after its creation; a name that answers as something else meanwhile is no cluster of the run yet."""
    emulator = kit.aws.emulator
    before, emulator.durations = emulator.durations, replace(emulator.durations, visibility_lag=15)
    life = kit.life()
    name = make_cluster(kit, life)
    emulator.durations = before
    assert life.find_renamed("cluster") is None
    assert life.insist(lambda: kit.own.modify_cluster(name, DeletionProtection=False))["DBClusterIdentifier"] == name
    kit.aws.client(region=TARGET).remove_tags_from_resource(
        ResourceName=life.read(CLUSTER, "cluster")["DBClusterArn"], TagKeys=[RUN_TAG]
    )
    assert life.find_renamed("cluster") is None
    with pytest.raises(NotOwn):
        life.find(CLUSTER, "cluster")
    kit.aws.client(region=TARGET).delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    kit.aws.wait()


def test_a_missing_permission_says_nothing_about_a_claim(kit: Kit) -> None:
    """A question of the run that AWS denies could not be asked, as one that reads."""
    life = kit.life()
    life.answer("modify-nothing", {"code": "AccessDenied", "HTTP status": 403, "text": "no"})
    outcome = write_check._outcome(life, "modify-nothing", "")
    assert (outcome.verdict, outcome.notes) == (Verdict.FAILED, ("no",))


def test_what_does_not_come_to_its_end_ends_the_wait(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour, with the statuses that were seen."""
    monkeypatch.setattr(removal, "MAX_WAIT_SECONDS", 30.0)
    life = kit.life()
    make_cluster(kit, life)
    with pytest.raises(TookTooLong, match="more than an hour: creating"):
        life.statuses(CLUSTER, "cluster", "stopped")
    assert remove([kit.own], is_of_run(life.run), kit.life().pace) != []
    monkeypatch.undo()
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []


@pytest.mark.parametrize(("account", "region", "is_own"), [
    (ACCOUNT, TARGET, True), (OTHER_ACCOUNT, TARGET, False), (ACCOUNT, SOURCE, False),
])  # fmt: skip
def test_the_arn_is_of_this_account_and_region(account: str, region: str, is_own: bool) -> None:
    """Whatever name and tags say."""
    run = new_run()
    answer = {
        "DBClusterIdentifier": f"{run}-cluster",
        "DBClusterArn": f"arn:aws:rds:{region}:{account}:cluster:{run}-cluster",
        "Status": "available",
        "TagList": tags_of(run, datetime.now(UTC)),
    }
    assert (own_resource(CLUSTER, TARGET, ACCOUNT, answer) is not None) is is_own
    assert own_resource(CLUSTER, TARGET, ACCOUNT, {**answer, "DBClusterArn": f"{answer['DBClusterArn']}-2"}) is None


def test_a_copy_that_aws_refuses_does_not_end_the_run(kit: Kit) -> None:
    """It is the answer, and what asks about the copy has nothing to ask about."""
    life = Life(kit.account, kit.own, kit.own, kit.pace)
    make_cluster(kit, life)
    kit.aws.wait()
    life.insist(lambda: kit.own.create_snapshot(life.name("snapshot"), life.name("cluster"), life.tags))
    kit.aws.wait()
    life.seen["snapshot"] = life.read(SNAPSHOT, "snapshot")
    code, text = "InvalidParameterValue", "Must specify new KMS key"
    kit.aws.emulator.faults.add("rds", "CopyDBClusterSnapshot", "error", code=code, message=text, status=400, count=2)
    copy_snapshot(life)
    assert life.answers["answer-of-a-copy"] == {"code": code, "HTTP status": 400, "text": text}
    assert life.nothing_to_ask.keys() == {"copy-of-an-encrypted-snapshot-without-a-key", *OF_THE_COPY}
    assert remove([kit.own], is_of_run(life.run), kit.pace) == []
