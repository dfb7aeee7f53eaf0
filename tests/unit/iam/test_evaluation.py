"""The evaluator decides as the IAM User Guide says, and raises on what it does not model."""

from __future__ import annotations

from typing import Any

import pytest

from devstack.iam.evaluation import AccessRequest, Context, Decision, NotModelled, evaluate, statements

ARN = "arn:aws:rds:eu-central-1:610000000003:cluster:staging"
DELETE = AccessRequest("rds:DeleteDBCluster", ARN)
TAG, KEYS, PRINCIPAL = "aws:ResourceTag/team", "aws:TagKeys", "aws:PrincipalArn"
ROLE = "arn:aws:iam::610000000001:role/"


def allows(condition: dict[str, Any], context: Context) -> bool:
    """Whether a statement with this condition allows a deletion in this context."""
    statement = {"Sid": "One", "Effect": "Allow", "Action": "rds:Delete*", "Resource": "*", "Condition": condition}
    request = AccessRequest("rds:DeleteDBCluster", ARN, context)
    return evaluate(statements({"Statement": [statement]}), request).allowed


def test_a_deny_overrides_an_allow_in_any_order() -> None:
    """The decision names the statement that denies."""
    allow = {"Sid": "Yes", "Effect": "Allow", "Action": ["rds:*"], "Resource": "*"}
    deny = {"Sid": "No", "Effect": "Deny", "Action": "rds:DeleteDBCluster", "Resource": ARN}
    for policy in ([allow, deny], [deny, allow]):
        assert evaluate(statements({"Statement": policy}), DELETE) == Decision(False, "No")


def test_a_request_that_no_statement_applies_to_is_denied() -> None:
    """An implicit deny names no statement."""
    allow = {"Sid": "Yes", "Effect": "Allow", "Action": ["rds:*"], "Resource": "*"}
    request = AccessRequest("sns:Publish", ARN)
    assert evaluate(statements({"Statement": [allow]}), request) == Decision(False, None)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"Action": "RDS:deletedbcluster", "Resource": ARN}, True),
        ({"Action": "rds:Delete*", "Resource": "arn:aws:rds:*:*:cluster:staging"}, True),
        ({"Action": "rds:Delete*", "Resource": f"{ARN}-*"}, False),
        ({"Action": "rds:Delete*", "Resource": "arn:aws:rds:*:*:cluster:stagin?"}, True),
        ({"Action": "rds:Delete*", "Resource": ARN.upper()}, False),
        ({"NotAction": "rds:Describe*", "Resource": "*"}, True),
        ({"NotAction": ["rds:Describe*", "rds:Delete*"], "Resource": "*"}, False),
        ({"Action": "rds:*", "NotResource": ARN}, False),
    ],
)
def test_actions_and_resources_match_patterns(elements: dict[str, Any], expected: bool) -> None:
    """Actions ignore case, resources do not; * is any text, ? one character; a Not element matches everything else."""
    policy = statements({"Statement": [{"Sid": "One", "Effect": "Allow", **elements}]})
    assert evaluate(policy, DELETE).allowed is expected


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {TAG: ["a", "b"]}}, {TAG: ("b",)}, True),
        ({"StringEquals": {TAG: "a*"}}, {TAG: ("ab",)}, False),
        ({"StringLike": {TAG: "a*"}}, {TAG: ("ab",)}, True),
        ({"StringLike": {TAG: "a.b"}}, {TAG: ("a.b",)}, True),
        ({"StringLike": {TAG: "a.b"}}, {TAG: ("axb",)}, False),
        ({"ArnEquals": {PRINCIPAL: f"{ROLE}worker"}}, {PRINCIPAL: (f"{ROLE}worker",)}, True),
        ({"ArnEquals": {PRINCIPAL: f"{ROLE}*"}}, {PRINCIPAL: (f"{ROLE}worker",)}, True),
        ({"ArnEquals": {PRINCIPAL: f"{ROLE}worker"}}, {PRINCIPAL: (f"{ROLE}worker-2",)}, False),
        ({"StringEquals": {TAG: "a"}}, {}, False),
        ({"StringEqualsIfExists": {TAG: "a"}}, {}, True),
        ({"StringEqualsIfExists": {TAG: "a"}}, {TAG: ("b",)}, False),
        ({"StringNotEquals": {TAG: "a"}}, {}, True),
        ({"StringNotEquals": {TAG: ["a", "b"]}}, {TAG: ("b",)}, False),
        ({"StringNotLike": {TAG: "a*"}}, {TAG: ("ab",)}, False),
        ({"Bool": {TAG: "false"}}, {TAG: ("False",)}, True),
        ({"Null": {TAG: "true"}}, {}, True),
        ({"Null": {TAG: "false"}}, {}, False),
        ({"ForAllValues:StringEquals": {KEYS: ["a", "b"]}}, {KEYS: ("a",)}, True),
        ({"ForAllValues:StringEquals": {KEYS: ["a", "b"]}}, {KEYS: ("a", "c")}, False),
        ({"ForAllValues:StringEquals": {KEYS: ["a"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {KEYS: "a"}}, {KEYS: ("b", "a")}, True),
        ({"ForAnyValue:StringEquals": {KEYS: "a"}}, {}, False),
        ({"StringEquals": {TAG: "a"}, "Null": {KEYS: "true"}}, {TAG: ("a",), KEYS: ("b",)}, False),
        ({"StringEquals": {TAG.upper(): "a"}}, {TAG: ("a",)}, True),
    ],
)
def test_every_condition_must_hold(condition: dict[str, Any], context: Context, expected: bool) -> None:
    """An absent key fails the operators that need a value, and passes the negated ones."""
    assert allows(condition, context) is expected


@pytest.mark.parametrize("operator", ["IpAddress", "IpAddressIfExists", "ForAnyValue:NumericEquals"])
def test_an_operator_that_is_not_modelled_raises(operator: str) -> None:
    """A condition that the evaluator cannot judge must not count as one that holds."""
    with pytest.raises(NotModelled, match=operator):
        allows({operator: {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": ("10.0.0.1",)})


def test_several_values_without_a_set_operator_raise() -> None:
    """IAM's result would depend on their order. Source: IAM User Guide, "Multivalued context keys"."""
    with pytest.raises(NotModelled, match="ForAllValues or ForAnyValue"):
        allows({"StringEquals": {KEYS: "a"}}, {KEYS: ("a", "b")})
