"""Whether a restore can succeed, as far as AWS tells without trying: looked at before hours of copying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from botocore.exceptions import ClientError

from activities.faults import Action, action_for
from activities.guards import Violation
from clients.aws import AwsClients
from models.snapshots import SnapshotCheckInput, SourceSnapshot

Answer = TypeVar("Answer")


class Readiness:
    """Everything that the later steps will need, looked up in the target's account and region."""

    def __init__(self, aws: AwsClients, of: SnapshotCheckInput, snapshot: SourceSnapshot) -> None:
        """`snapshot` is the one that will be restored."""
        self._aws = aws
        self._of = of
        self._snapshot = snapshot
        self._rds = aws.rds(of.target, of.operation_id)

    def violations(self) -> list[Violation]:
        """Everything that is missing."""
        checks = (
            self._subnet_group,
            self._security_groups,
            self._parameter_groups,
            self._kms_key,
            self._engine_version,
            self._secrets,
        )
        return [violation for check in checks for violation in check()]

    def _subnet_group(self) -> Iterator[Violation]:
        name = self._of.target.db_subnet_group_name
        if _missing(partial(self._rds.describe_db_subnet_groups, DBSubnetGroupName=name)):
            yield self._not_there("subnet-group", "Invalid VPC configuration", f"no DB subnet group {name}")

    def _security_groups(self) -> Iterator[Violation]:
        ec2 = self._aws.ec2(self._of.target, self._of.operation_id)
        for group in self._of.target.vpc_security_group_ids:
            if _missing(partial(ec2.describe_security_groups, GroupIds=[group])):
                yield self._not_there("security-group", "Invalid VPC configuration", f"no security group {group}")

    def _parameter_groups(self) -> Iterator[Violation]:
        short = "Parameter group not found"
        target = self._of.target
        if (group := target.db_cluster_parameter_group_name) and _missing(
            partial(self._rds.describe_db_cluster_parameter_groups, DBClusterParameterGroupName=group)
        ):
            yield self._not_there("parameter-group", short, f"no DB cluster parameter group {group}")
        for name in dict.fromkeys(instance.db_parameter_group_name for instance in target.instances):
            if name and _missing(partial(self._rds.describe_db_parameter_groups, DBParameterGroupName=name)):
                yield self._not_there("parameter-group", short, f"no DB parameter group {name}")

    def _kms_key(self) -> Iterator[Violation]:
        key = self._of.target.kms_key_id
        crosses = self._of.copy_needed
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
        kms = self._aws.kms(self._of.target, self._of.operation_id)
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
        secrets = self._aws.secretsmanager(self._of.target, self._of.operation_id)
        master = self._of.target.master_user_secret_id
        for secret in dict.fromkeys([user.secret_id for user in self._of.users] + ([master] if master else [])):
            found = _found(partial(secrets.describe_secret, SecretId=secret))
            if found is None:
                yield self._not_there("secret", "Secret not found", f"no secret {secret} in Secrets Manager")
            elif "DeletedDate" in found:
                text = f"the secret {secret} is marked for deletion and can no longer be read: restore it."
                yield Violation("secret", "Secret not found", text)

    def _not_there(self, rule: str, short: str, what: str) -> Violation:
        target = self._of.target
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
