"""Accounts and regions with the stack of deploy/template.yaml deployed in each of them."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from clients.aws import AwsClients
from devstack.aws import Emulator
from devstack.iam.evaluation import statements
from settings import DatabaseTls, Settings
from tests.rigs.activity_resources import owner, session_of
from tests.rigs.iam.gateway import IamState, Role
from tests.rigs.iam.template import ROLES, TEMPLATE, template

SOURCE_CLUSTER = "orders"
EXTERNAL_ID = "aurora-restore-4711"
SECRET_PREFIX = "staging/"


@dataclass(frozen=True)
class Layout:
    """The accounts of worker, source and target, and the regions of source and target."""

    name: str
    worker: str
    source: str
    target: str
    source_region: str
    target_region: str

    @property
    def accounts(self) -> dict[str, str]:
        """By role."""
        return {"worker": self.worker, "operator": self.worker, "source": self.source, "target": self.target}

    def region(self, role: str) -> str:
        """The region in which a role works."""
        return self.source_region if role == "source" else self.target_region

    def role_arn(self, role: str) -> str:
        """The ARN that the template gives a role."""
        return f"arn:aws:iam::{self.accounts[role]}:role/aurora-restore-{role}"

    @property
    def topic_arn(self) -> str:
        """The ARN of the stack's topic."""
        return f"arn:aws:sns:{self.target_region}:{self.target}:aurora-restore"

    @property
    def queue_arn(self) -> str:
        """The ARN of the stack's queue of events."""
        return f"arn:aws:sqs:{self.target_region}:{self.target}:aurora-restore-events"


SEPARATE_ACCOUNTS = Layout("separate", "610000000001", "610000000002", "610000000003", "eu-west-1", "eu-central-1")
"""Three accounts, two regions."""
ONE_ACCOUNT = Layout("one", "620000000001", "620000000001", "620000000001", "eu-central-1", "eu-central-1")
"""One region of one account, so that a restore needs no copy."""


@dataclass(eq=False)
class Deployment:
    """A layout in the emulator, with its stacks, keys and network."""

    layout: Layout
    emulator: Emulator
    iam: IamState
    keys: dict[str, str]
    """The ARNs of the KMS keys of source and target."""
    security_group: str

    def owner(self, service: str, role: str = "target") -> Any:
        """A client of the owner of a role's account, whom IAM allows everything."""
        return owner(self.emulator, service, self.layout.accounts[role], self.layout.region(role))

    @cache  # noqa: B019 - a deployment lives as long as the tests
    def clients(self, role: str) -> AwsClients:
        """The clients of a process that runs under a role, such as the worker's task."""
        layout = self.layout
        assumed = self.owner("sts", role).assume_role(RoleArn=layout.role_arn(role), RoleSessionName="test")
        keys = assumed["Credentials"]
        session = session_of(layout.accounts[role])
        session.set_credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return AwsClients(session)

    @property
    def settings(self) -> Settings:
        """The worker's."""
        return Settings(
            audit_region=self.layout.target_region, database_tls=DatabaseTls.DISABLE, database_connect_seconds=2
        )


def deploy(layout: Layout, emulator: Emulator, iam: IamState) -> Deployment:
    """Let the owners create keys, network and groups, then create the stacks."""
    keys = {role: _create_key(emulator, layout, role) for role in ("source", "target")}
    deployment = Deployment(layout, emulator, iam, keys, security_group="")
    ec2 = deployment.owner("ec2")
    deployment.security_group = ec2.create_security_group(GroupName="database", Description="-")["GroupId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    rds = deployment.owner("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="staging", DBSubnetGroupDescription="-", SubnetIds=subnets[:3])
    groups = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="staging-cluster", **groups)
    rds.create_db_parameter_group(DBParameterGroupName="staging-instance", **groups)
    for account in sorted(set(layout.accounts.values())):
        _create_stack(deployment, account)
    return deployment


def stack_parameters(layout: Layout, keys: dict[str, str]) -> dict[str, str]:
    """The stack's parameters, the same in every account; the target's role serves every target of the pattern."""
    return {
        "WorkerAccountId": layout.worker,
        "ExternalId": EXTERNAL_ID,
        "SourceAccountId": layout.source,
        "SourceRegion": layout.source_region,
        "SourceCluster": SOURCE_CLUSTER,
        "SourceKeyArn": keys["source"],
        "TargetAccountId": layout.target,
        "TargetRegion": layout.target_region,
        "TargetCluster": "staging-*",
        "OtherInstances": "blue-*",
        "TargetKeyArn": keys["target"],
        "SecretPrefix": SECRET_PREFIX,
    }


def _create_key(emulator: Emulator, layout: Layout, role: str) -> str:
    kms = owner(emulator, "kms", layout.accounts[role], layout.region(role))
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{layout.name}-{role}", TargetKeyId=key["KeyId"])
    return str(key["Arn"])


def _create_stack(deployment: Deployment, account: str) -> None:
    """Create an account's stack, and register its roles in the gateway."""
    layout = deployment.layout
    parameters = stack_parameters(layout, deployment.keys)
    owner(deployment.emulator, "cloudformation", account, layout.target_region).create_stack(
        StackName="aurora-restore",
        TemplateBody=TEMPLATE.read_text("utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    if account == layout.target:
        _set_queue_policy(deployment)
    iam = owner(deployment.emulator, "iam", account, "us-east-1")
    for role in (role for role in ROLES if layout.accounts[role] == account):
        name = f"aurora-restore-{role}"
        policies = [iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]]
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            stored = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            policies.append(stored["PolicyVersion"]["Document"])
        policy = [statement for each in policies for statement in statements(parsed_policy(each))]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        arn = layout.role_arn(role)
        deployment.iam.roles[arn] = Role(arn, tuple(policy), tuple(parsed_policy(trust)["Statement"]))


def _set_queue_policy(deployment: Deployment) -> None:
    """Give the stack's queue the policy of the template, which moto's CloudFormation leaves out."""
    layout = deployment.layout
    policy = json.dumps(template()["Resources"]["RestoreEventsPolicy"]["Properties"]["PolicyDocument"])
    rule = f"arn:aws:events:{layout.target_region}:{layout.target}:rule/aurora-restore-events"
    values = {
        '{"GetAtt": "RestoreEvents.Arn"}': json.dumps(layout.queue_arn),
        '{"GetAtt": "RestoreEventsRule.Arn"}': json.dumps(rule),
        "${AWS::Partition}": "aws",
        "${WorkerAccountId}": layout.worker,
        "${Environment}": "aurora-restore",
    }
    for placeholder, value in values.items():
        policy = policy.replace(placeholder, value)
    sqs = deployment.owner("sqs")
    url = sqs.get_queue_url(QueueName=layout.queue_arn.rpartition(":")[2])["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def parsed_policy(document: Any) -> dict[str, Any]:
    """A policy document as a mapping; moto returns the inline policy of a stack's role as a Python literal, not as JSON."""
    parsed: dict[str, Any] = ast.literal_eval(document) if isinstance(document, str) else document
    return parsed
