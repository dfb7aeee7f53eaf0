"""deploy/template.yaml: valid, deployed, the same as audit/setup.py and deploy/iam."""

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
from models.identifiers import copy_identifier
from tests.integration.iam.conftest import Policed
from tests.rigs.activities import owner, session_of
from tests.rigs.iam.deployments import Site
from tests.rigs.iam.evaluation import listed
from tests.rigs.iam.template import DEPLOY, ROLES, TEMPLATE, deployed_document, document, placeholders, template

INLINE_LIMIT = 10_240
"""Characters of all inline policies of a role, white space not counted. Source: IAM User Guide, IAM and STS quotas."""


def test_cfn_lint_finds_nothing() -> None:
    """Neither an error nor a warning, in a region of each partition."""
    found: list[Match] = lint_file(TEMPLATE, config=ManualArgs(regions=["eu-central-1", "us-gov-west-1", "cn-north-1"]))
    assert not [str(match) for match in found]


@pytest.mark.parametrize("role", ROLES)
def test_the_template_has_the_policies_of_the_documents(role: str) -> None:
    """Statement by statement, so that neither drifts from the other."""
    wanted = {statement["Sid"]: statement for statement in document(role)["Statement"]}
    found = {statement["Sid"]: statement for statement in deployed_document(role)["Statement"]}
    assert list(found) == list(wanted)
    for sid, statement in wanted.items():
        assert found[sid] == statement, f"{sid} differs between deploy/iam/{role}.json and deploy/template.yaml"


@pytest.mark.parametrize("role", ROLES)
def test_a_document_can_be_filled_in_by_hand(role: str) -> None:
    """Its placeholders are the template's parameters and CloudFormation's own, and no other."""
    used = set(re.findall(r"\$\{([^}]+)\}", json.dumps(document(role))))
    assert used <= placeholders() | {"AWS::Partition", "AWS::Region"}


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_has_a_name_and_is_explained(role: str) -> None:
    """A statement's name is its own, letters only as IAM wants it, and stands in the README."""
    names = [statement["Sid"] for statement in document(role)["Statement"]]
    assert len(set(names)) == len(names)
    readme = (DEPLOY / "README.md").read_text("utf-8")
    assert not [name for name in names if not name.isalpha() or f"`{name}`" not in readme]


@pytest.mark.parametrize("role", ROLES)
def test_no_action_is_a_whole_service(role: str) -> None:
    """Nobody is allowed `*`, `rds:*` or the like, and everything that is allowed on `*` has a condition or no resource."""
    for statement in document(role)["Statement"]:
        if statement["Effect"] == "Allow":
            assert not [action for action in listed(statement["Action"]) if action.partition(":")[2] in ("", "*")]
            if statement["Resource"] == "*":
                assert "Condition" in statement or statement["Action"] == "rds:CrossRegionCommunication"


def test_a_policy_fits_into_a_role() -> None:
    """With names as long as RDS, DynamoDB and Secrets Manager take them, IAM still takes the policy."""
    longest = {"SourceCluster": 63, "TargetCluster": 63, "SecretPrefix": 64, "AuditTable": 64, "OperationsTable": 64}
    others = {"AWS::Partition": 10, "AWS::Region": 14, "SourceKeyArn": 90, "TargetKeyArn": 90, "TopicName": 64}
    lengths = {**dict.fromkeys(placeholders(), 14), **longest, **others}
    for role in ROLES:
        text = json.dumps(document(role), separators=(",", ":"))
        filled = re.sub(r"\$\{([^}]+)\}", lambda found: "x" * lengths[found[1]], text)
        assert len(filled) <= INLINE_LIMIT, role


def test_copies_are_named_as_the_policy_expects() -> None:
    """Only a copy whose name begins so may be made, tagged, restored from and deleted."""
    name = copy_identifier(
        "arn:aws:rds:eu-central-1:610000000001:cluster:staging",
        "arn:aws:rds:eu-west-1:610000000002:cluster-snapshot:n",
        datetime.now(UTC),
    )
    assert name.startswith("aurora-restore-")


@pytest.mark.parametrize(
    ("resource", "create"), [("AuditTrail", create_audit_table), ("OperationNumbers", create_operations_table)]
)
def test_the_tables_are_those_of_setup(policed: Policed, resource: str, create: Any) -> None:
    """Keys, index, billing, protection, recovery and expiry are what `starter.py setup` makes; encryption comes on top."""
    account, region, name = "630000000001", "eu-central-1", f"by-setup-{resource}"
    create(AwsClients(session_of(account)).dynamodb(region), name)
    dynamodb = owner(policed.emulator, "dynamodb", account, region)
    made = dynamodb.describe_table(TableName=name)["Table"]
    wanted = template()["Resources"][resource]["Properties"]
    for property_ in ("AttributeDefinitions", "KeySchema", "DeletionProtectionEnabled"):
        assert wanted[property_] == made[property_]
    assert wanted["BillingMode"] == made["BillingModeSummary"]["BillingMode"]
    assert wanted.get("GlobalSecondaryIndexes", []) == [
        {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
        for index in made.get("GlobalSecondaryIndexes", [])
    ]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert wanted["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": recovery}
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert wanted.get("TimeToLiveSpecification", {}).get("AttributeName") == expiry.get("AttributeName")


def test_the_tables_and_the_topic_are_protected() -> None:
    """Encrypted, recoverable, and kept when the stack or the template goes."""
    resources = template()["Resources"]
    for name in ("AuditTrail", "OperationNumbers"):
        table = resources[name]
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert table["Properties"]["SSESpecification"]["SSEEnabled"]
        assert table["Properties"]["DeletionProtectionEnabled"]
    assert resources["Notifications"]["Properties"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_every_account_gets_its_own(apart: Site, together: Site) -> None:
    """The same stack makes the tables with the worker, the topic with the target, and each role where it belongs."""
    wanted = {
        "worker": {
            "aurora-restore-audit",
            "aurora-restore-operations",
            "aurora-restore-worker",
            "aurora-restore-operator",
        },
        "source": {"aurora-restore-source"},
        "target": {"aurora-restore-target", apart.place.topic_arn},
    }
    assert {account: made_by_the_stack(apart, account) for account in wanted} == wanted
    everything = {together.place.topic_arn, *set.union(*wanted.values())} - {apart.place.topic_arn}
    assert made_by_the_stack(together, "worker") == everything


def made_by_the_stack(site: Site, account: str) -> set[str]:
    """The tables, roles and topics of an account."""
    at = (site.place.account_of[account], site.place.target_region)
    iam, dynamodb, sns = (owner(site.emulator, service, *at) for service in ("iam", "dynamodb", "sns"))
    return {
        *dynamodb.list_tables()["TableNames"],
        *(role["RoleName"] for role in iam.list_roles()["Roles"]),
        *(topic["TopicArn"] for topic in sns.list_topics()["Topics"]),
    }


def test_every_parameter_says_what_it_is() -> None:
    """Each has a description, stands in a group of the console's form, and refuses what cannot be."""
    parameters = template()["Parameters"]
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        assert "AllowedPattern" in parameter or "AllowedValues" in parameter, name
