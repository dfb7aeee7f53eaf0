"""aws-check changes and deletes only what it has made: by name, by tags and by account, read just before the call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.own_resources import EXPIRY_TAG, RUN_TAG, NotOwn, OwnResources, new_run, tags_of
from conformance.removal import find_left, is_expired, remove
from tests.rigs.conformance import Kit, everything_in
from tests.rigs.emulated_aws import TARGET

RUN = new_run()
NOW = datetime(2026, 11, 27, tzinfo=UTC)
CHANGING = ("Copy", "Create", "Delete", "Modify", "Restore", "Start", "Stop")


def tags(run: str = RUN, expires: str = "2026-11-27T06:00:00+00:00") -> list[dict[str, str]]:
    return [{"Key": RUN_TAG, "Value": run}, {"Key": EXPIRY_TAG, "Value": expires}]


FOREIGN: dict[str, tuple[str, list[dict[str, str]]]] = {
    "no tag": (f"{RUN}-cluster", []),
    "no expiry": (f"{RUN}-cluster", tags()[:1]),
    "an expiry that is no time": (f"{RUN}-cluster", tags(expires="soon")),
    "an expiry without a time zone": (f"{RUN}-cluster", tags(expires="2026-11-27T06:00:00")),
    "another run's tag": (f"{RUN}-cluster", tags(new_run())),
    "no name of ours": ("orders-copy", tags()),
    "a name that only begins alike": ("aws-check-orders", tags("aws-check")),
    "a name that only contains it": (f"my-{RUN}-cluster", tags()),
}
"""Names and tags that do not prove a cluster ours."""
CALLS: dict[str, Callable[[OwnResources, str], Any]] = {
    "delete": lambda own, name: own.delete_cluster(name, SkipFinalSnapshot=True),
    "modify": lambda own, name: own.modify_cluster(name, DeletionProtection=False),
    "stop": lambda own, name: own.stop_cluster(name),
    "start": lambda own, name: own.start_cluster(name),
    "snapshot": lambda own, name: own.create_snapshot(f"{RUN}-snapshot", name, tags_of(RUN, NOW)),
    "instance": lambda own, name: own.create_instance(
        f"{RUN}-instance", name, Engine="aurora-postgresql", DBInstanceClass="db.serverless"
    ),
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_cluster_that_is_not_provably_ours_is_left_alone(kit: Kit, foreign: str) -> None:
    """No call changes it, neither by name nor by the removal; nothing is sent but reads."""
    name, its_tags = FOREIGN[foreign]
    kit.aws.create_cluster(name, region=TARGET, Tags=its_tags)
    kit.aws.emulator.calls.clear()
    for call in CALLS.values():
        with pytest.raises(NotOwn, match="Nothing was changed"):
            call(kit.own, name)
    assert remove([kit.own, kit.target], lambda _: True, kit.pace) == []
    assert not [call.operation for call in kit.aws.emulator.calls if call.operation.startswith(CHANGING)]
    assert name in everything_in(kit.aws)
    kit.aws.client(region=TARGET).delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)
    kit.aws.wait()


def test_nothing_is_made_or_renamed_to_a_name_that_is_not_ours(kit: Kit) -> None:
    """A name of the check has its prefix and a run's number; a copy or a restore has such a source too."""
    kit.aws.create_cluster(f"{RUN}-cluster", region=TARGET, Tags=tags())
    kit.aws.emulator.calls.clear()
    calls: list[Callable[[], Any]] = [
        lambda: kit.own.create_cluster("orders-2"),
        lambda: kit.own.create_instance("orders-2", f"{RUN}-cluster"),
        lambda: kit.own.create_snapshot("orders-2", f"{RUN}-cluster", []),
        lambda: kit.own.copy_snapshot("orders-2", f"{RUN}-snapshot"),
        lambda: kit.own.copy_snapshot(f"{RUN}-copy", "arn:aws:rds:us-east-1:111111111111:cluster-snapshot:orders"),
        lambda: kit.own.restore("orders-2", f"{RUN}-snapshot"),
        lambda: kit.own.restore(f"{RUN}-restored", "orders"),
        lambda: kit.own.modify_cluster(f"{RUN}-cluster", NewDBClusterIdentifier="orders-2"),
    ]
    for call in calls:
        with pytest.raises(NotOwn):
            call()
    assert not [call.operation for call in kit.aws.emulator.calls if call.operation.startswith(CHANGING)]
    assert remove([kit.own], lambda _: True, kit.pace) == []
    assert f"{RUN}-cluster" not in everything_in(kit.aws)


def test_a_foreign_instance_keeps_an_own_cluster(kit: Kit) -> None:
    """Somebody's instance in a cluster of the check is not deleted, so that the cluster stays and is named as left."""
    kit.aws.create_cluster(f"{RUN}-cluster", region=TARGET, Tags=tags())
    kit.aws.create_instance("somebodys", f"{RUN}-cluster", region=TARGET)
    pace = kit.pace
    pace.max_polls = 3
    assert [each.name for each in remove([kit.own], lambda _: True, pace)] == [f"{RUN}-cluster"]
    assert {f"{RUN}-cluster", "somebodys"} <= everything_in(kit.aws)
    kit.aws.client(region=TARGET).delete_db_instance(DBInstanceIdentifier="somebodys")
    kit.aws.wait()
    assert remove([kit.own], lambda _: True, kit.pace) == []


def test_a_run_that_is_still_going_on_is_left_alone(kit: Kit) -> None:
    """Only what has expired is removed without being asked for."""
    kit.aws.create_cluster(f"{RUN}-cluster", region=TARGET, Tags=tags())
    before, after = (is_expired(datetime(2026, 11, 27, 6, tzinfo=UTC) + timedelta(seconds=each)) for each in (-1, 0))
    assert not find_left([kit.own], before)
    assert [each.name for each in find_left([kit.own], after)] == [f"{RUN}-cluster"]
    assert remove([kit.own], after, kit.pace) == []
