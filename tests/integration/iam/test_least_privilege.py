"""The policies allow every call of a restore to the role that makes it, and allow nothing that no restore needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from devstack.iam.evaluation import as_list, matches
from tests.rigs.iam.gateway import Evaluation, IamState
from tests.rigs.iam.scenarios import SCENARIOS
from tests.rigs.iam.template import ROLES, document
from tests.unit.docs.test_runbook import called_operations

BY_RDS_ITSELF = "Aurora User Guide, AWS KMS key management: RDS uses the key with the caller's permissions"
NOT_CALLED_BY_THE_PIPELINE: Mapping[tuple[str, str], str] = {
    ("UseTheKeysThroughAws", "kms:Decrypt"): f"{BY_RDS_ITSELF}; Secrets Manager User Guide, Secret encryption",
    ("UseTheKeysThroughAws", "kms:DescribeKey"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:Encrypt"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:GenerateDataKey*"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:ReEncrypt*"): BY_RDS_ITSELF,
    ("GrantTheKeysToRds", "kms:CreateGrant"): f"{BY_RDS_ITSELF}, by a grant",
}
"""Allowed, although no scenario uses it: statement and action, and where AWS says that the role needs it."""


@dataclass(frozen=True)
class ScenarioResult:
    """Every evaluation of a scenario, the calls that the rig does not model, and the error if the scenario failed."""

    evaluations: list[Evaluation]
    unknown_calls: list[str]
    error: Exception | None


@pytest.fixture(scope="module")
def results(iam: IamState, request: pytest.FixtureRequest) -> Mapping[str, ScenarioResult]:
    """Runs every scenario once."""
    return {name: _run_scenario(iam, name, request) for name in SCENARIOS}


def _run_scenario(iam: IamState, name: str, request: pytest.FixtureRequest) -> ScenarioResult:
    fixture, run = SCENARIOS[name]
    deployment = request.getfixturevalue(fixture)
    evaluations, unknown_calls = len(iam.evaluations), len(iam.unknown_calls)
    error = None
    try:
        run(deployment)
    except Exception as raised:  # noqa: BLE001 - the test of this scenario raises it
        error = raised
    return ScenarioResult(iam.evaluations[evaluations:], iam.unknown_calls[unknown_calls:], error)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_policies_allow_every_call(results: Mapping[str, ScenarioResult], name: str) -> None:
    """If a role's policy denies a call of the scenario, the message names the files to extend."""
    result = results[name]
    denied = [str(evaluation) for evaluation in result.evaluations if not evaluation.decision.allowed]
    refused = [*result.unknown_calls, *dict.fromkeys(denied)]
    assert not refused, "\n".join(refused)
    if result.error is not None:
        raise result.error


@pytest.mark.parametrize("role", ROLES)
def test_the_policies_allow_nothing_that_no_restore_needs(results: Mapping[str, ScenarioResult], role: str) -> None:
    """A scenario used each action of each statement that allows, or the reviewed list names its source."""
    used = {
        (evaluation.decision.sid, evaluation.request.action)
        for result in results.values()
        for evaluation in result.evaluations
        if evaluation.role == role
    }
    unused = [
        f"{statement['Sid']} allows {action}, but no scenario uses it: remove it from deploy/iam/{role}.json, or add a "
        "scenario that uses it"
        for statement in document(role)["Statement"]
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        if (statement["Sid"], action) not in NOT_CALLED_BY_THE_PIPELINE
        and not any(sid == statement["Sid"] and matches(action, used_action) for sid, used_action in used)
    ]
    assert not unused, "\n".join(unused)


def test_the_policies_allow_everything_in_the_reviewed_list() -> None:
    """The list holds no action that has left the policies."""
    allowed = {
        (statement["Sid"], action)
        for role in ROLES
        for statement in document(role)["Statement"]
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
    }
    assert set(NOT_CALLED_BY_THE_PIPELINE) <= allowed


def test_the_scenarios_make_every_call_in_the_code(results: Mapping[str, ScenarioResult]) -> None:
    """Every AWS operation that production code names occurs in some scenario."""
    made = {evaluation.call for result in results.values() for evaluation in result.evaluations}
    missing = sorted(set(called_operations()) - made - {"sts:GetCallerIdentity"})
    assert not missing, f"no scenario in tests/rigs/iam/scenarios.py calls {', '.join(missing)}: add one that does"
