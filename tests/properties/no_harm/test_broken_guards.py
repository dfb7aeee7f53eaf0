"""The worlds are bad enough: with any one guard out of order, some of them see harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from activities import clusters, leftovers, snapshots
from activities.clusters import ClusterActivities
from activities.preflight import guards
from activities.rds.orphans import find_orphans
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from clients.rds import find_cluster, list_snapshots
from tests.properties.no_harm.in_process_aws import AwsAtHand
from tests.properties.no_harm.invariants import BrokenPromise
from tests.properties.no_harm.runner import PROFILE, play
from tests.properties.no_harm.scenario import (
    MOMENTS,
    UNHEARD_OF,
    ClusterState,
    Credentials,
    Meddling,
    Naming,
    OptIn,
    OtherSnapshot,
    Place,
    Scenario,
    Tie,
    Weather,
    other_snapshots,
)
from tests.properties.no_harm.scenario_run import ATTEMPTS, TrailAtHand

WORLDS = 60
"""Within how many worlds the harm must show."""
BOTOCORES_ATTEMPTS = 3
HELD_UP = (Weather("DeleteDBCluster", "http500", 0, 9),)
"""RDS holds up the deletion for some attempts."""
HELD_UP_WHEN_REMOVED = (Weather("DeleteDBCluster", "http500", 1, 9),)
"""Not the deletion of the target, but that of what the night restored, once the trail has announced it."""
Disable = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Breakage:
    """One guard out of order, and worlds that tempt the pipeline to pass where it stood."""

    disable: Disable
    worlds: st.SearchStrategy[Scenario]


def _without(rule: str) -> Disable:
    return lambda patch: patch.delitem(guards.GUARDS, rule)


def _with_target(**states: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario]:
    targets = st.builds(ClusterState, **states)
    return st.builds(Scenario, place=st.sampled_from(Place), target=targets, encrypted=st.booleans())


def _with_meddling(*meddling: Meddling, place: Place | None = None) -> st.SearchStrategy[Scenario]:
    done = st.lists(st.tuples(MOMENTS, st.sampled_from(meddling)), min_size=2, max_size=5).map(tuple)
    places = st.just(place) if place else st.sampled_from(Place)
    return st.builds(Scenario, place=places, meddling=done, encrypted=st.booleans())


RULES: dict[str, st.SearchStrategy[Scenario]] = {
    "target-account": st.builds(
        Scenario, place=st.sampled_from(Place), credentials=st.just(Credentials.CHANGE_LATE), weather=st.just(HELD_UP)
    ),
    "target-arn": st.builds(
        Scenario, place=st.sampled_from([Place.SAME, Place.REGION]), credentials=st.just(Credentials.DISAGREE)
    ),
    "not-the-source": st.builds(Scenario, place=st.just(Place.SAME), target_is_source=st.just(True)),
    "opt-in-tag": _with_target(opt_in=st.sampled_from(OptIn)),
    "deletion-protection": _with_target(protected=st.booleans()),
    "not-replicated": _with_target(tie=st.sampled_from(Tie)),
    "deletable-status": _with_target(status=st.sampled_from(["available", UNHEARD_OF])),
}


def _no_account_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "describe_wrong_account", lambda target, caller: None)
    patch.setattr(TargetCluster, "check_account", lambda self: None)


def _no_resource_id_check(patch: pytest.MonkeyPatch) -> None:
    """As if delete-rds took whatever has the name for what snapshot-check saw."""
    delete = ClusterActivities.delete_rds

    @wraps(delete)
    def deluded(self: ClusterActivities, of: Any) -> Any:
        found = find_cluster(self._aws.rds(of.target, of.operation_id), of.target.cluster)
        seen = found["DbClusterResourceId"] if found else of.target_resource_id
        return delete(self, of.model_copy(update={"target_resource_id": seen}))

    patch.setattr(ClusterActivities, "delete_rds", deluded)


def _no_copy_check(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClusterActivities, "_copy_violations", lambda self, of, target: [])


def _no_stranger_check(patch: pytest.MonkeyPatch) -> None:
    for module in (clusters, snapshots):
        patch.setattr(module, "provenance_mismatch", lambda found, chosen: None)


def _no_look_for_a_rename(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TargetCluster, "find_by_resource_id", lambda self, resource_id: None)


def _no_ownership_filter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TargetCluster, "list_own_copies", lambda self: list_snapshots(self.reader, "manual"))


def _no_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TrailAtHand, "declare", lambda self, *_: None)


def _no_guard_of_the_half_restored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "guards", SimpleNamespace(**{**vars(guards), "guard_violations": lambda observed: []}))


def _no_look_for_the_marks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_is_restored_by", lambda cluster, of: True)


def _no_look_whether_it_lives(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_lives", lambda target, resource_id: False)


def _no_look_for_what_is_of_use(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "_is_unfinished", lambda copy, of: True)


def _none_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(leftovers, "find_orphans", lambda copies, keep: find_orphans(copies, 0))


def _everybodys_copies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TargetCluster, "list_own_copies", lambda self: list_snapshots(self.reader, "manual"))


def _whatever_account_answers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("activities.rds.copies.ARN_LOCATION_PARTS", 0)


def _no_account_check_of_removals(patch: pytest.MonkeyPatch) -> None:
    _no_account_check(patch)
    _whatever_account_answers(patch)


def _left_half_restored(**differing: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario]:
    """Nights that end at setup-db-users and remove what they restored."""
    return st.builds(
        Scenario, place=st.sampled_from(Place), users_fail=st.just(True), remove_target=st.just(True), **differing
    )


def _cleaned_up(**differing: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario]:
    """Orphans among other copies, removed after the night."""
    copies = st.lists(other_snapshots(), min_size=2, max_size=5).map(tuple)
    return st.builds(
        Scenario, place=st.sampled_from(Place), cleanup=st.just(True), snapshots=copies, keep=st.just(2), **differing
    )


def _once_restored(*meddling: Meddling) -> st.SearchStrategy[Any]:
    return st.tuples(st.tuples(st.integers(6, 14), st.sampled_from(meddling)))


def _announced(*meddling: Meddling) -> st.SearchStrategy[Scenario]:
    """The trail has announced the removal, RDS holds it up, and somebody does all this before the next attempt."""
    done = st.integers(8, 20).map(lambda moment: tuple((moment, each) for each in meddling))
    return _left_half_restored(weather=st.just(HELD_UP_WHEN_REMOVED), meddling=done)


LEFT_OVER: dict[str, Breakage] = {
    "half-restored and bound": Breakage(
        _no_guard_of_the_half_restored,
        _left_half_restored(meddling=_once_restored(Meddling.UNTAG, Meddling.PROTECT, Meddling.JOIN_GLOBAL)),
    ),
    "half-restored and taken over": Breakage(
        _no_look_for_the_marks, _left_half_restored(meddling=_once_restored(Meddling.TAKE_OVER))
    ),
    "half-restored, announced and spared": Breakage(_no_look_whether_it_lives, _announced(Meddling.TAKE_OVER)),
    "half-restored, announced and renamed": Breakage(
        _no_look_whether_it_lives, _announced(Meddling.TAKE_OVER, Meddling.RENAME)
    ),
    "an unfinished copy": Breakage(
        _no_look_for_what_is_of_use,
        # The copy is there, and nobody can see it until the night gives up.
        st.builds(
            Scenario,
            place=st.sampled_from([Place.REGION, Place.ACCOUNT, Place.BOTH]),
            remove_copy=st.just(True),
            weather=st.tuples(
                st.builds(
                    Weather,
                    st.just("DescribeDBClusterSnapshots"),
                    st.just("http500"),
                    st.integers(0, 9),
                    st.just(ATTEMPTS * BOTOCORES_ATTEMPTS),
                )
            ),
        ),
    ),
    "good copies stay": Breakage(_none_is_kept, _cleaned_up()),
    "whose orphans": Breakage(_everybodys_copies, _cleaned_up()),
    "the account that answers": Breakage(
        _whatever_account_answers, _cleaned_up(credentials=st.just(Credentials.DISAGREE), twin=st.just(True))
    ),
    "the account of a removal": Breakage(
        _no_account_check_of_removals, _cleaned_up(credentials=st.just(Credentials.ANOTHERS), twin=st.just(True))
    ),
}
OTHERS: dict[str, Breakage] = {
    "resource id": Breakage(
        _no_resource_id_check, _with_meddling(Meddling.REPLACE, Meddling.RECREATE, Meddling.SOURCE_TAKES_NAME)
    ),
    "renamed target": Breakage(
        _no_look_for_a_rename,
        # Renamed once the trail announces the deletion.
        st.builds(
            Scenario,
            place=st.sampled_from(Place),
            meddling=st.tuples(st.tuples(MOMENTS, st.just(Meddling.RENAME))),
            weather=st.just(HELD_UP),
        ),
    ),
    "copy available": Breakage(_no_copy_check, _with_meddling(Meddling.DELETE_COPY, Meddling.FAIL_COPY)),
    "copy of the right snapshot": Breakage(_no_stranger_check, _with_meddling(Meddling.SWAP_COPY, place=Place.REGION)),
    "copy of the right snapshot, adopted": Breakage(
        _no_stranger_check,
        st.builds(
            Scenario,
            place=st.sampled_from([Place.REGION, Place.ACCOUNT, Place.BOTH]),
            snapshots=st.tuples(st.builds(OtherSnapshot, st.just(Naming.TONIGHT), of_source=st.booleans())),
        ),
    ),
    "snapshot made anew": Breakage(_no_stranger_check, _with_meddling(Meddling.REMAKE_SNAPSHOT, place=Place.SAME)),
    "whose copies are pruned": Breakage(
        _no_ownership_filter,
        st.builds(
            Scenario,
            place=st.sampled_from([Place.REGION, Place.ACCOUNT, Place.BOTH]),
            snapshots=st.lists(other_snapshots(), min_size=2, max_size=5).map(tuple),
        ),
    ),
    "intent": Breakage(_no_intent, st.builds(Scenario, place=st.sampled_from(Place))),
}
BREAKAGES = {rule: Breakage(_without(rule), worlds) for rule, worlds in RULES.items()} | OTHERS | LEFT_OVER
# Asked once more before a target that is not to be seen is called gone.
BREAKAGES["target-account"] = Breakage(_no_account_check, RULES["target-account"])


def _harm(at_hand: AwsAtHand, clients: AwsClients, scenario: Scenario) -> bool:
    try:
        play(at_hand, clients, scenario)
    except BrokenPromise:
        return True
    return False


@pytest.mark.parametrize("guard", BREAKAGES)
def test_a_broken_guard_is_noticed(at_hand: AwsAtHand, clients: AwsClients, guard: str) -> None:
    """Each guard holds something that no other does: without it, a promise breaks within few worlds."""
    breakage = BREAKAGES[guard]
    few = settings(PROFILE, max_examples=WORLDS, phases=[Phase.generate])
    with pytest.MonkeyPatch.context() as patch:
        breakage.disable(patch)
        broken = find(breakage.worlds, lambda scenario: _harm(at_hand, clients, scenario), settings=few)
    # The same world, guarded.
    play(at_hand, clients, broken)


def test_every_rule_is_broken_once() -> None:
    """A rule that is added to the guards is told to have worlds here."""
    assert set(RULES) == set(guards.GUARDS)
