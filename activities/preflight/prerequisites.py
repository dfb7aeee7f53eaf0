"""Whether a restore can succeed, as far as AWS tells without trying: looked at before hours of copying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from botocore.exceptions import ClientError

from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.aws_errors import Action, action_for
from activities.rds.copies import BEING_DELETED
from clients.aws import AwsClients
from clients.rds import find_instances
from models.configuration import SERVERLESS, ClusterSettings
from models.identifiers import instance_identifier
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.users import secret_ids

Answer = TypeVar("Answer")


class Prerequisites:
    """Everything that the later steps will need, looked up in the target's account and region."""

    def __init__(
        self, aws: AwsClients, step_input: SnapshotCheckInput, snapshot: SourceSnapshot, configuration: ClusterSettings
    ) -> None:
        """`snapshot` is the one that will be restored, `configuration` what the cluster will be given, as far as known."""
        self._configuration = configuration
        self._aws = aws
        self._step_input = step_input
        self._snapshot = snapshot
        self._rds = aws.rds(step_input.target, step_input.operation_id)

    def checks(self) -> list[PreflightCheck]:
        """Everything that could be missing."""
        return [
            PreflightCheck(("subnet-group",), self._subnet_group),
            PreflightCheck(("security-group",), self._security_groups),
            PreflightCheck(("parameter-group", "parameter-group-family"), self._parameter_groups),
            PreflightCheck(("instance-class", "serverless-scaling"), self._instance_classes),
            PreflightCheck(("instance-name",), self._instance_names),
            PreflightCheck(("kms-key",), self._kms_key),
            PreflightCheck(("engine-version",), self._engine_version),
            PreflightCheck(("secret",), self._secrets),
            PreflightCheck(("topic",), self._topics),
        ]

    def _subnet_group(self) -> Iterator[Violation]:
        name = self._configuration.db_subnet_group_name
        if name and _missing(partial(self._rds.describe_db_subnet_groups, DBSubnetGroupName=name)):
            yield self._not_there("subnet-group", "Invalid VPC configuration", f"no DB subnet group {name}")

    def _security_groups(self) -> Iterator[Violation]:
        ec2 = self._aws.ec2(self._step_input.target, self._step_input.operation_id)
        for group in self._configuration.vpc_security_group_ids or ():
            if _missing(partial(ec2.describe_security_groups, GroupIds=[group])):
                yield self._not_there("security-group", "Invalid VPC configuration", f"no security group {group}")

    def _parameter_groups(self) -> Iterator[Violation]:
        configuration = self._configuration
        if name := configuration.db_cluster_parameter_group_name:
            look = partial(self._rds.describe_db_cluster_parameter_groups, DBClusterParameterGroupName=name)
            found = _found(look)
            groups = found["DBClusterParameterGroups"] if found else []
            yield from self._parameter_group(
                "DB cluster parameter group", name, [one["DBParameterGroupFamily"] for one in groups]
            )
        for name in dict.fromkeys(instance.db_parameter_group_name for instance in configuration.instances or ()):
            if name:
                found_one = _found(partial(self._rds.describe_db_parameter_groups, DBParameterGroupName=name))
                of_instances = found_one["DBParameterGroups"] if found_one else []
                yield from self._parameter_group(
                    "DB parameter group", name, [one["DBParameterGroupFamily"] for one in of_instances]
                )

    def _parameter_group(self, kind: str, name: str, families: list[str]) -> Iterator[Violation]:
        if not families:
            yield self._not_there("parameter-group", "Parameter group not found", f"no {kind} {name}")
            return
        engine, version = self._snapshot.engine, self._snapshot.engine_version
        versions = self._rds.describe_db_engine_versions(Engine=engine, EngineVersion=version)["DBEngineVersions"]
        wanted = {one["DBParameterGroupFamily"] for one in versions}
        if wanted and not wanted & set(families):
            yield Violation(
                "parameter-group-family",
                "Parameter group of another family",
                f"the {kind} {name} is of {families[0]}, and the snapshot's {engine} {version} needs one of "
                f"{', '.join(sorted(wanted))}: the source was upgraded. Name one of that family in the request.",
            )

    def _instance_classes(self) -> Iterator[Violation]:
        classes = dict.fromkeys(instance.instance_class for instance in self._configuration.instances or ())
        if SERVERLESS in classes and self._configuration.serverless_v2_scaling is None:
            yield Violation(
                "serverless-scaling",
                "Serverless scaling needed",
                f"an instance has the class {SERVERLESS}: give target.serverless_v2_scaling.",
            )
        for name in classes:
            options = self._rds.describe_orderable_db_instance_options(
                Engine=self._snapshot.engine, EngineVersion=self._snapshot.engine_version, DBInstanceClass=name
            )["OrderableDBInstanceOptions"]
            if not options:
                engine = f"{self._snapshot.engine} {self._snapshot.engine_version}"
                yield self._not_there("instance-class", "Instance class not available", f"no {name} for {engine}")

    def _instance_names(self) -> Iterator[Violation]:
        """An instance keeps its name when somebody renames its cluster to keep it; one that is deleting soon has none."""
        target = self._step_input.target
        numbers = range(1, len(self._configuration.instances or ()) + 1)
        for found in find_instances(self._rds, [instance_identifier(target.cluster, number) for number in numbers]):
            owner = found.get("DBClusterIdentifier")
            if owner != target.cluster and found["DBInstanceStatus"] not in BEING_DELETED:
                yield Violation(
                    "instance-name",
                    "Instance name is taken",
                    f"{found['DBInstanceArn']} belongs to {owner or 'no cluster'}, and the restored {target.cluster} would "
                    "have an instance of that name. Rename or delete that instance.",
                )

    def _kms_key(self) -> Iterator[Violation]:
        key = self._step_input.target.kms_key_id
        crosses = self._step_input.copy_needed
        if self._snapshot.encrypted and crosses and key is None:
            yield Violation(
                "kms-key",
                "KMS key needed",
                f"the snapshot {self._snapshot.identifier} is encrypted and changes region or account: "
                "name a key of the target's region in target.kms_key_id.",
            )
        if not self._snapshot.encrypted and crosses and key is not None:
            yield Violation(
                "kms-key",
                "KMS key not possible",
                f"the snapshot {self._snapshot.identifier} is not encrypted, and Aurora cannot encrypt while it copies: "
                "leave out target.kms_key_id, or encrypt the source.",
            )
        if key is not None:
            yield from self._kms_key_is_usable(key)

    def _kms_key_is_usable(self, key: str) -> Iterator[Violation]:
        kms = self._aws.kms(self._step_input.target, self._step_input.operation_id)
        found = _found(partial(kms.describe_key, KeyId=key))
        if found is None:
            yield self._not_there("kms-key", "KMS key not accessible", f"no KMS key {key}")
        elif (state := found["KeyMetadata"].get("KeyState", "Enabled")) != "Enabled":
            yield Violation("kms-key", "KMS key not accessible", f"the KMS key {key} is {state}: enable it.")

    def _engine_version(self) -> Iterator[Violation]:
        engine, version = self._snapshot.engine, self._snapshot.engine_version
        found = self._rds.describe_db_engine_versions(Engine=engine, EngineVersion=version)["DBEngineVersions"]
        if not found:
            yield self._not_there(
                "engine-version",
                "Engine version not available",
                f"no {engine} {version}, the version of the snapshot; upgrade the source to one that RDS still offers",
            )

    def _secrets(self) -> Iterator[Violation]:
        secrets = self._aws.secretsmanager(self._step_input.target, self._step_input.operation_id)
        master = self._step_input.target.master_user_secret_id
        for secret in dict.fromkeys((*secret_ids(self._step_input.users), *([master] if master else []))):
            found = _found(partial(secrets.describe_secret, SecretId=secret))
            if found is None:
                yield self._not_there("secret", "Secret not found", f"no secret {secret} in Secrets Manager")
            elif "DeletedDate" in found:
                text = f"the secret {secret} is marked for deletion and can no longer be read: restore it."
                yield Violation("secret", "Secret not found", text)

    def _topics(self) -> Iterator[Violation]:
        """A night that can tell nobody how it ended does not begin."""
        step_input = self._step_input
        for topic in step_input.notification.topic_arns:
            sns = self._aws.sns(step_input.target, step_input.operation_id, topic)
            if _missing(partial(sns.get_topic_attributes, TopicArn=topic)):
                text = f"there is no topic {topic}, and nobody would hear how the night ended. Create or correct it."
                yield Violation("topic", "Topic not found", text)

    def _not_there(self, rule: str, short: str, what: str) -> Violation:
        target = self._step_input.target
        return Violation(
            rule,
            short,
            f"there is {what} in {target.region} of account {target.account_id}. Create it or correct the request.",
        )


def _missing(look: Callable[[], object]) -> bool:
    return _found(look) is None


def _found(look: Callable[[], Answer]) -> Answer | None:
    try:
        return look()
    except ClientError as error:
        if action_for(error) is Action.ABSENT:
            return None
        raise
