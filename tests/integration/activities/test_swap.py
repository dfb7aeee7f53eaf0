"""swap-clusters and swap-back: which cluster has which name after each poll, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from activities.clusters.swap import SwapActivities
from clients.certificates import WRONG_NAME
from errors import DatabaseUnreachable, DeadlinePassed, Refused, StepFailed
from models.clusters import Successor, SwapClustersInput
from models.quarantine import OwnNetwork
from models.snapshots import SourceSnapshot
from models.step_call import FinalPoll
from models.steps import Housekeeping, Replacement, Step
from models.swap import Swap
from tests.integration.activities.test_delete_rds_guards import integrate
from tests.rigs.activities import MAX_POLLS, ActivityRig, temporal_environment
from tests.rigs.activity_resources import TARGET_REGION

OLD, NEW = "old", "new"


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    rig.make_source()
    return rig.make_snapshot()


@pytest.fixture
def swap(rig: ActivityRig, snapshot: SourceSnapshot) -> SwapClustersInput:
    """A target and a cluster that was restored beside it."""
    rig.target = rig.target.model_copy(update={"replacement": Replacement.SWAP})
    new = rig.restore_beside(snapshot)
    step_input = rig.swap_input(rig.make_target(instances=1), new)
    rig.clear_calls()
    return step_input


def names(rig: ActivityRig, step_input: SwapClustersInput) -> dict[str, str]:
    """Which of the two clusters has which name."""
    labels = {step_input.old_resource_id: OLD, step_input.new_resource_id: NEW}
    described = rig.rds().get_paginator("describe_db_clusters").paginate().search("DBClusters[]")
    found = {
        labels[each["DbClusterResourceId"]]: each["DBClusterIdentifier"]
        for each in described
        if each["DbClusterResourceId"] in labels
    }
    return {label: rig.normalize(name) for label, name in found.items()}


BEFORE = {OLD: "staging", NEW: "staging-next"}


AFTER = {OLD: "staging-old", NEW: "staging"}


def test_the_names_are_swapped_by_two_renames(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """Each is declared first; the outcome has the restored cluster's new ARN and endpoint."""
    outcome = rig.poll_until_done(rig.swap.swap_clusters, swap)
    assert names(rig, swap) == AFTER
    assert rig.changes() == ["ModifyDBCluster staging", "ModifyDBCluster staging-next"]
    assert rig.rows()[-1] == "swap-clusters intent"
    assert outcome.cluster_arn == rig.target.arn
    assert outcome.required_endpoint.host.startswith(f"{rig.target.cluster}.")


