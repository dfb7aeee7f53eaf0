"""The AWS at hand, and the worker's clients, made once: making a client takes longer than a world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.aws import AwsClients
from tests.properties.no_harm.in_process_aws import AwsAtHand, put_in_place
from tests.properties.no_harm.scenario import HERE
from tests.rigs.activities import session_of


@pytest.fixture(scope="package")
def at_hand() -> Iterator[AwsAtHand]:
    """In place of every HTTP connection of botocore."""
    with pytest.MonkeyPatch.context() as patch:
        yield put_in_place(patch)


@pytest.fixture(scope="package")
def clients(at_hand: AwsAtHand) -> AwsClients:
    """The worker's, with the right credentials unless a scenario says otherwise."""
    return AwsClients(session_of(HERE))
