"""One workflow id per target."""

from __future__ import annotations

import pytest

from tests.rigs.requests import request
from tests.unit.workflows.conftest import FakeTemporal
from workflows.canonical_run import has_canonical_id

CANONICAL_ID = "aurora-restore:111122223333:eu-central-1:orders-staging"


@pytest.mark.parametrize(
    ("workflow_id", "canonical"),
    [
        (CANONICAL_ID, True),
        (f"{CANONICAL_ID}-2", False),
        (f"{CANONICAL_ID}-2026-11-23T00:05:00Z", False),
        (CANONICAL_ID.removesuffix("-staging"), False),
        ("aurora-restore-nightly-orders-staging-2026-11-23T00:05:00Z", False),
    ],
)
def test_only_the_exact_id_is_canonical(temporal: FakeTemporal, workflow_id: str, canonical: bool) -> None:
    """An id that merely begins with it, as another target's may, starts a child."""
    temporal.workflow_id = workflow_id
    assert has_canonical_id(request()) is canonical