def test_a_first_restore_has_no_old_cluster(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """The target does not exist: one rename gives the name, one takes it back."""
    rig.rename_target(f"{rig.target.cluster}-kept")
    alone = swap.model_copy(update={"old_resource_id": None})
    outcome = rig.poll_until_done(rig.swap.swap_clusters, alone)
    assert rig.normalize(outcome.details) == "Clusters swapped: staging is the restored cluster"
    assert rig.poll_until_done(rig.swap.swap_back, alone).details == "Old cluster has its name again"
    assert names(rig, swap)[NEW] == "staging-next"


@pytest.mark.parametrize("polls", range(6))
def test_from_wherever_it_failed_the_old_cluster_gets_its_name_back(
    rig: ActivityRig, swap: SwapClustersInput, polls: int
) -> None:
    """Also in the middle of a rename, and though nothing was renamed."""
    for poll in range(1, polls + 1):
        rig.run(rig.swap.swap_clusters, swap.model_copy(update={"poll": poll}))
        if poll % 2 == 0:
            rig.advance_clock()
    outcome = rig.poll_until_done(rig.swap.swap_back, swap.model_copy(update={"step_started_at": rig.now}))
    rig.advance_clock()
    assert names(rig, swap) == BEFORE, "also later: no rename was under way"
    assert outcome.details == ("Old cluster has its name again" if polls else "Nothing was renamed")
    assert rig.poll_until_done(rig.swap.swap_clusters, swap).done
    assert names(rig, swap) == AFTER


def test_the_quarantine_is_left_before_the_first_rename(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """The users must get in as soon as the cluster has the name; the old one answers until then."""
    own = rig.shared.owner("ec2").create_security_group(GroupName=f"own-{rig.number}", Description="-")["GroupId"]
    network = OwnNetwork(cluster_resource_id=swap.new_resource_id, vpc_security_group_ids=(own,))
    step_input = swap.model_copy(update={"own_network": network})
    assert rig.run(rig.swap.swap_clusters, step_input).details == "leaving quarantine"
    assert names(rig, swap) == BEFORE
    rig.advance_clock()
    rig.poll_until_done(rig.swap.swap_clusters, step_input)
    assert rig.changes() == [
        "ModifyDBCluster staging-next",
        "ModifyDBCluster staging",
        "ModifyDBCluster staging-next",
    ]
    groups = rig.cluster()
    assert groups is not None
    assert [group["VpcSecurityGroupId"] for group in groups["VpcSecurityGroups"]] == [own]


class RefusesTheCertificate:
    """A database to which nobody gets who verifies the name, in place of `DatabaseConnectors` too."""

    def database(self, *_: object) -> RefusesTheCertificate:
        return self

    def verify_master_login(self) -> None:
        raise DatabaseUnreachable(WRONG_NAME, "the certificate has another name")


@pytest.mark.parametrize(("limits", "restarts"), [(None, []), (Swap(restart=True), ["Stop", "Start"])])
def test_a_certificate_that_stays_wrong_ends_the_swap(
    rig: ActivityRig, swap: SwapClustersInput, limits: Swap | None, restarts: list[str]
) -> None:
    """Without leave to restart at once, else after one restart, not after ever more."""
    rig.target = rig.target.model_copy(update={"swap": limits})
    database: Any = RefusesTheCertificate()
    activities = SwapActivities(rig.aws, rig.intents, database)
    step_input = swap.model_copy(update={"logs_in": True, "target": rig.target})
    with pytest.raises(StepFailed, match=WRONG_NAME):
        for _ in range(MAX_POLLS):
            step_input = step_input.after(rig.run(activities.swap_clusters, step_input))
            rig.advance_clock()
    changes = [change.split()[0].removesuffix("DBCluster") for change in rig.changes()]
    assert changes == ["Modify", "Modify", *restarts]


def test_no_call_is_made_while_a_rename_is_under_way(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """At first the cluster is still available under its old name, and only its pending values show the new one."""
    rig.run(rig.swap.swap_clusters, swap)
    assert rig.run(rig.swap.swap_clusters, swap).details == f"renaming {rig.target.cluster}"
    assert rig.changes() == ["ModifyDBCluster staging"]


def protect(rig: ActivityRig) -> None:
    rig.rds().modify_db_cluster(DBClusterIdentifier=rig.target.cluster, DeletionProtection=True, ApplyImmediately=True)
    rig.advance_clock()


def withdraw_opt_in(rig: ActivityRig) -> None:
    rig.rds().remove_tags_from_resource(ResourceName=rig.target.arn, TagKeys=["aurora-restore:replaced-by"])


@pytest.mark.parametrize(
    ("change", "short"),
    [
        (protect, "Deletion protection is on"),
        (withdraw_opt_in, "Target has not opted in"),
        (integrate, "Target has a zero-ETL integration"),
    ],
)
def test_a_cluster_that_may_not_be_deleted_is_not_renamed(
    rig: ActivityRig, swap: SwapClustersInput, change: Callable[[ActivityRig], None], short: str
) -> None:
    """The guards of delete-rds hold before the first rename, and what RDS would refuse is known."""
    change(rig)
    rig.clear_calls()
    with pytest.raises(Refused, match=short):
        rig.run(rig.swap.swap_clusters, swap)
    assert rig.changes() == []
    assert names(rig, swap) == BEFORE


@pytest.mark.parametrize("renamed", ["", "-next"])
@pytest.mark.parametrize("polls", [0, 2])
def test_a_cluster_that_someone_renamed_is_not_renamed(
    rig: ActivityRig, swap: SwapClustersInput, renamed: str, polls: int
) -> None:
    """Be it the old one or the restored one, before the swap or in the middle: who renames a cluster wants to keep it."""
    for _ in range(polls):
        rig.run(rig.swap.swap_clusters, swap)
        rig.advance_clock()
    current = rig.target.cluster + renamed
    if polls:
        current = rig.target.cluster + ("-old" if renamed == "" else "")
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=current, NewDBClusterIdentifier=f"{rig.target.cluster}-mine", ApplyImmediately=True
    )
    rig.advance_clock()
    rig.clear_calls()
    for activity in (rig.swap.swap_clusters, *([rig.swap.swap_back] if polls else [])):
        with pytest.raises(Refused, match="Cluster was renamed"):
            rig.run(activity, swap)
    assert rig.changes() == []


def test_a_cluster_that_is_gone_is_not_swapped(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """The message says what exists; also on the way back, after a minute."""
    gone = swap.model_copy(update={"old_resource_id": "cluster-GONE"})
    with pytest.raises(StepFailed, match="Nothing was renamed") as failed:
        rig.run(rig.swap.swap_clusters, gone)
    assert f"{swap.new_resource_id} is named {rig.target.beside.cluster} (available)" in failed.value.fault.message
    assert rig.run(rig.swap.swap_back, gone).details == "Nothing was renamed"
    declare = partial(rig.intents.declare, Step.SWAP_CLUSTERS, gone, "Renaming", (rig.target.arn,))
    temporal_environment(rig.now).run(declare)
    rig.advance_clock()
    with pytest.raises(StepFailed, match="Clusters not swapped back"):
        rig.run(rig.swap.swap_back, gone)
    assert rig.changes() == []


def test_a_name_that_someone_has_taken_is_waited_for(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """At the deadline the message says which cluster has which name; then the swap is taken back."""
    rig.make_cluster(TARGET_REGION, rig.target.replaced.cluster)
    assert rig.run(rig.swap.swap_clusters, swap).details == "Cluster name is taken"
    with pytest.raises(DeadlinePassed) as passed:
        rig.run(rig.swap.swap_clusters, swap.model_copy(update={"final_poll": FinalPoll.DEADLINE}))
    assert f"{swap.old_resource_id} is named {rig.target.cluster} (available)" in passed.value.fault.message
    assert names(rig, swap) == BEFORE


@pytest.mark.parametrize(("step", "polls"), [("swap_clusters", 0), ("swap_clusters", 1), ("swap_back", 2)])
def test_the_final_poll_renames_nothing(rig: ActivityRig, swap: SwapClustersInput, step: str, polls: int) -> None:
    """The operation ends with it: nobody would see what becomes of the rename."""
    for _ in range(polls):
        rig.run(rig.swap.swap_clusters, swap)
        rig.advance_clock()
    rig.clear_calls()
    final: Any = swap.model_copy(update={"final_poll": FinalPoll.DEADLINE})
    with pytest.raises(DeadlinePassed):
        rig.run(getattr(rig.swap, step), final)
    assert rig.changes() == []


def test_the_old_cluster_is_deleted_only_while_the_restored_one_has_the_name(
    rig: ActivityRig, swap: SwapClustersInput, snapshot: SourceSnapshot
) -> None:
    """Someone who renames the restored one, or puts another in its place, keeps the old one."""
    rig.poll_until_done(rig.swap.swap_clusters, swap)
    copy = rig.copy_of(snapshot)
    successor = Successor(cluster=rig.target.cluster, cluster_resource_id=swap.new_resource_id)
    delete = rig.delete_input(
        snapshot,
        swap.old_resource_id,
        target=rig.target.replaced,
        snapshot_copy=copy,
        successor=successor,
    )
    rig.rename_target(f"{rig.target.cluster}-kept")
    rig.clear_calls()
    with pytest.raises(StepFailed, match="does not exist any more"):
        rig.run(rig.clusters.delete_rds, delete)
    assert rig.changes() == []
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=f"{rig.target.cluster}-kept",
        NewDBClusterIdentifier=rig.target.cluster,
        ApplyImmediately=True,
    )
    rig.advance_clock()
    assert rig.poll_until_done(rig.clusters.delete_rds, delete).details == "Deleted existing cluster"
    assert names(rig, swap) == {NEW: "staging"}


@pytest.mark.parametrize("swapped", [False, True])
def test_what_was_restored_beside_is_removed_unless_it_was_swapped(
    rig: ActivityRig, swap: SwapClustersInput, swapped: bool
) -> None:
    """Though its users are set up; the target is never removed."""
    rig.record_users_set(rig.now)
    if swapped:
        rig.poll_until_done(rig.swap.swap_clusters, swap)
    step_input = rig.leftovers_input(cluster_resource_id=swap.new_resource_id, beside=True)
    if swapped:
        with pytest.raises(Refused, match="was renamed"):
            rig.run(rig.leftovers.remove_leftovers, step_input)
        assert names(rig, swap) == AFTER
        return
    rig.poll_until_done(rig.leftovers.remove_leftovers, step_input)
    assert names(rig, swap) == {OLD: "staging"}


def test_each_rename_is_declared(rig: ActivityRig, swap: SwapClustersInput) -> None:
    """An auditor finds in the trail who had which name."""
    rig.poll_until_done(rig.swap.swap_clusters, swap)
    rig.poll_until_done(rig.swap.swap_back, swap.model_copy(update={"step_started_at": rig.now}))
    declared = [row for row in rig.shared.table.list_rows(rig.operation_id) if row.phase == "intent"]
    assert [(row.step, rig.normalize(row.details)) for row in declared] == [
        (Step.SWAP_CLUSTERS, "Renaming staging to staging-old"),
        (Step.SWAP_CLUSTERS, "Renaming staging-next to staging"),
        (Housekeeping.SWAP_BACK, "Renaming staging to staging-next"),
        (Housekeeping.SWAP_BACK, "Renaming staging-old to staging"),
    ]
