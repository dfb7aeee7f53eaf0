"""Whose restore may wait for a resource, by the resource's name alone: no call is made for it.

A name is that of the target, or derived from it: a swap and a drill restore under names of their own, and the pipeline
numbers the instances that it creates. An instance whose name the target's owner chose leads to no restore, nor does a name that
was shortened; the events of the cluster itself do.
"""

from __future__ import annotations

import re

from events.messages import RdsResource
from models.drill import drill_target
from models.identifiers import IDENTIFIER, canonical_workflow_id, masked_target
from models.swap import NEXT, OLD

_INSTANCE = re.compile(r"(?P<cluster>.+?)(?P<operation>-op-[0-9]{3,})?-[0-9]{1,2}")
"""The names that `models/restored_settings.py` and `instance_identifier` give."""


def list_workflow_ids(resource: RdsResource, environment: str) -> frozenset[str]:
    """The canonical workflow ids under which a restore may wait for the resource; none for a kind that nothing waits for.

    `environment` is the one whose masked snapshots are waited for. A copy of a snapshot has no event that says that it ended.
    """
    targets = {name for name in _list_targets(resource, environment) if IDENTIFIER.fullmatch(name)}
    return frozenset(canonical_workflow_id(resource.region, resource.account_id, name) for name in targets)


def _list_targets(resource: RdsResource, environment: str) -> set[str]:
    if resource.kind == "cluster":
        return _targets_of_cluster(resource.name)
    if resource.kind == "db" and (form := _INSTANCE.fullmatch(resource.name)):
        # In a drill the operation is part of the cluster's name, in a swap only of the instance's.
        whole = form["cluster"] + (form["operation"] or "")
        return _targets_of_cluster(form["cluster"]) | _targets_of_cluster(whole)
    if resource.kind == "cluster-snapshot" and (target := masked_target(environment, resource.name)):
        return {target}
    return set()


def _targets_of_cluster(name: str) -> set[str]:
    """The target that has this name, and those that are swapped or drilled under it."""
    return {name, name.removesuffix(NEXT), name.removesuffix(OLD), drill_target(name) or name}
