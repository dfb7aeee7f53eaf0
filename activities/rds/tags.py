"""The tags that mark what the pipeline made, written at creation because later ones become visible late."""

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
"""On a copy: the ARN of the target that it was made for."""
SOURCE_SNAPSHOT = "aurora-restore:source-snapshot"
"""On a copy: the ARN of the snapshot that it was copied from."""
RESTORED_FROM = "aurora-restore:restored-from"
"""On a restored cluster: the ARN of the snapshot that it was restored from."""
MASTER_PASSWORD_SET_BY = "aurora-restore:master-password-set-by"  # noqa: S105 - a tag's name
"""On a restored cluster: the operation that replaced the master password that came with the snapshot."""
ARCHIVED_BY = "aurora-restore:archived-by"
"""On a copy: the operation that archived it."""


def tag_list(tags: Mapping[str, str]) -> Any:
    """Tags in the form that RDS expects."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(tag_list: Iterable[TagTypeDef]) -> dict[str, str]:
    """Tags in the form that RDS returns, as a dictionary."""
    return {tag["Key"]: tag.get("Value", "") for tag in tag_list}
