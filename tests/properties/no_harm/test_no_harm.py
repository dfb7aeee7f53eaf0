"""In every scenario: only the target, opted in and unprotected, is deleted, and only once its copy is proven."""

from __future__ import annotations

import pytest
from hypothesis import given, seed

from clients.aws import AwsClients
from models.steps import Outcome
from tests.properties.no_harm.in_process_aws import InProcessAws
from tests.properties.no_harm.runner import run_scenario
from tests.properties.no_harm.scenario import ClusterState, OptIn, OtherSnapshot, Place, Scenario, SnapshotNaming
from tests.properties.no_harm.strategies import PROFILE, SEEDS, scenarios


@pytest.mark.parametrize("place", Place)
def test_a_plain_restore_succeeds(aws: InProcessAws, clients: AwsClients, place: Place) -> None:
    """A restore can succeed in these scenarios: harm is not absent because nothing ever happens."""
    run = run_scenario(aws, clients, Scenario(place=place))
    assert run.outcome is Outcome.SUCCEEDED
    assert {"DeleteDBCluster", "RestoreDBClusterFromSnapshot"} <= {effect.operation for effect in aws.effects}


@pytest.mark.parametrize("place", Place)
def test_leftovers_and_orphans_are_removed_if_the_request_asks_for_it(
    aws: InProcessAws, clients: AwsClients, place: Place
) -> None:
    """The scenarios contain leftovers to remove and orphans to clean up."""
    failed = OtherSnapshot(SnapshotNaming.OLDER_COPY, status="failed")
    scenario = Scenario(place=place, setup_users_fails=True, remove_target=True, cleanup=True, snapshots=(failed,))
    run = run_scenario(aws, clients, scenario)
    assert run.outcome is Outcome.FAILED
    assert run.setup.target is None
    removals = [(effect.step, effect.operation) for effect in aws.effects if effect.step.startswith("remove")]
    assert ("remove-leftovers", "DeleteDBCluster") in removals
    assert removals[-1] == ("remove-orphans", "DeleteDBClusterSnapshot")


@pytest.mark.parametrize("place", Place)
def test_no_scenario_breaks_an_invariant(aws: InProcessAws, clients: AwsClients, place: Place) -> None:
    """Wrong clusters, tags and accounts, faults, crashes, concurrent actors, late attempts: every invariant holds."""

    @PROFILE
    @given(scenarios(place))
    def every_invariant_holds(scenario: Scenario) -> None:
        run_scenario(aws, clients, scenario)

    for each in SEEDS:
        seed(each)(every_invariant_holds)()


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_plain_drill_succeeds(aws: InProcessAws, clients: AwsClients, place: Place, is_there: bool) -> None:
    """With a target that nobody may replace, and without one: what it restored is gone, and nothing else has changed."""
    protected = ClusterState(opt_in=OptIn.NONE, protected=True)
    run = run_scenario(aws, clients, Scenario(place=place, drill=True, target=protected if is_there else None))
    assert run.outcome is Outcome.SUCCEEDED
    operations = [effect.operation for effect in aws.effects]
    assert operations.count("RestoreDBClusterFromSnapshot") == operations.count("DeleteDBCluster") == 1
    assert (run.setup.target is not None) is is_there
    assert run.setup.acted_on is run.setup.target


@pytest.mark.parametrize("place", Place)
def test_a_cleanup_removes_what_a_drill_left(aws: InProcessAws, clients: AwsClients, place: Place) -> None:
    """A failed drill whose request keeps its cluster; the target stays as it is."""
    scenario = Scenario(place=place, drill=True, setup_users_fails=True, cleanup=True)
    run = run_scenario(aws, clients, scenario)
    assert run.outcome is Outcome.FAILED
    removals = [(effect.step, effect.operation) for effect in aws.effects if effect.step.startswith("remove")]
    assert ("remove-orphans", "DeleteDBCluster") in removals
    drill = run.setup.acted_on
    assert drill is not None
    assert (drill.status, run.setup.target is not None) == ("deleting", True)


@pytest.mark.parametrize("place", Place)
def test_no_scenario_of_a_drill_breaks_an_invariant(aws: InProcessAws, clients: AwsClients, place: Place) -> None:
    """As for a restore; and neither the target nor production is changed in any run."""

    @PROFILE
    @given(scenarios(place, drill=True))
    def every_invariant_holds(scenario: Scenario) -> None:
        run_scenario(aws, clients, scenario)

    every_invariant_holds()
