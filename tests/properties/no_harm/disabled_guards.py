"""Ways to disable one guard of the pipeline, each with scenarios in which only that guard prevents harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest
from hypothesis import strategies as st

from activities import leftovers
from activities.clusters import own_drill, replacement
from activities.clusters.replacement import ClusterActivities
from activities.preflight import guards
from activities.rds import provenance
from activities.rds.orphans import find_orphans
from activities.rds.region_search import RegionSearch
from activities.rds.target import TargetCluster
from clients.rds import find_cluster, list_snapshots
from tests.properties.no_harm.in_process_trail import InProcessTrail
from tests.properties.no_harm.scenario import (
    UNKNOWN_STATUS,
    WITH_COPY,
    ClusterState,
    ConcurrentAction,
    Credentials,
    OptIn,
    OtherSnapshot,
    Place,
    Replication,
    Scenario,
    SnapshotNaming,
    TransientFault,
)
from tests.properties.no_harm.scenario_run import MAX_ATTEMPTS
from tests.properties.no_harm.strategies import ATTEMPT_NUMBERS, OTHER_ENVIRONMENTS, OWN_EARLIER, other_snapshots

BOTOCORE_ATTEMPTS = 3
DELETION_DELAYED = (TransientFault("DeleteDBCluster", "http500", 1, 9),)
"""RDS fails the target's deletion for some attempts."""
REMOVAL_DELAYED = (TransientFault("DeleteDBCluster", "http500", 2, 9),)
"""The target's deletion succeeds, but not that of the half-restored cluster, after the trail has the intent."""
Disable = Callable[[pytest.MonkeyPatch], None]
Scenarios = st.SearchStrategy[Scenario]


@dataclass(frozen=True)
class DisabledGuard:
    """How to disable a guard, and scenarios that do harm without it."""

    disable: Disable
    scenarios: Scenarios


# Scenarios


def _with_target(**states: st.SearchStrategy[Any]) -> Scenarios:
    targets = st.builds(ClusterState, **states)
    return st.builds(Scenario, place=st.sampled_from(Place), target=targets, encrypted=st.booleans())


def _with_actions(*actions: ConcurrentAction, place: Place | None = None) -> Scenarios:
    chosen = st.lists(st.tuples(ATTEMPT_NUMBERS, st.sampled_from(actions)), min_size=2, max_size=5).map(tuple)
    places = st.just(place) if place else st.sampled_from(Place)
    return st.builds(Scenario, place=places, actions=chosen, encrypted=st.booleans())


def _half_restored(**fields: st.SearchStrategy[Any]) -> Scenarios:
    """Restores that fail at setup-db-users and remove their target."""
    return st.builds(
        Scenario, place=st.sampled_from(Place), setup_users_fails=st.just(True), remove_target=st.just(True), **fields
    )


def _half_restored_then(*actions: ConcurrentAction) -> Scenarios:
    """The actor acts after the restore call and before the removal."""
    return _half_restored(actions=st.tuples(st.tuples(st.integers(6, 14), st.sampled_from(actions))))


def _removal_declared_then(*actions: ConcurrentAction) -> Scenarios:
    """The trail has the removal's intent, RDS delays it, and the actor does all this before the next attempt."""
    chosen = st.integers(8, 20).map(lambda number: tuple((number, action) for action in actions))
    return _half_restored(faults=st.just(REMOVAL_DELAYED), actions=chosen)


def _with_cleanup(**fields: st.SearchStrategy[Any]) -> Scenarios:
    """Orphans among other copies; a cleanup removes them after the restore."""
    copies = st.lists(other_snapshots(), min_size=2, max_size=5).map(tuple)
    return st.builds(
        Scenario, place=st.sampled_from(Place), cleanup=st.just(True), snapshots=copies, keep=st.just(2), **fields
    )


def _with_other_snapshots(copies: st.SearchStrategy[Any]) -> Scenarios:
    return st.builds(Scenario, place=st.sampled_from(WITH_COPY), snapshots=copies)


