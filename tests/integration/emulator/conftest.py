"""A fresh emulator without databases for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.aws import Emulator, NoDatabases
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import EmulatedAws


@pytest.fixture
def aws() -> Iterator[EmulatedAws]:
    """A fresh emulator; the test fails if one of its calls ended in a defect of the emulator."""
    with Emulator(NoDatabases(), durations=EMULATOR) as emulator:
        yield EmulatedAws(emulator)
        defects = [call for call in emulator.calls if call.outcome == "InternalFailure"]
        injected = [fault for fault in emulator.faults if fault.kind == "http500"]
        assert injected or not defects


@pytest.fixture(scope="package", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
