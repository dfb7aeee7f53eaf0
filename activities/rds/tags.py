"""The tags that mark what the pipeline made, written at creation because later ones become visible late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import TagTypeDef

REPLACED_BY = "aurora-restore:replaced-by"
"""On a target: the ARN of the one source cluster that may replace it. Set by its owner; this is the opt-in."""
OPERATION = "aurora-restore:operation"
"""On all that an operation made, copies, masked snapshots, clusters, instances: environment and operation; see `operation_tag`."""
COPY_FOR = "aurora-restore:copy-for"
"""On a copy: the ARN of the target that it was made for."""
SOURCE_SNAPSHOT = "aurora-restore:source-snapshot"
"""On a copy: the ARN of the snapshot that it was copied from."""
RESTORED_FROM = "aurora-restore:restored-from"
"""On a restored cluster: the ARN of the snapshot that it was restored from."""
MASTER_PASSWORD_SET_BY = "aurora-restore:master-password-set-by"  # noqa: S105 - a tag's name
"""On a restored cluster: the operation that replaced the master password that came with the snapshot."""
QUARANTINE = "aurora-restore:quarantine"
"""On a cluster that was restored into quarantine: the security groups that are not its own, separated by spaces."""
MASKED_OF = "aurora-restore:masked-of"
"""On a snapshot of a masked target: the ARN of the target."""
ARCHIVED_BY = "aurora-restore:archived-by"
"""On a copy: the operation that archived it."""


def operation_tag(environment: str, operation_id: str) -> str:
    """The value by which an operation knows what it made, such as `aurora-restore/op-005`.

    Every environment counts from op-001: the number alone says nothing. It is also the value of `MASTER_PASSWORD_SET_BY`
    and `ARCHIVED_BY`.
    """
    return f"{environment}/{operation_id}"


def environment_of(operation: str) -> str:
    """The environment in a value that `operation_tag` made; empty if another program wrote it."""
    return operation.rpartition("/")[0]


def number_of(operation: str) -> float:
    """The number in aurora-restore/op-007 or op-007; the greatest if another program wrote the tag."""
    number = operation.rpartition("/")[2].removeprefix("op-")
    return int(number) if number.isascii() and number.isdigit() else float("inf")


def describe_operation(operation: str, own_environment: str) -> str:
    """For a reader: op-005, or op-005 of the environment staging if that is another one."""
    environment, _, operation_id = operation.rpartition("/")
    return operation_id if environment == own_environment else f"{operation_id} of the environment {environment or '?'}"


def is_restored_by(tagged: Mapping[str, str], operation: str) -> bool:
    """Whether a cluster with these tags was restored by the operation, as `operation_tag` writes it."""
    return tagged.get(OPERATION) == operation and RESTORED_FROM in tagged


def copy_tags(target_arn: str, operation: str, snapshot_arn: str) -> dict[str, str]:
    """The tags of a copy."""
    return {COPY_FOR: target_arn, OPERATION: operation, SOURCE_SNAPSHOT: snapshot_arn}


def masked_tags(target_arn: str, operation: str) -> dict[str, str]:
    """The tags of a snapshot of a masked target."""
    return {MASKED_OF: target_arn, OPERATION: operation}


def tag_list(tags: Mapping[str, str]) -> Any:
    """Tags in the form that RDS expects."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(tag_list: Iterable[TagTypeDef]) -> dict[str, str]:
    """Tags in the form that RDS returns, as a dictionary."""
    return {tag["Key"]: tag.get("Value", "") for tag in tag_list}
