"""Every call of a night is allowed by the policy of the role that makes it, and nothing is allowed that no night needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.integration.iam.conftest import Policed
from tests.rigs.iam.evaluation import listed, matches
from tests.rigs.iam.gateway import Asked
from tests.rigs.iam.scenarios import SCENARIOS
from tests.rigs.iam.template import ROLES, document
from tests.unit.docs.test_runbook import called_operations

BY_RDS_ITSELF = "Aurora User Guide, AWS KMS key management: RDS uses the key with the caller's permissions"
NEEDED_UNSEEN: Mapping[tuple[str, str], str] = {
    ("UseTheKeysThroughAws", "kms:Decrypt"): f"{BY_RDS_ITSELF}; Secrets Manager User Guide, Secret encryption",
    ("UseTheKeysThroughAws", "kms:DescribeKey"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:Encrypt"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:GenerateDataKey*"): BY_RDS_ITSELF,
    ("UseTheKeysThroughAws", "kms:ReEncrypt*"): BY_RDS_ITSELF,
    ("GrantTheKeysToRds", "kms:CreateGrant"): f"{BY_RDS_ITSELF}, by a grant",
}
"""Allowed, though no call here asks for it: the statement, the action, and where AWS says that it is needed."""


@dataclass(frozen=True)
class Lived:
    """What a scenario asked of the policies, and how it went wrong if it did."""

    asked: list[Asked]
    unknown: list[str]
    error: Exception | None


@pytest.fixture(scope="module")
def lived(policed: Policed, request: pytest.FixtureRequest) -> Mapping[str, Lived]:
    """Every scenario, once."""
    return {name: _live(policed, name, request) for name in SCENARIOS}


def _live(policed: Policed, name: str, request: pytest.FixtureRequest) -> Lived:
    place, scenario = SCENARIOS[name]
    site = request.getfixturevalue(place)
    asked, unknown = len(policed.ids.asked), len(policed.ids.unknown)
    error = None
    try:
        scenario(site)
    except Exception as raised:  # noqa: BLE001 - told by the test of this scenario
        error = raised
    return Lived(policed.ids.asked[asked:], policed.ids.unknown[unknown:], error)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_call_is_allowed(lived: Mapping[str, Lived], name: str) -> None:
    """Each call of the night is one that the role's policy allows; if not, the message names the file to extend."""
    night = lived[name]
    refused = [*night.unknown, *dict.fromkeys(str(each) for each in night.asked if not each.answer.allowed)]
    assert not refused, "\n".join(refused)
    if night.error is not None:
        raise night.error


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_allowed_that_no_night_needs(lived: Mapping[str, Lived], role: str) -> None:
    """Each action of each statement that allows was used by it, or stands with its source in the reviewed list."""
    used = {(each.answer.sid, each.ask.action) for night in lived.values() for each in night.asked if each.role == role}
    unused = [
        f"{statement['Sid']} allows {action}, which no night uses: remove it from deploy/iam/{role}.json, or let a night use it"
        for statement in document(role)["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        if (statement["Sid"], action) not in NEEDED_UNSEEN
        and not any(sid == statement["Sid"] and matches(action, found) for sid, found in used)
    ]
    assert not unused, "\n".join(unused)


def test_what_is_needed_unseen_is_allowed_unseen() -> None:
    """The reviewed list holds nothing that the policies do not allow."""
    allowed = {
        (statement["Sid"], action)
        for role in ROLES
        for statement in document(role)["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    assert set(NEEDED_UNSEEN) <= allowed


def test_every_call_in_the_code_was_made(lived: Mapping[str, Lived]) -> None:
    """No operation of AWS that production code names is missing from the nights that were looked at."""
    made = {each.call for night in lived.values() for each in night.asked}
    unseen = sorted(set(called_operations()) - made - {"sts:GetCallerIdentity"})
    assert not unseen, f"no night in tests/rigs/iam/scenarios.py calls {', '.join(unseen)}: add one that does"