def _with_an_invisible_copy() -> Scenarios:
    """The copy exists, but RDS does not show it before the restore gives up."""
    too_many = MAX_ATTEMPTS * BOTOCORE_ATTEMPTS
    faults = st.integers(0, 9).map(
        lambda skip: (TransientFault("DescribeDBClusterSnapshots", "http500", skip, too_many),)
    )
    return st.builds(Scenario, place=st.sampled_from(WITH_COPY), remove_copy=st.just(True), faults=faults)


RULES: dict[str, Scenarios] = {
    "target-account": st.builds(
        Scenario,
        place=st.sampled_from(Place),
        credentials=st.just(Credentials.CHANGE_AFTER_INTENT),
        faults=st.just(DELETION_DELAYED),
    ),
    "target-arn": st.builds(
        Scenario,
        place=st.sampled_from([Place.SAME, Place.OTHER_REGION]),
        credentials=st.just(Credentials.DISAGREE),
    ),
    "not-the-source": st.builds(Scenario, place=st.just(Place.SAME), target_is_source=st.just(True)),
    "opt-in-tag": _with_target(opt_in=st.sampled_from(OptIn)),
    "target-environment": _with_target(restored_by=st.sampled_from([OWN_EARLIER, OTHER_ENVIRONMENTS])),
    "not-replicated": _with_target(replication=st.sampled_from(Replication)),
    "deletable-status": _with_target(status=st.sampled_from(["available", UNKNOWN_STATUS])),
}
"""By the rule in `guards.GUARDS` that is disabled."""
REFUSED_BY_RDS = {"deletion-protection"}
"""Guards without which nothing is harmed: DeleteDBCluster comes before the first instance, and RDS refuses it."""


# Guards


def _without_rule(rule: str) -> Disable:
    # Not by `delitem`, whose undoing would put the guard last, for every later test.
    others = {name: guard for name, guard in guards.GUARDS.items() if name != rule}
    return lambda patch: patch.setattr(guards, "GUARDS", others)


def _without_account_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "describe_wrong_account", lambda target, caller: None)
    patch.setattr(TargetCluster, "check_account", lambda self: None)


def _without_resource_id_check(patch: pytest.MonkeyPatch) -> None:
    """delete-rds takes the cluster that has the target's name for the one that snapshot-check saw."""
    delete = ClusterActivities.delete_rds

    @wraps(delete)
    def delete_any(self: ClusterActivities, step_input: Any) -> Any:
        cluster = find_cluster(self._aws.rds(step_input.target, step_input.operation_id), step_input.target.cluster)
        resource_id = cluster["DbClusterResourceId"] if cluster else step_input.target_resource_id
        return delete(self, step_input.model_copy(update={"target_resource_id": resource_id}))

    patch.setattr(ClusterActivities, "delete_rds", delete_any)


def _without_copy_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replacement, "_copy_violations", lambda step_input, target: [])


def _without_provenance_check(patch: pytest.MonkeyPatch) -> None:
    for module in (replacement, provenance):
        patch.setattr(module, "provenance_mismatch", lambda actual, chosen: None)


def _without_rename_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TargetCluster, "find_by_resource_id", lambda self, resource_id: None)


def _without_ownership_filter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TargetCluster, "list_own_copies", lambda self: list_snapshots(self.reader, "manual"))
    patch.setattr(RegionSearch, "find_own_copies", lambda self, known: list_snapshots(self._rds, "manual"))


def _without_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InProcessTrail, "declare", lambda self, *_: None)


def _without_guards_of_leftovers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "refuse_unless_deletable", lambda observed, rds: None)


def _without_tag_check_of_leftovers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_is_restored_by", lambda cluster, target: True)


def _without_existence_check_of_leftovers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_cluster_exists", lambda target, resource_id: False)


def _without_status_check_of_leftovers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_is_unfinished", lambda copy, step_input, target: True)


def _without_retention_of_orphans(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "find_orphans", lambda copies, keep: find_orphans(copies, 0))


def _without_location_check_of_copies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("activities.rds.copies.ARN_LOCATION_PARTS", 0)


def _without_any_account_check_of_orphans(patch: pytest.MonkeyPatch) -> None:
    _without_account_check(patch)
    _without_location_check_of_copies(patch)


