"""deploy/template.yaml is valid, deploys, and agrees with audit/setup.py and deploy/iam."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint_file
from cfnlint.match import Match

from audit.setup import create_audit_table, create_operations_table
from clients.aws import AwsClients
from devstack.aws import Emulator
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier
from tests.rigs.activity_resources import owner, session_of
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.evaluation import as_list
from tests.rigs.iam.template import DEPLOY, ROLES, TEMPLATE, deployed_document, document, placeholders, template

INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role, without white space. Source: IAM User Guide, IAM and STS quotas."""


def test_cfn_lint_reports_nothing() -> None:
    """Neither an error nor a warning, in a region of each partition."""
    matches: list[Match] = lint_file(
        TEMPLATE, config=ManualArgs(regions=["eu-central-1", "us-gov-west-1", "cn-north-1"])
    )
    assert not [str(match) for match in matches]


@pytest.mark.parametrize("role", ROLES)
def test_the_template_has_the_policies_of_the_documents(role: str) -> None:
    """Statement by statement, in the same order."""
    expected = {statement["Sid"]: statement for statement in document(role)["Statement"]}
    actual = {statement["Sid"]: statement for statement in deployed_document(role)["Statement"]}
    assert list(actual) == list(expected)
    for sid, statement in expected.items():
        assert actual[sid] == statement, f"{sid} differs between deploy/iam/{role}.json and deploy/template.yaml"


@pytest.mark.parametrize("role", ROLES)
def test_a_document_has_only_placeholders_that_the_template_describes(role: str) -> None:
    """They are the template's parameters and CloudFormation's own, so that a document can be filled in by hand."""
    used = set(re.findall(r"\$\{([^}]+)\}", json.dumps(document(role))))
    assert used <= placeholders() | {"AWS::Partition", "AWS::Region"}


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_has_a_name_that_the_readme_explains(role: str) -> None:
    """Unique in its policy, and of letters only, as IAM requires."""
    names = [statement["Sid"] for statement in document(role)["Statement"]]
    assert len(set(names)) == len(names)
    readme = (DEPLOY / "README.md").read_text("utf-8")
    assert not [name for name in names if not name.isalpha() or f"`{name}`" not in readme]


@pytest.mark.parametrize("role", ROLES)
def test_no_statement_allows_a_whole_service(role: str) -> None:
    """Not `*`, `rds:*` or the like; what is allowed on the resource `*` has a condition or needs no resource."""
    for statement in document(role)["Statement"]:
        if statement["Effect"] == "Allow":
            assert not [action for action in as_list(statement["Action"]) if action.partition(":")[2] in ("", "*")]
            if statement["Resource"] == "*":
                assert "Condition" in statement or statement["Action"] == "rds:CrossRegionCommunication"


def test_every_policy_is_within_iams_limit() -> None:
    """Even with the longest names that RDS, DynamoDB and Secrets Manager accept."""
    clusters = {"SourceCluster": 63, "TargetCluster": 63, "OtherInstances": 63, "PassedRoles": 64}
    longest = {**clusters, "SecretPrefix": 64, "AuditTable": 64, "OperationsTable": 64}
    others = {"AWS::Partition": 10, "AWS::Region": 14, "SourceKeyArn": 90, "TargetKeyArn": 90, "TopicName": 64}
    lengths = {**dict.fromkeys(placeholders(), 14), **longest, **others}
    for role in ROLES:
        text = json.dumps(document(role), separators=(",", ":"))
        filled = re.sub(r"\$\{([^}]+)\}", lambda placeholder: "x" * lengths[placeholder[1]], text)
        assert len(filled) <= INLINE_LIMIT, role


def test_the_name_of_a_copy_begins_as_the_policy_expects() -> None:
    """Only a copy with this prefix may be created, tagged, restored from and deleted."""
    name = copy_identifier(
        DEFAULT_ENVIRONMENT,
        "arn:aws:rds:eu-central-1:610000000001:cluster:staging",
        "arn:aws:rds:eu-west-1:610000000002:cluster-snapshot:n",
        datetime.now(UTC),
    )
    assert name.startswith("aurora-restore-")


@pytest.mark.parametrize(
    ("resource", "create"), [("AuditTrail", create_audit_table), ("OperationNumbers", create_operations_table)]
)
def test_the_tables_are_those_that_setup_creates(emulator: Emulator, resource: str, create: Any) -> None:
    """Keys, index, billing, protection, recovery and expiry are those of `starter.py setup`; the template adds encryption."""
    account, region, name = "630000000001", "eu-central-1", f"by-setup-{resource}"
    create(AwsClients(session_of(account)).dynamodb(region), name)
    dynamodb = owner(emulator, "dynamodb", account, region)
    created = dynamodb.describe_table(TableName=name)["Table"]
    expected = template()["Resources"][resource]["Properties"]
    for property_ in ("AttributeDefinitions", "KeySchema", "DeletionProtectionEnabled"):
        assert expected[property_] == created[property_]
    assert expected["BillingMode"] == created["BillingModeSummary"]["BillingMode"]
    assert expected.get("GlobalSecondaryIndexes", []) == [
        {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
        for index in created.get("GlobalSecondaryIndexes", [])
    ]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert expected["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": recovery}
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expected.get("TimeToLiveSpecification", {}).get("AttributeName") == expiry.get("AttributeName")


def test_the_tables_and_the_topic_are_protected() -> None:
    """Encrypted, recoverable, and retained when the stack is deleted or the template no longer has them."""
    resources = template()["Resources"]
    for name in ("AuditTrail", "OperationNumbers"):
        table = resources[name]
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert table["Properties"]["SSESpecification"]["SSEEnabled"]
        assert table["Properties"]["DeletionProtectionEnabled"]
    assert resources["Notifications"]["Properties"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_the_stack_creates_in_each_account_what_belongs_there(
    separate_accounts: Deployment, one_account: Deployment
) -> None:
    """The tables with the worker, the topic with the target, each role in its account."""
    expected = {
        "worker": {
            "aurora-restore-audit",
            "aurora-restore-operations",
            "aurora-restore-worker",
            "aurora-restore-operator",
        },
        "source": {"aurora-restore-source"},
        "target": {"aurora-restore-target", separate_accounts.layout.topic_arn},
    }
    assert {role: resources_of(separate_accounts, role) for role in expected} == expected
    everything = set.union(*expected.values()) - {separate_accounts.layout.topic_arn}
    assert resources_of(one_account, "worker") == everything | {one_account.layout.topic_arn}


def resources_of(deployment: Deployment, role: str) -> set[str]:
    """The tables, roles and topics in the account of a role, in the target's region."""
    location = (deployment.layout.accounts[role], deployment.layout.target_region)
    iam, dynamodb, sns = (owner(deployment.emulator, service, *location) for service in ("iam", "dynamodb", "sns"))
    return {
        *dynamodb.list_tables()["TableNames"],
        *(role["RoleName"] for role in iam.list_roles()["Roles"]),
        *(topic["TopicArn"] for topic in sns.list_topics()["Topics"]),
    }


def test_every_parameter_is_described_and_validated() -> None:
    """Each has a description, a group in the console's form, and a pattern or a list of allowed values."""
    parameters = template()["Parameters"]
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        assert "AllowedPattern" in parameter or "AllowedValues" in parameter, name
