"""The scenarios are bad enough: with any one guard disabled, some of them do harm."""

from __future__ import annotations

import pytest
from hypothesis import Phase, find, settings

from activities.preflight import guards
from clients.aws import AwsClients
from tests.properties.no_harm.disabled_guards import DISABLED_GUARDS, REFUSED_BY_RDS, RULES
from tests.properties.no_harm.harmful_scenarios import HARMFUL
from tests.properties.no_harm.in_process_aws import InProcessAws
from tests.properties.no_harm.runner import BrokenInvariant, run_scenario
from tests.properties.no_harm.scenario import Scenario
from tests.properties.no_harm.strategies import IS_DEEP, PROFILE

MAX_SCENARIOS = 60
"""Within how many scenarios the harm must show."""


def breaks_an_invariant(aws: InProcessAws, clients: AwsClients, scenario: Scenario) -> bool:
    try:
        run_scenario(aws, clients, scenario)
    except BrokenInvariant:
        return True
    return False


def find_harm(aws: InProcessAws, clients: AwsClients, name: str) -> Scenario:
    """The scenario that is known to do harm without the guard; another one if it does none any more, and in a deep run."""
    if not IS_DEEP and breaks_an_invariant(aws, clients, HARMFUL[name]):
        return HARMFUL[name]
    few = settings(PROFILE, max_examples=MAX_SCENARIOS, phases=[Phase.generate])
    scenarios = DISABLED_GUARDS[name].scenarios
    return find(scenarios, lambda scenario: breaks_an_invariant(aws, clients, scenario), settings=few)


@pytest.mark.parametrize("name", DISABLED_GUARDS)
def test_without_a_guard_an_invariant_breaks(aws: InProcessAws, clients: AwsClients, name: str) -> None:
    """No other guard prevents the same harm: it shows within few scenarios, and not in the same one with the guard."""
    with pytest.MonkeyPatch.context() as patch:
        DISABLED_GUARDS[name].disable(patch)
        harmful = find_harm(aws, clients, name)
    run_scenario(aws, clients, harmful)


def test_every_guard_has_scenarios_that_need_it() -> None:
    """A guard that is added to the pipeline needs scenarios here, unless RDS refuses the same by itself."""
    assert set(RULES) | REFUSED_BY_RDS == set(guards.GUARDS)
    assert set(HARMFUL) == set(DISABLED_GUARDS)
