"""Names and ARNs: their forms, and every name that is derived from a request.

Sources: RDS API Reference, CreateDBCluster and CopyDBClusterSnapshot (identifiers); IAM identifiers (ARNs, account ids).
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from models.text_forms import text_form
from models.workflow_names import CANONICAL_ID_PREFIX

IDENTIFIER = re.compile(r"[a-z](-?[a-z0-9])*")
"""The form of an identifier of RDS, as RDS stores it."""


def _rds_identifier(value: str) -> str:
    """The identifier in lower case, as RDS stores it: names are compared before something is deleted."""
    lowered = value.lower()
    if not IDENTIFIER.fullmatch(lowered):
        raise ValueError(
            "must be 1 to 63 letters, digits and hyphens, begin with a letter, and have no hyphen at its end nor two in a row"
        )
    return lowered


def _snapshot_identifier(value: str) -> str:
    prefix, _, name = value.lower().rpartition(":")
    if prefix not in ("", "rds", "awsbackup"):
        raise ValueError("must be a snapshot identifier; a colon is allowed only in the prefix rds: or awsbackup:")
    return f"{prefix}:{_rds_identifier(name)}" if prefix else _rds_identifier(name)


AccountId = Annotated[str, text_form(r"^[0-9]{12}$", "12 digits")]
"""An AWS account id: 12 digits, as a string, because leading zeros count."""

Region = Annotated[str, text_form(r"^[a-z]{2}(-[a-z]+)+-[0-9]$", "an AWS region such as eu-west-1", max_length=30)]
"""An AWS region code such as eu-west-1."""

ClusterIdentifier = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(_rds_identifier)]
"""A DB cluster identifier, lower-cased as RDS stores it."""

SnapshotIdentifier = Annotated[
    str, StringConstraints(min_length=1, max_length=255), AfterValidator(_snapshot_identifier)
]
"""A DB cluster snapshot identifier; automated ones have the prefix rds:."""

SnapshotPrefix = Annotated[str, StringConstraints(min_length=1, max_length=50), AfterValidator(_rds_identifier)]
"""The part of a snapshot's name before its date: daily-backup in daily-backup-2024-03-20."""

