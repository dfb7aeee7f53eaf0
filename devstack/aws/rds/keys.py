"""KMS keys and managed master passwords: the calls that RDS itself makes to KMS and Secrets Manager."""

from __future__ import annotations

import json
import secrets
import uuid

from devstack.aws.caller import Caller
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Cluster, ManagedSecret
from devstack.aws.rds.state import RdsState, Region
from devstack.aws.services import ServiceError

DEFAULT_KEY = "alias/aws/rds"
DEFAULT_SECRET_KEY = "alias/aws/secretsmanager"  # noqa: S105 - the alias of a key


def key_arn(state: RdsState, region: Region, key: str) -> str:
    """The ARN of a key of this account and region, named by id, ARN or alias. Raises RdsError unless it is enabled."""
    arn = _enabled_key(state, region, key)
    if arn is None:
        raise RdsError(
            "KMSKeyNotAccessibleFault",
            f"The specified KMS key [{key}] does not exist, is not enabled or you do not have permissions "
            "to access it.",
        )
    return arn


def is_default_key(state: RdsState, region: Region, arn: str) -> bool:
    """Whether a key is the account's default key `aws/rds`, which no other account may use."""
    return arn == _enabled_key(state, region, DEFAULT_KEY)


def _enabled_key(state: RdsState, region: Region, key: str) -> str | None:
    if key.startswith("arn:") and key.split(":")[3] != region.name:
        return None
    try:
        response = state.services.call(_caller(region, "kms"), "TrentService.DescribeKey", {"KeyId": key})
    except ServiceError:
        return None
    metadata = response["KeyMetadata"]
    return str(metadata["Arn"]) if metadata["KeyState"] == "Enabled" else None


def _caller(region: Region, service: str) -> Caller:
    return Caller(region.account, region.name, service)


def create_secret(state: RdsState, cluster: Cluster, kms_key: str | None) -> tuple[ManagedSecret, str]:
    """Create the managed secret of a cluster's master user; returns it with its password."""
    region = state.region_of(cluster)
    key = key_arn(state, region, kms_key or DEFAULT_SECRET_KEY)
    password = secrets.token_urlsafe(24)
    response = state.services.call(
        _caller(region, "secretsmanager"),
        "secretsmanager.CreateSecret",
        {
            "Name": f"rds!cluster-{uuid.uuid4()}",
            "Description": f"Secret associated with primary RDS DB cluster: {cluster.arn}",
            "KmsKeyId": key,
            "SecretString": json.dumps({"username": cluster.master_username, "password": password}),
            "Tags": [
                {"Key": "aws:rds:primaryDBClusterArn", "Value": cluster.arn},
                {"Key": "aws:secretsmanager:owningService", "Value": "rds"},
            ],
        },
    )
    return ManagedSecret(arn=str(response["ARN"]), status="creating", kms_key_id=key), password


def rotate_secret(state: RdsState, cluster: Cluster, secret: ManagedSecret) -> str:
    """Write a new password to the managed secret; returns the password."""
    password = secrets.token_urlsafe(24)
    content = json.dumps({"username": cluster.master_username, "password": password})
    state.services.call(
        _caller(state.region_of(cluster), "secretsmanager"),
        "secretsmanager.PutSecretValue",
        {"SecretId": secret.arn, "SecretString": content},
    )
    return password


def delete_secret(state: RdsState, cluster: Cluster) -> None:
    """Delete the managed secret with its cluster; a secret that is already deleted is ignored."""
    secret, cluster.secret = cluster.secret, None
    if secret is None:
        return
    try:
        state.services.call(
            _caller(state.region_of(cluster), "secretsmanager"),
            "secretsmanager.DeleteSecret",
            {"SecretId": secret.arn, "ForceDeleteWithoutRecovery": True},
        )
    except ServiceError as error:
        if error.code != "ResourceNotFoundException":
            raise
