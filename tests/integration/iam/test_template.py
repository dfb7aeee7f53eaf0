"""deploy/template.yaml is valid, deploys, and agrees with audit/setup.py and deploy/iam."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.setup import create_audit_table, create_operations_table
from clients.aws import AwsClients
from devstack.aws import Emulator
from devstack.iam.evaluation import as_list
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier
from tests.rigs.activity_resources import owner, session_of
from tests.rigs.iam.deployments import ONE_ACCOUNT, Deployment, stack_parameters
from tests.rigs.iam.template import (
    DEPLOY,
    MANAGED,
    ROLES,
    TEMPLATE,
    deployed_document,
    document,
    placeholders,
    policy_files,
    template,
)

INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role, without white space. Source: IAM User Guide, IAM and STS quotas."""
MANAGED_LIMIT = 6_144
"""Characters of one managed policy, without white space. Source: as above."""


def test_cfn_lint_reports_nothing() -> None:
    """Neither an error nor a warning, in a region of each partition."""
    from cfnlint.api import ManualArgs, lint_file  # a second, which every process would take to collect its tests

    matches: list[Any] = lint_file(TEMPLATE, config=ManualArgs(regions=["eu-central-1", "us-gov-west-1", "cn-north-1"]))
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
    """Even with the longest names that RDS and Secrets Manager accept."""
    clusters = {"SourceCluster": 63, "TargetCluster": 61, "OtherInstances": 63, "PassedRoles": 64}
    longest = {**clusters, "SecretPrefix": 64, "Environment": 20, "Pair": 21}
    others = {"AWS::Partition": 10, "AWS::Region": 14, "SourceKeyArn": 90, "TargetKeyArn": 90}
    lengths = {**dict.fromkeys(placeholders(), 14), **longest, **others}
    for file in (file for role in ROLES for file in policy_files(role)):
        text = json.dumps(json.loads(file.read_text("utf-8")), separators=(",", ":"))
        filled = re.sub(r"\$\{([^}]+)\}", lambda placeholder: "x" * lengths[placeholder[1]], text)
        assert len(filled) <= (MANAGED_LIMIT if file.stem.endswith(MANAGED) else INLINE_LIMIT), file


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
    """The tables with the worker, topic and queue with the target, each role in its account."""
    expected = {
        "worker": {
            "aurora-restore-audit",
            "aurora-restore-operations",
            "aurora-restore-worker",
            "aurora-restore-operator",
        },
        "source": {"aurora-restore-source"},
        "target": {"aurora-restore-target", separate_accounts.layout.topic_arn, "aurora-restore-events"},
    }
    assert {role: resources_of(separate_accounts, role) for role in expected} == expected
    everything = set.union(*expected.values()) - {separate_accounts.layout.topic_arn}
    assert resources_of(one_account, "worker") == everything | {one_account.layout.topic_arn}


def resources_of(deployment: Deployment, role: str) -> set[str]:
    """The tables, roles, topics and queues in the account of a role, in the target's region."""
    location = (deployment.layout.accounts[role], deployment.layout.target_region)
    services = ("iam", "dynamodb", "sns", "sqs")
    iam, dynamodb, sns, sqs = (owner(deployment.emulator, service, *location) for service in services)
    return {
        *dynamodb.list_tables()["TableNames"],
        *(role["RoleName"] for role in iam.list_roles()["Roles"]),
        *(topic["TopicArn"] for topic in sns.list_topics()["Topics"]),
        *(url.rpartition("/")[2] for url in sqs.list_queues().get("QueueUrls", [])),
    }


def test_every_parameter_is_described_and_validated() -> None:
    """Each has a description, a group in the console's form, and a pattern or a list of allowed values."""
    parameters = template()["Parameters"]
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        assert "AllowedPattern" in parameter or "AllowedValues" in parameter, name


STACKS = {
    "the first": {},
    "a second pair": {"Pair": "-billing"},
    "another environment": {"Environment": "reporting"},
    "its second pair": {"Environment": "reporting", "Pair": "-billing"},
}


def names_of(given: dict[str, str]) -> list[str]:
    """Every name that a stack with these parameters gives in the one account that all its parts share."""
    found = template()
    parameters = {name: str(parameter.get("Default", "-")) for name, parameter in found["Parameters"].items()} | given
    names: list[str] = []
    for resource in found["Resources"].values():
        if resource["Condition"] == "InWorkerAccount" and parameters["Pair"]:
            continue
        for key in ("TableName", "TopicName", "RoleName", "ManagedPolicyName"):
            if key in resource["Properties"]:
                name = resource["Properties"][key]
                names.append(re.sub(r"\$\{(\w+)\}", lambda placeholder: parameters[placeholder[1]], name))
    return names


def test_several_stacks_in_one_account_share_no_name() -> None:
    """IAM's names are the account's, also across regions; a topic and a table are named as the role of their environment."""
    names = [name for given in STACKS.values() for name in names_of(given)]
    assert len(set(names)) == len(names)
    assert {"aurora-restore-worker", "aurora-restore-audit", "aurora-restore"} <= set(names_of({}))
    longest = names_of({"Environment": "e" * 20, "Pair": "-" + "p" * 20})
    # Source: IAM User Guide, IAM and STS quotas: 64 characters for a role's name.
    assert max(map(len, longest)) <= 64


def test_several_stacks_deploy_into_one_account(emulator: Emulator) -> None:
    """Each pair gets roles and a topic of its own, each environment a worker and tables; no stack fails."""
    account = "640000000001"
    layout = replace(ONE_ACCOUNT, worker=account, source=account, target=account)
    key = f"arn:aws:kms:{layout.source_region}:{account}:key/1"
    client = owner(emulator, "cloudformation", account, layout.target_region)
    for name, given in STACKS.items():
        parameters = stack_parameters(layout, {"source": key, "target": key}) | given
        client.create_stack(
            StackName=name.replace(" ", "-"),
            TemplateBody=TEMPLATE.read_text("utf-8"),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    roles = {role["RoleName"] for role in owner(emulator, "iam", account, "us-east-1").list_roles()["Roles"]}
    expected = {name for given in STACKS.values() for name in names_of(given)}
    assert roles == {name for name in expected if any(role in name for role in ROLES) and not name.endswith(MANAGED)}
    assert len(roles) == 12
