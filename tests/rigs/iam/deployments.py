"""Where a pipeline runs: which accounts and regions take part, each with the stack of deploy/template.yaml in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from typing import Any

from clients.aws import AwsClients
from devstack.aws import Emulator
from settings import DatabaseTls, Settings
from tests.rigs.activities import owner, session_of
from tests.rigs.iam.evaluation import statements
from tests.rigs.iam.gateway import Identities, Role
from tests.rigs.iam.template import ROLES, TEMPLATE

SOURCE_CLUSTER = "orders"
EXTERNAL_ID = "aurora-restore-4711"
SECRET_PREFIX = "staging/"


@dataclass(frozen=True)
class Place:
    """Accounts and regions of the three that take part."""

    name: str
    worker: str
    source: str
    target: str
    source_region: str
    target_region: str

    @property
    def account_of(self) -> dict[str, str]:
        """By role."""
        return {"worker": self.worker, "operator": self.worker, "source": self.source, "target": self.target}

    def role_arn(self, role: str) -> str:
        """As the template names it."""
        return f"arn:aws:iam::{self.account_of[role]}:role/aurora-restore-{role}"

    @property
    def topic_arn(self) -> str:
        """Of the topic that the stack makes."""
        return f"arn:aws:sns:{self.target_region}:{self.target}:aurora-restore"


APART = Place("apart", "610000000001", "610000000002", "610000000003", "eu-west-1", "eu-central-1")
"""The most that is kept apart: three accounts, two regions."""
TOGETHER = Place("together", "620000000001", "620000000001", "620000000001", "eu-central-1", "eu-central-1")
"""The least: everything in one region of one account, where no copy is needed."""


@dataclass(eq=False)
class Site:
    """A place with its stacks, keys and network in the emulator."""

    place: Place
    emulator: Emulator
    ids: Identities
    keys: dict[str, str]
    security_group: str

    def owner(self, service: str, of: str = "target") -> Any:
        """A client of whoever owns everything in one of the accounts; IAM does not ask them."""
        region = self.place.source_region if of == "source" else self.place.target_region
        return owner(self.emulator, service, self.place.account_of[of], region)

    @cache  # noqa: B019 - a site lives as long as the tests
    def session(self, role: str) -> AwsClients:
        """The clients of a process that runs under a role, as a task or an operator does."""
        given = self.owner("sts", role).assume_role(RoleArn=self.place.role_arn(role), RoleSessionName="test")
        session = session_of(self.place.account_of[role])
        keys = given["Credentials"]
        session.set_credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        return AwsClients(session)

    @property
    def settings(self) -> Settings:
        """The worker's."""
        return Settings(
            audit_region=self.place.target_region, database_tls=DatabaseTls.DISABLE, database_connect_seconds=2
        )


def build(place: Place, emulator: Emulator, ids: Identities) -> Site:
    """Keys, network and production by their owners, then the stacks."""
    keys = {of: _key(emulator, place, of) for of in ("source", "target")}
    site = Site(place, emulator, ids, keys, security_group="")
    ec2 = site.owner("ec2")
    site.security_group = ec2.create_security_group(GroupName="database", Description="-")["GroupId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    rds = site.owner("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="staging", DBSubnetGroupDescription="-", SubnetIds=subnets[:3])
    groups = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="staging-cluster", **groups)
    rds.create_db_parameter_group(DBParameterGroupName="staging-instance", **groups)
    for account in sorted(set(place.account_of.values())):
        _deploy(site, account)
    return site


def parameters(place: Place, keys: dict[str, str]) -> dict[str, str]:
    """The stack's parameters, the same in every account; one role serves every target whose name fits."""
    return {
        "WorkerAccountId": place.worker,
        "ExternalId": EXTERNAL_ID,
        "SourceAccountId": place.source,
        "SourceRegion": place.source_region,
        "SourceCluster": SOURCE_CLUSTER,
        "SourceKeyArn": keys["source"],
        "TargetAccountId": place.target,
        "TargetRegion": place.target_region,
        "TargetCluster": "staging-*",
        "TargetKeyArn": keys["target"],
        "SecretPrefix": SECRET_PREFIX,
    }


def _key(emulator: Emulator, place: Place, of: str) -> str:
    region = place.source_region if of == "source" else place.target_region
    kms = owner(emulator, "kms", place.account_of[of], region)
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{place.name}-{of}", TargetKeyId=key["KeyId"])
    return str(key["Arn"])


def _deploy(site: Site, account: str) -> None:
    place = site.place
    region = place.target_region
    owner(site.emulator, "cloudformation", account, region).create_stack(
        StackName="aurora-restore",
        TemplateBody=TEMPLATE.read_text("utf-8"),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters(place, site.keys).items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    iam = owner(site.emulator, "iam", account, "us-east-1")
    for role in (role for role in ROLES if place.account_of[role] == account):
        name = f"aurora-restore-{role}"
        policy = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        arn = place.role_arn(role)
        site.ids.roles[arn] = Role(arn, tuple(statements(_values(policy))), tuple(_values(trust)["Statement"]))


def _values(document: Any) -> dict[str, Any]:
    """A document as boto3 gives it; moto keeps the inline policy of a stack's role as Python's text, not as JSON."""
    found: dict[str, Any] = ast.literal_eval(document) if isinstance(document, str) else document
    return found
