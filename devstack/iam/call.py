"""A call as AWS receives it, before it is carried out: what IAM is asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from devstack.iam.evaluation import AccessRequest, Context

NO_CONTEXT: Context = MappingProxyType({})


class ResourceReader(Protocol):
    """Reads resources at the moment of a call, without asking IAM."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of a resource; none if it does not exist."""

    def secret_arn(self, secret_id: str) -> str:
        """The ARN of a secret, by name or ARN."""

    def key_arn(self, key_id: str) -> str:
        """The ARN of a key, by id, alias or ARN."""


@dataclass(frozen=True)
class Call:
    """A call as AWS receives it, before it is carried out."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    account: str
    region: str
    resources: ResourceReader

    @property
    def action(self) -> str:
        """The action of the call's own name."""
        return f"{self.service}:{self.operation}"

    def rds_arn(self, kind: str, name: str) -> str:
        """The ARN of a resource in the caller's account and region; an ARN as `name` is returned unchanged."""
        return name if name.startswith("arn:") else f"arn:aws:rds:{self.region}:{self.account}:{kind}:{name}"

    def request(self, resource: str, action: str | None = None, more: Context = NO_CONTEXT) -> AccessRequest:
        """The access request for one resource, with the resource's tags and the call's; `more` are further keys."""
        return AccessRequest(action or self.action, resource, {**self._context(resource), **more})

    def _context(self, resource: str) -> Context:
        context: dict[str, tuple[str, ...]] = {"aws:RequestedRegion": (self.region,)}
        context |= {f"aws:ResourceTag/{key}": (value,) for key, value in self.resources.tags(resource).items()}
        context |= {f"aws:RequestTag/{key}": (value,) for key, value in self.request_tags.items()}
        if keys := tuple(self.parameters.get("TagKeys", self.request_tags)):
            context["aws:TagKeys"] = keys
        return context

    @property
    def request_tags(self) -> dict[str, str]:
        """The tags that the call sets."""
        tags = self.parameters.get("Tags", [])
        return dict(tags) if isinstance(tags, Mapping) else {tag["Key"]: tag.get("Value", "") for tag in tags}
