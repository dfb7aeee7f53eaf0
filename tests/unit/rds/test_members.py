"""The tables of members and parameters are whole: a botocore that knows more than they do makes this red."""

from __future__ import annotations

import pytest
from botocore.session import get_session

from activities.rds.members import CLUSTER, INSTANCE, Fate
from activities.rds.parameters import CALLS, SCALING_CALLS
from activities.rds.surroundings.table import AROUND
from models.configuration import ClusterSettings, Instance
from tests.unit.docs.test_runbook import called_operations

RDS = get_session().get_service_model("rds")
SCALING = get_session().get_service_model("application-autoscaling")
HELD_ELSEWHERE = {"domain_iam_role_name", *(row.setting for row in AROUND if row.setting)}
"""A second field for one member, DomainMemberships; and what is around the cluster."""


@pytest.mark.parametrize(("shape", "table"), [("DBCluster", CLUSTER), ("DBInstance", INSTANCE)])
def test_every_member_that_rds_answers_has_a_row(shape: str, table: dict[str, object]) -> None:
    """A member that botocore knows and the table does not is one that AWS has added: decide what becomes of it."""
    assert set(RDS.shape_for(shape).members) == set(table)  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", [*CALLS, *SCALING_CALLS])
def test_every_parameter_of_a_call_is_sent_or_left_out_with_a_reason(operation: str) -> None:
    """A parameter that botocore knows and the table does not is one that AWS has added: decide whether to send it."""
    call = {**CALLS, **SCALING_CALLS}[operation]
    shape = (RDS if operation in CALLS else SCALING).operation_model(operation).input_shape
    assert shape is not None
    assert set(shape.members) == call.sent | set(call.left_out)
    assert not call.sent & set(call.left_out)


def test_the_table_has_exactly_the_calls_that_change_something() -> None:
    """A call that the code makes has its row, and no row is of a call that nothing makes."""
    reads = ("rds:Describe", "rds:List")
    assert {f"rds:{operation}" for operation in CALLS} == {
        operation
        for operation in called_operations()
        if operation.startswith("rds:") and not operation.startswith(reads)
    }


def test_every_kept_member_of_a_cluster_has_its_setting() -> None:
    """The table and the settings name each other."""
    kept = {member.setting for member in CLUSTER.values() if member.fate is Fate.KEPT}
    assert kept == set(ClusterSettings.model_fields) - HELD_ELSEWHERE


def test_every_kept_member_of_an_instance_has_its_setting() -> None:
    """The table and the settings name each other."""
    kept = {member.setting for member in INSTANCE.values() if member.fate is Fate.KEPT}
    assert kept == set(Instance.model_fields)


@pytest.mark.parametrize("table", [CLUSTER, INSTANCE])
def test_a_kept_member_names_a_call_that_the_pipeline_makes(table: dict[str, object]) -> None:
    """Its reason is the operation that carries it."""
    carriers = {member.reason for member in table.values() if member.fate is Fate.KEPT}  # type: ignore[attr-defined]
    assert carriers <= set(CALLS)
