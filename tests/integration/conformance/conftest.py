"""One emulator at a time, with what the check can ask about, and `starter.py aws-check` pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devstack.aws import Emulator, NoDatabases
from devstack.aws.databases import DatabaseHost
from tests.rigs.conformance import Kit
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import ACCOUNT, EmulatedAws
from tests.rigs.emulator import environment_variables


@contextmanager
def kit_on_an_emulator(databases: DatabaseHost | None = None) -> Iterator[Kit]:
    """An emulator whose clock only polls advance, with the settings of AWS that lead to it."""
    with Emulator(databases or NoDatabases(), durations=EMULATOR) as emulator:
        variables = {
            "AWS_ENDPOINT_URL": emulator.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "-",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with environment_variables(variables):
            kit = Kit(EmulatedAws(emulator))
            kit.make_something_to_ask_about()
            yield kit


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    """An emulator that all tests of a module share."""
    with kit_on_an_emulator() as kit:
        yield kit
