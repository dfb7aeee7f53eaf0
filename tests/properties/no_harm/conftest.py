"""The in-process AWS and the worker's clients, made once: creating a client takes longer than a scenario."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.aws import AwsClients
from tests.properties.no_harm.in_process_aws import InProcessAws, install_in_process_aws
from tests.properties.no_harm.scenario import SOURCE_ACCOUNT
from tests.rigs.activity_resources import session_of


@pytest.fixture(scope="package")
def aws() -> Iterator[InProcessAws]:
    """Replaces every HTTP connection of botocore."""
    with pytest.MonkeyPatch.context() as patch:
        yield install_in_process_aws(patch)


@pytest.fixture(scope="package")
def clients(aws: InProcessAws) -> AwsClients:
    """The worker's, with the correct credentials unless a scenario says otherwise."""
    return AwsClients(session_of(SOURCE_ACCOUNT))
