"""In whatever world: nothing but the target, opted in and unprotected, is deleted, and only after a proven copy."""

from __future__ import annotations

import pytest
from hypothesis import given

from clients.aws import AwsClients
from models.steps import Outcome
from tests.properties.no_harm.in_process_aws import AwsAtHand
from tests.properties.no_harm.runner import PROFILE, play
from tests.properties.no_harm.scenario import Naming, OtherSnapshot, Place, Scenario, scenarios


@pytest.mark.parametrize("place", Place)
def test_a_plain_night_goes_well(at_hand: AwsAtHand, clients: AwsClients, place: Place) -> None:
    """The worlds are ones in which a night can succeed: harm is not missing because nothing ever happens."""
    night = play(at_hand, clients, Scenario(place=place))
    assert night.outcome is Outcome.SUCCEEDED
    assert {"DeleteDBCluster", "RestoreDBClusterFromSnapshot"} <= {effect.operation for effect in at_hand.effects}


@pytest.mark.parametrize("place", Place)
def test_what_is_left_over_goes_when_it_is_asked_for(at_hand: AwsAtHand, clients: AwsClients, place: Place) -> None:
    """And the worlds are ones in which there is something to remove, and something to clean up."""
    failed = OtherSnapshot(Naming.PATTERN, status="failed")
    night = play(
        at_hand,
        clients,
        Scenario(place=place, users_fail=True, remove_target=True, cleanup=True, snapshots=(failed,)),
    )
    assert night.outcome is Outcome.FAILED
    assert night.stage.target is None
    removed = [(effect.step, effect.operation) for effect in at_hand.effects if effect.step.startswith("remove")]
    assert ("remove-leftovers", "DeleteDBCluster") in removed
    assert removed[-1] == ("remove-orphans", "DeleteDBClusterSnapshot")


@pytest.mark.parametrize("place", Place)
def test_no_world_sees_harm(at_hand: AwsAtHand, clients: AwsClients, place: Place) -> None:
    """Every promise holds in every world: wrong clusters, tags and accounts, faults, deaths, people, late attempts."""

    @PROFILE
    @given(scenarios(place))
    def every_promise_holds(scenario: Scenario) -> None:
        play(at_hand, clients, scenario)

    every_promise_holds()