ResourceName = Annotated[
    str, text_form(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$", "letters, digits, dots, underscores and hyphens")
]
"""The name of a subnet group or a parameter group."""

SecurityGroupId = Annotated[str, text_form(r"^sg-[0-9a-f]{8,17}$", "a security group id such as sg-0123456789abcdef0")]
"""A VPC security group id."""

InstanceClass = Annotated[
    str, text_form(r"^db\.[a-z0-9-]+(\.[a-z0-9-]+)?$", "an instance class such as db.r6g.large", max_length=40)
]
"""A DB instance class such as db.r6g.large or db.serverless."""

KmsKeyId = Annotated[str, text_form(r"^[A-Za-z0-9:/_-]{1,2048}$", "the id, the ARN or an alias of a KMS key")]
"""A KMS key: its id, its ARN, or an alias such as alias/staging."""

SecretId = Annotated[str, text_form(r"^[A-Za-z0-9/_+=.@:!-]{1,2048}$", "the name or the ARN of a secret")]
"""The name or the ARN of a secret in Secrets Manager; never the secret itself."""

RoleArn = Annotated[
    str,
    text_form(
        r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$",
        "the ARN of an IAM role such as arn:aws:iam::111122223333:role/NAME",
    ),
]
"""The ARN of an IAM role to assume."""

TopicArn = Annotated[
    str,
    text_form(
        r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
        "the ARN of a standard SNS topic such as arn:aws:sns:eu-west-1:111122223333:NAME",
    ),
]
"""The ARN of a standard SNS topic."""


EngineVersion = Annotated[
    str, text_form(r"^[0-9][0-9A-Za-z._-]{0,63}$", "an engine version such as 16.8 or 8.0.mysql_aurora.3.08.2")
]


def cluster_arn(region: str, account_id: str, cluster: str) -> str:
    """The ARN of a DB cluster (RDS User Guide, Constructing an ARN)."""
    return f"arn:{partition(region)}:rds:{region}:{account_id}:cluster:{cluster}"


def partition(region: str) -> str:
    """The AWS partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def canonical_workflow_id(region: str, account_id: str, cluster: str) -> str:
    """The one workflow id under which a target is restored, the canonical id.

    Temporal runs one workflow of an id at a time, so two restores of one target never run at the same time, however
    they were started.
    """
    return f"{CANONICAL_ID_PREFIX}{account_id}:{region}:{cluster}"


def arn_of_workflow_id(workflow_id: str) -> str:
    """The ARN of the target whose canonical id this is."""
    account_id, region, cluster = workflow_id.removeprefix(CANONICAL_ID_PREFIX).split(":")
    return cluster_arn(region, account_id, cluster)


DEFAULT_ENVIRONMENT = "aurora-restore"
MAX_ENVIRONMENT = 20
_ENVIRONMENT = re.compile(r"[a-z](-?[a-z0-9])*")
EnvironmentName = Annotated[
    str,
    text_form(
        f"^{_ENVIRONMENT.pattern}$",
        f"1 to {MAX_ENVIRONMENT} lower-case letters, digits and single hyphens, beginning with a letter",
        max_length=MAX_ENVIRONMENT,
    ),
]
"""The name of one environment: one pair of tables, whose operations are numbered from op-001."""


def environment_of_table(operations_table: str) -> str:
    """The environment that the operations table belongs to: `staging` of `staging-operations`.

    Any other name is shortened, with a digest, so that two tables never give the same environment.
    """
    name = operations_table.removesuffix("-operations")
    if name != operations_table and _ENVIRONMENT.fullmatch(name) and len(name) <= MAX_ENVIRONMENT:
        return name
    digest = hashlib.sha256(operations_table.encode()).hexdigest()[:8]
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: MAX_ENVIRONMENT - len("e--") - len(digest)]
    return f"e-{words.strip('-')}-{digest}" if words else f"e-{digest}"


_COPY_NAME = re.compile(r"(?P<beginning>.+)-[0-9]{8}-[0-9a-f]{10}")
_MAX_COPY_BEGINNING = 41


def copy_identifier(environment: str, target_arn: str, snapshot_arn: str, snapshot_created_at: datetime) -> str:
    """The name of the copy of one source snapshot that one environment makes for one target, at most 63 characters.

    The same snapshot always has the same name, so a repeated call finds the copy instead of making another. The digest
    tells a snapshot from an earlier one of the same name, and two targets apart whose names begin alike.
    """
    digest = hashlib.sha256(f"{target_arn}|{snapshot_arn}|{snapshot_created_at.isoformat()}".encode()).hexdigest()[:10]
    return f"{copy_name_prefix(environment, target_arn)}-{snapshot_created_at:%Y%m%d}-{digest}"


def copy_name_prefix(environment: str, target_arn: str) -> str:
    """The beginning of the names of all copies that an environment makes for one target."""
    return f"{environment}-{target_arn.rpartition(':')[2]}"[:_MAX_COPY_BEGINNING].rstrip("-")


def is_copy_name(environment: str, name: str) -> bool:
    """Whether `copy_identifier` gives such a name in this environment."""
    return name.startswith(f"{environment}-") and _COPY_NAME.fullmatch(name) is not None


def is_copy_name_for(environment: str, target_arn: str, name: str) -> bool:
    """Whether `copy_identifier` gives such a name to this environment's copies for the target."""
    form = _COPY_NAME.fullmatch(name)
    return form is not None and form["beginning"] == copy_name_prefix(environment, target_arn)


_MASKED_NAME = re.compile(r"(?P<beginning>.+)-[0-9]{8}-[0-9a-f]{10}-masked")
_MAX_MASKED_BEGINNING = 36


def masked_identifier(
    environment: str, target_arn: str, cluster_resource_id: str, snapshot_created_at: datetime
) -> str:
    """The name of the snapshot of one restored and masked cluster, at most 63 characters; no copy has such a name.

    The same cluster always gives the same name. The date is that of the data: of the snapshot that was restored.
    """
    digest = hashlib.sha256(f"{target_arn}|{cluster_resource_id}".encode()).hexdigest()[:10]
    return f"{_masked_name_prefix(environment, target_arn)}-{snapshot_created_at:%Y%m%d}-{digest}-masked"


def is_masked_name_for(environment: str, target_arn: str, name: str) -> bool:
    """Whether `masked_identifier` gives such a name to this environment's snapshots of the target."""
    form = _MASKED_NAME.fullmatch(name)
    return form is not None and form["beginning"] == _masked_name_prefix(environment, target_arn)


def masked_target(environment: str, name: str) -> str | None:
    """The target for whose masked snapshot `masked_identifier` gives this name; None if it gives it to none.

    Wrong for a target whose name was shortened: whether it was, the name does not say.
    """
    form = _MASKED_NAME.fullmatch(name)
    return form["beginning"].removeprefix(f"{environment}-") if form and name.startswith(f"{environment}-") else None


def _masked_name_prefix(environment: str, target_arn: str) -> str:
    return copy_name_prefix(environment, target_arn)[:_MAX_MASKED_BEGINNING].rstrip("-")


def instance_identifier(cluster: str, number: int) -> str:
    """The name of a cluster's instance; number 1 is the writer."""
    suffix = f"-{number}"
    return cluster[: 63 - len(suffix)].rstrip("-") + suffix
