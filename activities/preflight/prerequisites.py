"""Whether the restore can succeed, as far as AWS's Describe calls can tell: checked before hours of copying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from botocore.exceptions import ClientError

from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.aws_errors import action_for
from activities.rds.fault_table import Action
from activities.rds.restore_parameters import identifier_of
from activities.rds.scaling import find_mistake
from activities.rds.statuses import BEING_DELETED
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from limits import MAX_QUOTED, join_names
from models.configuration import SERVERLESS, ClusterSettings
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.users import secret_ids

Answer = TypeVar("Answer")


class Prerequisites:
    """The resources that the later steps need, checked in the target's account and region."""

    def __init__(
        self,
        aws: AwsClients,
        target: TargetCluster,
        step_input: SnapshotCheckInput,
        snapshot: SourceSnapshot,
        settings: ClusterSettings,
    ) -> None:
        """`snapshot` is the one to restore; `settings` are the restored cluster's, as far as they are known."""
        self._aws = aws
        self._target = target
        self._step_input = step_input
        self._snapshot = snapshot
        self._settings = settings
        self._rds = target.reader
        self._version = step_input.target.engine_version or snapshot.engine_version

    def checks(self) -> list[PreflightCheck]:
        """One check for each kind of resource."""
        return [
            PreflightCheck(("subnet-group",), self._check_subnet_group),
            PreflightCheck(("security-group",), self._check_security_groups),
            PreflightCheck(("parameter-group", "parameter-group-family"), self._check_parameter_groups),
            PreflightCheck(("instance-class", "serverless-scaling"), self._check_instance_classes),
            PreflightCheck(("instance-name",), self._check_instance_names),
            PreflightCheck(("kms-key",), self._check_kms_key),
            PreflightCheck(("engine-version",), self._check_engine_version),
            PreflightCheck(("scaling-policy",), self._check_scaling_policies),
            PreflightCheck(("secret",), self._check_secrets),
            PreflightCheck(("topic",), self._check_topics),
        ]

    def _check_subnet_group(self) -> Iterator[Violation]:
        name = self._settings.db_subnet_group_name
        if name and not _exists(partial(self._rds.describe_db_subnet_groups, DBSubnetGroupName=name)):
            yield self._missing_resource("subnet-group", "Invalid VPC configuration", f"DB subnet group {name}")

    def _check_security_groups(self) -> Iterator[Violation]:
        ec2 = self._aws.ec2(self._step_input.target, self._step_input.operation_id)
        for group in self._settings.vpc_security_group_ids or ():
            if not _exists(partial(ec2.describe_security_groups, GroupIds=[group])):
                yield self._missing_resource("security-group", "Invalid VPC configuration", f"security group {group}")

    def _check_parameter_groups(self) -> Iterator[Violation]:
        if name := self._settings.db_cluster_parameter_group_name:
            describe = partial(self._rds.describe_db_cluster_parameter_groups, DBClusterParameterGroupName=name)
            answer = _answer_if_exists(describe)
            families = (
                [group["DBParameterGroupFamily"] for group in answer["DBClusterParameterGroups"]] if answer else []
            )
            yield from self._check_parameter_group("DB cluster parameter group", name, families)
        for name in dict.fromkeys(instance.db_parameter_group_name for instance in self._settings.instances or ()):
            if name:
                families = self._instance_group_families(name)
                yield from self._check_parameter_group("DB parameter group", name, families)

    def _instance_group_families(self, name: str) -> list[str]:
        answer = _answer_if_exists(partial(self._rds.describe_db_parameter_groups, DBParameterGroupName=name))
        return [group["DBParameterGroupFamily"] for group in answer["DBParameterGroups"]] if answer else []

    def _check_parameter_group(self, kind: str, name: str, families: list[str]) -> Iterator[Violation]:
        if not families:
            yield self._missing_resource("parameter-group", "Parameter group not found", f"{kind} {name}")
            return
        engine, version = self._snapshot.engine, self._version
        versions = self._rds.describe_db_engine_versions(Engine=engine, EngineVersion=version)["DBEngineVersions"]
        expected = {offered["DBParameterGroupFamily"] for offered in versions}
        if expected and not expected & set(families):
            yield Violation(
                "parameter-group-family",
                "Parameter group of another family",
                f"the {kind} {name} is of the family {families[0]}, but the snapshot's {engine} {version} needs "
                f"{' or '.join(sorted(expected))}: the source was upgraded. "
                "Name a parameter group of that family in the request.",
            )

    def _check_instance_classes(self) -> Iterator[Violation]:
        classes = dict.fromkeys(instance.instance_class for instance in self._settings.instances or ())
        if SERVERLESS in classes and self._settings.serverless_v2_scaling is None:
            yield Violation(
                "serverless-scaling",
                "Serverless scaling needed",
                f"an instance has the class {SERVERLESS}, but no scaling is set. Set target.serverless_v2_scaling.",
            )
        engine, version = self._snapshot.engine, self._version
        for name in classes:
            options = self._rds.describe_orderable_db_instance_options(
                Engine=engine, EngineVersion=version, DBInstanceClass=name
            )["OrderableDBInstanceOptions"]
            if not options:
                yield Violation(
                    "instance-class",
                    "Instance class not available",
                    f"RDS does not offer {name} for {engine} {version} in {self._step_input.target.region}. "
                    "Choose another class in target.instances.",
                )

    def _check_instance_names(self) -> Iterator[Violation]:
        """An instance keeps its name when its cluster is renamed; one that is being deleted frees its name in time."""
        target = self._step_input.target
        instances = enumerate(self._settings.instances or (), start=1)
        names = [identifier_of(target.cluster, number, instance) for number, instance in instances]
        for instance in self._target.find_instances(names):
            cluster = instance.get("DBClusterIdentifier")
            if cluster != target.cluster and instance["DBInstanceStatus"] not in BEING_DELETED:
                yield Violation(
                    "instance-name",
                    "Instance name is taken",
                    f"{instance['DBInstanceArn']} belongs to {cluster or 'no cluster'}, but the restored "
                    f"{target.cluster} needs that name for an instance of its own. Rename or delete the instance.",
                )

    def _check_kms_key(self) -> Iterator[Violation]:
        key = self._settings.kms_key_id
        copy_needed = self._step_input.copy_needed
        if self._snapshot.encrypted and copy_needed and key is None:
            yield Violation(
                "kms-key",
                "KMS key needed",
                f"the snapshot {self._snapshot.identifier} is encrypted, and its copy is made in another region or "
                "account. Name a key of the target's region in target.kms_key_id.",
            )
        if self._settings.storage_encrypted and not self._snapshot.encrypted and key is None:
            yield Violation(
                "kms-key",
                "Target would become unencrypted",
                f"the snapshot {self._snapshot.identifier} is not encrypted, but the target is, with a key that RDS does "
                "not name. Name a key in target.kms_key_id; to give up encryption, set target.storage_encrypted to false.",
            )
        if key is not None:
            yield from self._check_key_is_usable(key)

    def _check_key_is_usable(self, key: str) -> Iterator[Violation]:
        kms = self._aws.kms(self._step_input.target, self._step_input.operation_id)
        answer = _answer_if_exists(partial(kms.describe_key, KeyId=key))
        if answer is None:
            yield self._missing_resource("kms-key", "KMS key not accessible", f"KMS key {key}")
        elif (state := answer["KeyMetadata"].get("KeyState", "Enabled")) != "Enabled":
            text = f"the KMS key {key} is {state}, expected Enabled. Enable it."
            yield Violation("kms-key", "KMS key not accessible", text)

    def _check_engine_version(self) -> Iterator[Violation]:
        engine, region = self._snapshot.engine, self._step_input.target.region
        upgrades = self._upgrades() if self._version != self._snapshot.engine_version else []
        if self._version not in (self._snapshot.engine_version, *upgrades):
            yield Violation(
                "engine-version",
                "Engine version not available",
                f"target.engine_version is {self._version}, but RDS upgrades {engine} {self._snapshot.engine_version}, the "
                f"snapshot's version, to {join_names(upgrades, MAX_QUOTED) or 'no other'} in {region}. Correct it.",
            )
        elif not self._rds.describe_db_engine_versions(Engine=engine, EngineVersion=self._version)["DBEngineVersions"]:
            yield Violation(
                "engine-version",
                "Engine version not available",
                f"RDS does not offer {engine} {self._version} in {region}. Upgrade the source, or set "
                f"target.engine_version to one that RDS upgrades it to: {join_names(self._upgrades(), MAX_QUOTED) or 'none'}.",
            )

    def _upgrades(self) -> list[str]:
        """The versions that RDS upgrades the snapshot's to, also if RDS no longer offers that one."""
        versions = self._rds.describe_db_engine_versions(
            Engine=self._snapshot.engine, EngineVersion=self._snapshot.engine_version, IncludeAll=True
        )["DBEngineVersions"]
        upgrades = [upgrade for offered in versions for upgrade in offered.get("ValidUpgradeTarget", [])]
        return [upgrade["EngineVersion"] for upgrade in upgrades if "EngineVersion" in upgrade]

    def _check_scaling_policies(self) -> Iterator[Violation]:
        """Those of the request: AWS has accepted those of an existing target."""
        scalable = self._step_input.target.scalable_target
        for policy in scalable.policies if scalable else ():
            if mistake := find_mistake(policy):
                text = (
                    f"the configuration of the scaling policy {policy.name} is not what PutScalingPolicy takes: {mistake}. "
                    "Correct target.scalable_target.policies."
                )
                yield Violation("scaling-policy", "Scaling policy not valid", text)

    def _check_secrets(self) -> Iterator[Violation]:
        secrets = self._aws.secretsmanager(self._step_input.target, self._step_input.operation_id)
        master = self._step_input.target.master_user_secret_id
        for secret in dict.fromkeys((*secret_ids(self._step_input.users), *([master] if master else []))):
            answer = _answer_if_exists(partial(secrets.describe_secret, SecretId=secret))
            if answer is None:
                yield self._missing_resource("secret", "Secret not found", f"secret {secret}")
            elif "DeletedDate" in answer:
                text = f"the secret {secret} is marked for deletion, so that nobody can read it. Restore the secret."
                yield Violation("secret", "Secret not found", text)

    def _check_topics(self) -> Iterator[Violation]:
        """A restore that can notify nobody of its outcome does not begin."""
        step_input = self._step_input
        for topic in step_input.notification.topic_arns:
            sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
            if not _exists(partial(sns.get_topic_attributes, TopicArn=topic)):
                text = (
                    f"the topic {topic} does not exist, so that nobody would be notified. Create it or correct the ARN."
                )
                yield Violation("topic", "Topic not found", text)

    def _missing_resource(self, rule: str, short: str, resource: str) -> Violation:
        target = self._step_input.target
        return Violation(
            rule,
            short,
            f"the {resource} does not exist in account {target.account_id}, region {target.region}. "
            "Create it or correct the request.",
        )


def _exists(describe: Callable[[], object]) -> bool:
    return _answer_if_exists(describe) is not None


def _answer_if_exists(describe: Callable[[], Answer]) -> Answer | None:
    """AWS's answer, or None if the fault table says that there is no such resource."""
    try:
        return describe()
    except ClientError as error:
        if action_for(error) is Action.ABSENT:
            return None
        raise