RESTORE: dict[str, DisabledGuard] = {
    "resource id": DisabledGuard(
        _without_resource_id_check,
        _with_actions(ConcurrentAction.REPLACE, ConcurrentAction.RECREATE, ConcurrentAction.SOURCE_TAKES_NAME),
    ),
    "renamed target": DisabledGuard(
        _without_rename_check,
        # The actor renames the target once the trail has the deletion's intent.
        st.builds(
            Scenario,
            place=st.sampled_from(Place),
            actions=st.tuples(st.tuples(ATTEMPT_NUMBERS, st.just(ConcurrentAction.RENAME))),
            faults=st.just(DELETION_DELAYED),
        ),
    ),
    "copy is available": DisabledGuard(
        _without_copy_check, _with_actions(ConcurrentAction.DELETE_COPY, ConcurrentAction.FAIL_COPY)
    ),
    "copy is of the selected snapshot": DisabledGuard(
        _without_provenance_check, _with_actions(ConcurrentAction.SWAP_COPY, place=Place.OTHER_REGION)
    ),
    "adopted copy is of the selected snapshot": DisabledGuard(
        _without_provenance_check,
        _with_other_snapshots(
            st.tuples(st.builds(OtherSnapshot, st.just(SnapshotNaming.THIS_COPY), of_source=st.booleans()))
        ),
    ),
    "snapshot is still the selected one": DisabledGuard(
        _without_provenance_check, _with_actions(ConcurrentAction.REMAKE_SNAPSHOT, place=Place.SAME)
    ),
    "only own copies are pruned": DisabledGuard(
        _without_ownership_filter,
        _with_other_snapshots(st.lists(other_snapshots(), min_size=2, max_size=5).map(tuple)),
    ),
    "intent": DisabledGuard(_without_intent, st.builds(Scenario, place=st.sampled_from(Place))),
}
LEFTOVERS: dict[str, DisabledGuard] = {
    "guards of a half-restored target": DisabledGuard(
        _without_guards_of_leftovers,
        _half_restored_then(ConcurrentAction.UNTAG, ConcurrentAction.PROTECT, ConcurrentAction.JOIN_GLOBAL),
    ),
    "half-restored target was taken over": DisabledGuard(
        _without_tag_check_of_leftovers, _half_restored_then(ConcurrentAction.TAKE_OVER)
    ),
    "half-restored target was taken over after the intent": DisabledGuard(
        _without_existence_check_of_leftovers, _removal_declared_then(ConcurrentAction.TAKE_OVER)
    ),
    "half-restored target was renamed after the intent": DisabledGuard(
        _without_existence_check_of_leftovers,
        _removal_declared_then(ConcurrentAction.TAKE_OVER, ConcurrentAction.RENAME),
    ),
    "copy is unfinished": DisabledGuard(_without_status_check_of_leftovers, _with_an_invisible_copy()),
    "usable copies are kept": DisabledGuard(_without_retention_of_orphans, _with_cleanup()),
    "only own copies are orphans": DisabledGuard(_without_ownership_filter, _with_cleanup()),
    "location of an orphan": DisabledGuard(
        _without_location_check_of_copies,
        _with_cleanup(credentials=st.just(Credentials.DISAGREE), twin=st.just(True)),
    ),
    "account of a cleanup": DisabledGuard(
        _without_any_account_check_of_orphans,
        _with_cleanup(credentials=st.just(Credentials.OTHER), twin=st.just(True)),
    ),
}
DRILLS: dict[str, DisabledGuard] = {
    "drill cluster was taken over": DisabledGuard(
        lambda patch: patch.setattr(own_drill, "_require_own", lambda own, cluster: None),
        st.builds(
            Scenario,
            place=st.sampled_from(Place),
            drill=st.just(True),
            actions=st.tuples(st.tuples(st.integers(6, 14), st.just(ConcurrentAction.TAKE_OVER))),
        ),
    ),
}
DISABLED_GUARDS = (
    {rule: DisabledGuard(_without_rule(rule), scenarios) for rule, scenarios in RULES.items()}
    | RESTORE
    | LEFTOVERS
    | DRILLS
)
# The account is checked once more before a target that RDS does not show is reported as gone.
DISABLED_GUARDS["target-account"] = DisabledGuard(_without_account_check, RULES["target-account"])
