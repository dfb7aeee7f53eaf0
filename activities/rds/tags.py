"""The tags by which the pipeline knows its own, written at creation because tags added later are seen late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import TagTypeDef

REPLACED_BY = "aurora-restore:replaced-by"
"""On a target: the ARN of the one source cluster that may replace it. Set by its owner; this is the opt-in."""
OPERATION = "aurora-restore:operation"
"""On a copy and a restored cluster: the operation that made it."""
COPY_FOR = "aurora-restore:copy-for"
"""On a copy: the ARN of the target it was made for."""
SOURCE_SNAPSHOT = "aurora-restore:source-snapshot"
"""On a copy: the ARN of the snapshot it was made of."""
RESTORED_FROM = "aurora-restore:restored-from"
"""On a restored cluster: the ARN of the snapshot it was restored from."""
MASTER_PASSWORD_SET_BY = "aurora-restore:master-password-set-by"  # noqa: S105 - a tag's name
"""On a restored cluster: the operation that replaced the master password that came with the snapshot."""
ARCHIVED_BY = "aurora-restore:archived-by"
"""On a copy: the operation that kept it."""


def tag_list(tags: Mapping[str, str]) -> Any:
    """Tags as RDS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(tag_list: Iterable[TagTypeDef]) -> dict[str, str]:
    """Tags as RDS gives them."""
    return {tag["Key"]: tag.get("Value", "") for tag in tag_list}
