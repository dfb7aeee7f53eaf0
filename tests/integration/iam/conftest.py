"""One emulator with IAM at its door, and two places in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.retries.standard import ExponentialBackoff

from devstack.aws import Emulator, NoDatabases
from tests.rigs.activities import CLOCK_START, DURATIONS
from tests.rigs.iam.deployments import APART, TOGETHER, Site, build
from tests.rigs.iam.gateway import Identities, guarding
from tests.rigs.iam.restores import PolicedNight, make_production


@dataclass(frozen=True)
class Policed:
    """The emulator, and what its policies were asked."""

    emulator: Emulator
    ids: Identities


@pytest.fixture(scope="package")
def policed() -> Iterator[Policed]:
    """The emulator, its clock standing still."""
    ids = Identities()
    with (
        guarding(ids),
        Emulator(NoDatabases(), durations=DURATIONS) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        emulator.clock.freeze(CLOCK_START)
        patch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # botocore repeats a failed call after up to a second; how long it waits is not what is tested here.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
        yield Policed(emulator, ids)


@pytest.fixture(scope="package")
def apart(policed: Policed) -> Site:
    """Three accounts, two regions."""
    return make_production(build(APART, policed.emulator, policed.ids))


@pytest.fixture(scope="package")
def together(policed: Policed) -> Site:
    """One account, one region."""
    return make_production(build(TOGETHER, policed.emulator, policed.ids))


@pytest.fixture
def night(apart: Site) -> PolicedNight:
    """A night with a target of its own."""
    return PolicedNight(apart)
