"""The evaluator judges as the IAM User Guide says; where it does not know, it raises."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rigs.iam.evaluation import Answer, Ask, Context, decide, statements

ARN = "arn:aws:rds:eu-central-1:610000000003:cluster:staging"
TAG, KEYS = "aws:ResourceTag/team", "aws:TagKeys"


def allows(condition: dict[str, Any], context: Context) -> bool:
    """Whether a statement with this condition allows a deletion in this context."""
    statement = {"Sid": "One", "Effect": "Allow", "Action": "rds:Delete*", "Resource": "*", "Condition": condition}
    return decide(statements({"Statement": [statement]}), Ask("rds:DeleteDBCluster", ARN, context)).allowed


def test_deny_wins_over_allow_and_silence_denies() -> None:
    """Whatever the order of the statements; what no statement speaks of is denied by none of them."""
    allow = {"Sid": "Yes", "Effect": "Allow", "Action": ["rds:*"], "Resource": "*"}
    deny = {"Sid": "No", "Effect": "Deny", "Action": "rds:DeleteDBCluster", "Resource": ARN}
    for policy in ([allow, deny], [deny, allow]):
        assert decide(statements({"Statement": policy}), Ask("rds:DeleteDBCluster", ARN)) == Answer(False, "No")
    assert decide(statements({"Statement": [allow]}), Ask("sns:Publish", ARN)) == Answer(False, None)


@pytest.mark.parametrize(
    ("element", "fits"),
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
def test_actions_and_resources(element: dict[str, Any], fits: bool) -> None:
    """Actions in any case, resources in their own; * any text, ? one character; Not… is everything else."""
    policy = statements({"Statement": [{"Sid": "One", "Effect": "Allow", **element}]})
    assert decide(policy, Ask("rds:DeleteDBCluster", ARN)).allowed is fits


@pytest.mark.parametrize(
    ("condition", "context", "fits"),
    [
        ({"StringEquals": {TAG: ["a", "b"]}}, {TAG: ("b",)}, True),
        ({"StringEquals": {TAG: "a*"}}, {TAG: ("ab",)}, False),
        ({"StringLike": {TAG: "a*"}}, {TAG: ("ab",)}, True),
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
def test_conditions(condition: dict[str, Any], context: Context, fits: bool) -> None:
    """All of them must hold; an absent key fails what asks for a value and passes what asks for another."""
    assert allows(condition, context) is fits


def test_an_operator_that_is_not_modelled_is_not_passed_over() -> None:
    """A condition that nobody can judge must not look as if it held."""
    with pytest.raises(KeyError):
        allows({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": ("10.0.0.1",)})
