"""One world, played and judged; and how many of them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from clients.aws import AwsClients
from tests.properties.no_harm.in_process_aws import AwsAtHand
from tests.properties.no_harm.invariants import BrokenPromise, check
from tests.properties.no_harm.scenario import Scenario, differences
from tests.properties.no_harm.scenario_run import Night
from tests.properties.no_harm.scenario_setup import Stage

_COMMON: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "print_blob": True,
    # Not shrunk: it takes minutes, and the message tells only what differs from a plain night.
    "phases": (Phase.explicit, Phase.generate),
    "report_multiple_bugs": False,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
# A quarter for each place where a target can be: at least 2,000 worlds in CI, 152 elsewhere.
settings.register_profile("worlds", max_examples=38, **_COMMON)
settings.register_profile("worlds-ci", max_examples=520, **_COMMON)
PROFILE = settings.get_profile("worlds-ci" if os.environ.get("CI") == "true" else "worlds")


def play(aws: AwsAtHand, clients: AwsClients, scenario: Scenario) -> Night:
    """Play a scenario; raises `BrokenPromise` if the night did harm."""
    stage = Stage(aws, scenario)
    try:
        night = Night(stage, clients)
        with pytest.MonkeyPatch.context() as patch:
            night.put_in_place(patch)
            night.play()
        check(night, stage.source_resource_id)
        return night
    except BrokenPromise as broken:
        happened = "\n".join(map(str, aws.effects))
        told = f"{broken}\n\nThe world:\n{differences(Scenario(), scenario)}\n\nWhat took effect:\n{happened}"
        raise BrokenPromise(told) from None
    finally:
        aws.end()
