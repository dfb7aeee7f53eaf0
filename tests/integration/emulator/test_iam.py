"""SimulatePrincipalPolicy, which moto lacks, as the IAM API Reference has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases

ACCOUNT = "650000000001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
TRUST = {"Version": "2012-10-17", "Statement": []}
ALLOW = {"Sid": "Yes", "Effect": "Allow", "Action": "rds:*", "Resource": "arn:aws:rds:*:*:db:*"}
DENY = {"Sid": "No", "Effect": "Deny", "Action": "rds:DeleteDBInstance", "Resource": "*"}
TAGGED = {"StringEquals": {"aws:ResourceTag/team": "orders"}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One for all tests of this module."""
    with Emulator(NoDatabases()) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def iam(emulator: Emulator) -> Any:
    """IAM, with a role that has an inline policy and a managed one."""
    client = boto3.client(
        "iam",
        region_name="eu-central-1",
        endpoint_url=emulator.endpoint_url,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="-",
    )
    client.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUST))
    inline = json.dumps({"Version": "2012-10-17", "Statement": [{**ALLOW, "Condition": TAGGED}]})
    client.put_role_policy(RoleName="reader", PolicyName="inline", PolicyDocument=inline)
    managed = client.create_policy(
        PolicyName="managed", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [DENY]})
    )
    client.attach_role_policy(RoleName="reader", PolicyArn=managed["Policy"]["Arn"])
    return client


def test_the_policies_of_the_role_decide(iam: Any) -> None:
    """Of both kinds, with the context of the request; each action on each resource has a result."""
    resources = [f"arn:aws:rds:eu-central-1:{ACCOUNT}:{name}" for name in ("db:one", "cluster:two")]
    tag = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyType": "string", "ContextKeyValues": ["orders"]}
    asked = {"PolicySourceArn": ROLE, "ActionNames": ["rds:StopDBInstance", "rds:DeleteDBInstance"]}
    answer = iam.simulate_principal_policy(**asked, ResourceArns=resources, ContextEntries=[tag])
    decisions = [result["EvalDecision"] for result in answer["EvaluationResults"]]
    assert decisions == ["allowed", "implicitDeny", "explicitDeny", "explicitDeny"]
    without_tag = iam.simulate_principal_policy(**asked, ResourceArns=resources[:1])
    assert without_tag["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"
    assert without_tag["EvaluationResults"][0]["MissingContextValues"] == ["aws:ResourceTag/team"]
    assert not [result for result in answer["EvaluationResults"] if result["MissingContextValues"]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}, "NoSuchEntity"),
        ({"CallerArn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}, "InvalidInput"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(iam: Any, changes: dict[str, str], code: str) -> None:
    """An unknown principal, and a member that would change the decision."""
    asked: dict[str, Any] = {"PolicySourceArn": ROLE, "ActionNames": ["rds:StopDBInstance"], **changes}
    with pytest.raises(ClientError) as refused:
        iam.simulate_principal_policy(**asked)
    assert refused.value.response["Error"]["Code"] == code
