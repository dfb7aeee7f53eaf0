"""One question to IAM: its form, and how the condition keys of a call are made from what it sends and what it meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from activities.rds import tags
from models.identifiers import partition

Context = Mapping[str, tuple[str, ...]]
"""IAM's condition keys with their values."""
READERS_OF_AUTO_SCALING = "application-autoscaling:resourceId"  # the tag of a reader that it adds


@dataclass(frozen=True)
class Access:
    """One question to IAM, and the statement of deploy/template.yaml that answers it."""

    action: str
    resource: str
    statement: str
    context: Context = field(default_factory=dict)

    @property
    def text(self) -> str:
        """For a message."""
        return f"{self.action} on {self.resource} (statement {self.statement})"


def create(
    action: str, arn: str, statement: str, made_with: Mapping[str, str], more: Context | None = None
) -> Iterable[Access]:
    """A call that creates a resource with tags needs the permission to tag it, too."""
    context = request_tags(made_with)
    return (
        Access(action, arn, statement, context | dict(more or {})),
        Access("rds:AddTagsToResource", arn, statement, context),
    )


def pass_role(role: str, service: str) -> Access:
    """That AWS's service gets a role of the target."""
    return Access("iam:PassRole", role, "PassTheTargetsRoles", {"iam:PassedToService": (service,)})


def statement_of_deletion(tagged: Mapping[str, str]) -> str:
    """Which statement allows the deletion of an instance with these tags."""
    if READERS_OF_AUTO_SCALING in tagged:
        return "DeleteReadersOfAutoScaling"
    return "ReplaceWhatOptedIn" if tags.REPLACED_BY in tagged else "DeleteOwnInstances"


def resource_tags(tagged: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The keys of the tags that a resource has."""
    return {f"aws:ResourceTag/{key}": (value,) for key, value in tagged.items()}


def request_tags(sent: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The keys of the tags that a call sends."""
    return {f"aws:RequestTag/{key}": (value,) for key, value in sent.items()} | {"aws:TagKeys": tuple(sent)}


def secret_arn(region: str, account_id: str, secret_id: str) -> str:
    """The ARN of a secret; by name with some six characters, since Secrets Manager chooses them."""
    if secret_id.startswith("arn:"):
        return secret_id
    return f"arn:{partition(region)}:secretsmanager:{region}:{account_id}:secret:{secret_id}-abcdef"
