"""One emulator behind IAM, with two deployments in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

import pytest
from botocore.retries.standard import ExponentialBackoff

from clients import read_guard
from devstack.aws import Emulator, NoDatabases
from tests.rigs.activity_resources import CLOCK_START
from tests.rigs.durations import ACTIVITIES
from tests.rigs.iam.deployments import ONE_ACCOUNT, SEPARATE_ACCOUNTS, Deployment, deploy
from tests.rigs.iam.gateway import IamState, install_gateway
from tests.rigs.iam.owners import create_source
from tests.rigs.iam.restores import AuthorizedRestore


@pytest.fixture(scope="package")
def iam() -> IamState:
    """The emulator's roles and sessions, and every evaluation of their policies."""
    return IamState()


@pytest.fixture(scope="package")
def emulator(iam: IamState) -> Iterator[Emulator]:
    """The emulator behind IAM; its clock shows the same time until a test advances it."""
    with (
        install_gateway(iam),
        Emulator(NoDatabases(), durations=ACTIVITIES) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        emulator.clock.freeze(CLOCK_START)
        emulator.quotas.clusters = emulator.quotas.instances = 10_000
        patch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # botocore waits up to a second before it repeats a failed call; that is not what these tests are about.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
        yield emulator


@pytest.fixture(scope="package")
def separate_accounts(emulator: Emulator, iam: IamState) -> Deployment:
    """Three accounts, two regions."""
    return create_source(deploy(SEPARATE_ACCOUNTS, emulator, iam))


@pytest.fixture(scope="package")
def one_account(emulator: Emulator, iam: IamState) -> Deployment:
    """One account, one region."""
    return create_source(deploy(ONE_ACCOUNT, emulator, iam))


@pytest.fixture
def restore(separate_accounts: Deployment) -> AuthorizedRestore:
    """A restore with a target name of its own; the target does not exist yet."""
    return AuthorizedRestore(separate_accounts)


@pytest.fixture
def without_read_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a client delete without a read before: IAM is tested, not the worker's own read guard."""
    reads = dict.fromkeys(read_guard.REQUIRED_READS.values(), read_guard._read_clocks())
    monkeypatch.setattr(read_guard, "_reads_started_at", ContextVar("reads", default=reads))
    monkeypatch.setattr(read_guard, "MAX_READ_AGE_SECONDS", float("inf"))
