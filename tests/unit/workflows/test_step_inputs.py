"""What the workflow hands to a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.rigs.requests import request
from tests.unit.preflight.test_plan_page import COPY, NOW, SNAPSHOT
from workflows.steps import archive_snapshot_input


@pytest.mark.parametrize(("masked", "cluster"), [(True, "cluster-NEW"), (False, None)])
def test_a_masked_archive_is_of_the_restored_cluster(masked: bool, cluster: str | None) -> None:
    """Without it archive-snapshot would keep copies of production's data."""
    checked: Any = SimpleNamespace(snapshot=SNAPSHOT, configuration=SimpleNamespace(vpc_security_group_ids=("sg-1",)))
    start: Any = {"operation_id": "op-001", "step_started_at": NOW}
    asked = request(archive={"masked": masked}, sql_files=[{"file": "mask.sql", "database": "orders"}])
    step_input = archive_snapshot_input(start, asked, checked, COPY, "cluster-NEW")
    assert (step_input.archive.masked, step_input.masked_cluster_resource_id) == (masked, cluster)
