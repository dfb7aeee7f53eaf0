"""Whether the tags of the restored cluster and its instances fit, together with the pipeline's own.

Source: Aurora User Guide, "Tagging Amazon Aurora and Amazon RDS resources": at most 50 for a resource.
"""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds import tags
from activities.rds.restore_parameters import identifier_of

MAX_TAGS = 50
ON_CLUSTERS = (tags.REPLACED_BY, tags.OPERATION, tags.RESTORED_FROM)
ON_INSTANCES = ON_ENDPOINTS = (tags.OPERATION,)


def tag_checks(context: RestoreContext) -> list[PreflightCheck]:
    """One check for the cluster and its instances."""
    return [PreflightCheck(("tag-count",), lambda: _find_too_many(context))]


def _find_too_many(context: RestoreContext) -> Iterator[Violation]:
    target = context.step_input.target
    for_password = (tags.MASTER_PASSWORD_SET_BY,) if target.master_user_secret_id else ()
    for_quarantine = (tags.QUARANTINE,) if target.quarantine else ()
    counts = {"the restored cluster": (context.settings.tags, (*ON_CLUSTERS, *for_password, *for_quarantine))}
    for number, instance in enumerate(context.settings.instances or (), start=1):
        counts[f"the instance {identifier_of(target.cluster, number, instance)}"] = (instance.tags, ON_INSTANCES)
    for endpoint in context.settings.custom_endpoints or ():
        counts[f"the custom endpoint {endpoint.identifier}"] = (endpoint.tags, ON_ENDPOINTS)
    for resource, (own, ours) in counts.items():
        count = len({*(own or {}), *ours})
        if count > MAX_TAGS:
            yield Violation(
                "tag-count",
                "Too many tags",
                f"{resource} would have {count} tags, {len(ours)} of them the pipeline's, but RDS allows {MAX_TAGS}. "
                "Remove tags from the target, or set fewer in the request.",
            )
