"""One planned restore, and what AWS says about the resources that it names; every resource is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from activities.preflight.guards import Violation
from activities.rds.aws_errors import answer_if_exists
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from models.configuration import ClusterSettings
from models.snapshots import SnapshotCheckInput, SourceSnapshot

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef
    from mypy_boto3_kms.type_defs import KeyMetadataTypeDef
    from mypy_boto3_rds.type_defs import DBEngineVersionTypeDef, DBSubnetGroupTypeDef
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

Answer = TypeVar("Answer")


class RestoreContext:
    """The input of the checks. A resource that does not exist is None or an empty list; other errors pass through."""

    def __init__(
        self,
        aws: AwsClients,
        target: TargetCluster,
        step_input: SnapshotCheckInput,
        snapshot: SourceSnapshot,
        settings: ClusterSettings,
    ) -> None:
        """`snapshot` is the one to restore; `settings` are the restored cluster's, as far as they are known."""
        self.aws = aws
        self.target = target
        self.step_input = step_input
        self.snapshot = snapshot
        self.settings = settings
        self.version = step_input.target.engine_version or snapshot.engine_version
        """The engine version of the restored cluster."""
        self._read: dict[str, Any] = {}

    def find_subnet_group(self, name: str) -> DBSubnetGroupTypeDef | None:
        """Source: RDS API Reference, DescribeDBSubnetGroups."""
        answer = self._once(
            f"subnet-group {name}", partial(self.target.reader.describe_db_subnet_groups, DBSubnetGroupName=name)
        )
        return None if answer is None else next(iter(answer.get("DBSubnetGroups", [])), None)

    @property
    def known_subnet_group(self) -> DBSubnetGroupTypeDef | None:
        """The subnet group of the settings, for checks of something else; None if none is known."""
        name = self.settings.db_subnet_group_name
        return known(partial(self.find_subnet_group, name)) if name else None

    def find_security_group(self, name: str) -> SecurityGroupTypeDef | None:
        """Source: EC2 API Reference, DescribeSecurityGroups."""
        ec2 = self.aws.ec2(self.step_input.target, self.step_input.operation_id)
        answer = self._once(f"security-group {name}", partial(ec2.describe_security_groups, GroupIds=[name]))
        return None if answer is None else next(iter(answer.get("SecurityGroups", [])), None)

    def cluster_group_families(self, name: str) -> list[str]:
        """The family of a cluster parameter group. Source: RDS API Reference, DescribeDBClusterParameterGroups."""
        describe = partial(self.target.reader.describe_db_cluster_parameter_groups, DBClusterParameterGroupName=name)
        return _families(self._once(f"cluster-pg {name}", describe), "DBClusterParameterGroups")

    def instance_group_families(self, name: str) -> list[str]:
        """The family of an instance's parameter group. Source: RDS API Reference, DescribeDBParameterGroups."""
        describe = partial(self.target.reader.describe_db_parameter_groups, DBParameterGroupName=name)
        return _families(self._once(f"pg {name}", describe), "DBParameterGroups")

    def find_key(self, key: str) -> KeyMetadataTypeDef | None:
        """A key of the target's region. Source: KMS API Reference, DescribeKey."""
        kms = self.aws.kms(self.step_input.target, self.step_input.operation_id)
        answer = self._once(f"key {key}", partial(kms.describe_key, KeyId=key))
        return answer["KeyMetadata"] if answer else None

    def find_secret(self, secret: str) -> DescribeSecretResponseTypeDef | None:
        """Its description, not its value. Source: Secrets Manager API Reference, DescribeSecret."""
        secrets = self.aws.secretsmanager(self.step_input.target, self.step_input.operation_id)
        return self._once(f"secret {secret}", partial(secrets.describe_secret, SecretId=secret))

    @cached_property
    def offered_versions(self) -> list[DBEngineVersionTypeDef]:
        """What RDS offers of the restored cluster's engine version in the target's region: one, or none."""
        return self.target.reader.describe_db_engine_versions(Engine=self.snapshot.engine, EngineVersion=self.version)[
            "DBEngineVersions"
        ]

    def missing_resource(self, rule: str, short: str, resource: str) -> Violation:
        """The violation for a resource of the target's account and region that does not exist."""
        target = self.step_input.target
        return Violation(
            rule,
            short,
            f"the {resource} does not exist in account {target.account_id}, region {target.region}. "
            "Create it or correct the request.",
        )

    def _once(self, resource: str, describe: Callable[[], Answer]) -> Answer | None:
        if resource not in self._read:
            self._read[resource] = answer_if_exists(describe)
        answer: Answer | None = self._read[resource]
        return answer


def known(read: Callable[[], Answer]) -> Answer | None:
    """What `read` finds; None if AWS does not allow the read: one check, the resource's own, says so."""
    try:
        return read()
    except ClientError:
        return None


def _families(answer: Any, member: str) -> list[str]:
    return [group["DBParameterGroupFamily"] for group in answer[member]] if answer else []
