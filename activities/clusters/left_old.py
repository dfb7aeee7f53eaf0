"""The old cluster that a swap left as CLUSTER-old: a restore ended between the swap and its deletion.

That the cluster is the target's former one is proven as delete-rds proves it: by its resource id, which no other cluster
ever has, and by that of the cluster which has the target's name now. delete-rds knows both from its operation; a cleanup has
them from the trail, where swap-clusters declares them before it renames. The source cannot be it: snapshot-check compared the
same resource id. What the trail does not prove is listed and never deleted.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from activities.preflight import guards
from activities.preflight.blockers import blocker_checks
from activities.preflight.guards import ObservedTarget
from activities.rds import tags
from activities.rds.provenance import check_resource_id
from activities.rds.renames import NamedCluster
from activities.rds.statuses import BEING_DELETED, Meaning, cluster_meaning
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.rds.target_deletion import delete_target
from activities.step import Intents
from errors import Refused, ResourceBusy
from models.clusters import LastSwap
from models.inventory import Orphan, OrphanReason
from models.request import Target
from models.source import Source
from models.steps import Step
from models.swap import MAX_CLUSTER
from waiting.clock import now

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


class LeftOld(NamedTuple):
    """A cluster with the name of a swap's old one."""

    cluster: DBClusterTypeDef
    swap: LastSwap | None
    """The swap that left it; None: the trail has none."""
    kept_until: datetime | None
    """Until when `target.swap.keep_old` keeps it; None: the request keeps none."""

    @property
    def is_proven(self) -> bool:
        """Whether the trail proves that it is the target's former cluster, which another one has replaced."""
        return self.swap is not None and self.swap.succeeded


def find_left_old(
    intents: Intents, target: TargetCluster, requested: Target, source: Source, running: str | None = None
) -> LeftOld | None:
    """The cluster that has the name of the target's old one, unless the operation that runs now may own it.

    None also if nothing speaks for a swap: neither the trail, nor the tag with which its owner lets this source replace it.
    """
    if len(requested.cluster) > MAX_CLUSTER:
        return None
    cluster = target.renamed(requested.replaced).find()
    if cluster is None or cluster["Status"] in BEING_DELETED:
        return None
    if running is not None:
        return find_proven(intents, requested, cluster, running)
    opted_in = tags.tags_of(cluster.get("TagList", [])).get(tags.REPLACED_BY) == source.arn
    swap = _find_swap(intents, requested, cluster)
    return _left_old(requested, cluster, swap) if swap or opted_in else None


def find_proven(intents: Intents, requested: Target, cluster: DBClusterTypeDef, running: str) -> LeftOld | None:
    """The cluster, if the trail proves that another operation than the running one left it.

    An operation that has renamed anything owns the old cluster until it ends.
    """
    if cluster["Status"] in BEING_DELETED or intents.has_intent(Step.SWAP_CLUSTERS, running):
        return None
    swap = _find_swap(intents, requested, cluster)
    return _left_old(requested, cluster, swap) if swap else None


def _left_old(requested: Target, cluster: DBClusterTypeDef, swap: LastSwap | None) -> LeftOld:
    keep_old = requested.swap_limits.keep_old
    return LeftOld(cluster, swap, swap.declared_at + keep_old if swap and keep_old else None)


def _find_swap(intents: Intents, requested: Target, cluster: DBClusterTypeDef) -> LastSwap | None:
    return intents.find_last_swap(requested.arn, cluster["DbClusterResourceId"], now())


def describe_left_old(left: LeftOld) -> Orphan:
    """The cluster as an orphan, with what it costs to keep, or with what to do about one that no cleanup deletes."""
    cluster, swap = left.cluster, left.swap
    if swap is None:
        remark = (
            "no swap in the trail proves that it is one, so no cleanup deletes it. If nobody needs it:"
            f"{_list_deletions(cluster)}"
        )
    elif swap.succeeded:
        count = len(cluster.get("DBClusterMembers", []))
        remark = f"kept for {_age(swap.declared_at)}; its {count} instance(s) and its storage cost as before"
        if left.kept_until and now() < left.kept_until:
            until = f"{left.kept_until:%Y-%m-%d %H:%M} UTC"
            remark += f"; target.swap.keep_old keeps it until {until}, and no cleanup deletes it before"
    else:
        remark = "that swap did not succeed or was rolled back, so no cleanup deletes it: see which cluster has the target's name"
    return Orphan(
        arn=cluster["DBClusterArn"],
        identifier=cluster["DBClusterIdentifier"],
        reason=OrphanReason.OLD if left.is_proven else OrphanReason.UNPROVEN,
        status=cluster["Status"],
        operation_id=swap.operation_id if swap else None,
        remark=remark,
    )


def _list_deletions(cluster: DBClusterTypeDef) -> str:
    """The commands that delete it, each on a line of its own: an Aurora cluster has 16 instances at most."""
    region = cluster["DBClusterArn"].split(":")[3]
    members = [member["DBInstanceIdentifier"] for member in cluster.get("DBClusterMembers", [])]
    lines = [f"delete-db-instance --region {region} --db-instance-identifier {member}" for member in members]
    name = cluster["DBClusterIdentifier"]
    lines.append(f"delete-db-cluster --region {region} --db-cluster-identifier {name} --skip-final-snapshot")
    return "".join(f"\n    aws rds {line}" for line in lines)


def delete_left_old(target: TargetCluster, requested: Target, source: Source, left: LeftOld) -> None:
    """Delete the old cluster of a swap, with the proofs and the guards of delete-rds.

    Returns when RDS is deleting it. Raises `Refused` if a proof or a guard refuses, `ResourceBusy` (transient) if RDS does
    not delete it for now.
    """
    _check_kept_long_enough(left)
    named = target.renamed(requested.replaced)

    def prove_now() -> DBClusterTypeDef:
        proven = _prove(target, named, requested, left)
        if proven["Status"] not in BEING_DELETED:
            no_sources, caller = guards.known_resource_ids(), target.caller_account()
            observed = ObservedTarget(source, requested.replaced, proven, no_sources, caller, target.environment)
            guards.refuse_if_any(guards.guard_violations(observed))
        return proven

    cluster = prove_now()
    if cluster["Status"] in BEING_DELETED:
        return
    guards.refuse_if_any(guards.find_violations(blocker_checks(target.reader, cluster)))
    # The blockers took time: read again which instances it has, and whether it is stopped.
    cluster = prove_now()
    busy = start_if_stopped(named, cluster)
    if busy is None:
        try:
            delete_target(named, cluster, prove_now)
        except Refused as refused:
            raise _with_lost_instances(target, requested, cluster, refused) from refused
        after = named.find_by_resource_id(cluster["DbClusterResourceId"])
        if after is None or after["Status"] in BEING_DELETED:
            return
        busy = after["Status"]
    raise ResourceBusy(
        "Cluster is busy",
        f"RDS does not delete {cluster['DBClusterArn']} for now ({busy}). Check their status in RDS, then clean up again.",
    )


def _prove(target: TargetCluster, named: TargetCluster, requested: Target, left: LeftOld) -> DBClusterTypeDef:
    """The old cluster, read again; raises unless it still is one and its successor answers under the target's name."""
    swap, resource_id = left.swap, left.cluster["DbClusterResourceId"]
    arn = left.cluster["DBClusterArn"]
    if swap is None or not swap.succeeded:
        raise Refused("Old cluster is not proven", f"the trail has no swap that left {arn}. It is kept.")
    cluster, new = named.find_by_resource_id(resource_id), target.find()
    if new is None:
        raise Refused(
            "Nothing has the target's name",
            f"{arn} is not deleted, because {requested.arn} does not exist: it may be the only one left.\n"
            f"    aws rds modify-db-cluster --region {requested.region} --db-cluster-identifier {named.name} "
            f"--new-db-cluster-identifier {requested.cluster} --apply-immediately\n"
            "gives it the target's name back. Restore the target, or give the old cluster its name back.",
        )
    check_resource_id(new, swap.new_resource_id, f"restored by {swap.operation_id}")
    renaming = NamedCluster(new, requested.cluster).is_renaming
    if renaming or cluster_meaning(new["Status"]) is not Meaning.READY:
        found = "being renamed" if renaming else new["Status"]
        raise Refused(
            "Target is not available",
            f"{arn} is not deleted while {requested.arn} is {found}, expected available. Clean up again when it is.",
        )
    if cluster is None:
        raise ResourceBusy("Old cluster not visible", f"RDS no longer lists {arn}. The next attempt reads again.")
    # RDS deletes the instances of a cluster that it has yet to rename.
    renaming = NamedCluster(cluster, named.name).is_renaming
    if renaming or cluster["DBClusterIdentifier"] != named.name:
        found = f"named {cluster['DBClusterIdentifier']}{' and being renamed' if renaming else ''}"
        raise Refused(
            "Old cluster was renamed",
            f"{resource_id} is now {found}, expected {named.name}. It is kept, because a user who renames a cluster wants "
            "to keep it.",
        )
    return cluster


def _check_kept_long_enough(left: LeftOld) -> None:
    """Raise `Refused` while the request still keeps the old cluster: a restore that was ended early no longer does."""
    if left.kept_until is None or now() >= left.kept_until:
        return
    raise Refused(
        "Old cluster is kept",
        f"{left.cluster['DBClusterArn']} is kept until {left.kept_until:%Y-%m-%d %H:%M} UTC, as target.swap.keep_old says. "
        "Clean up again then; or take keep_old out of the request, if nobody needs the cluster.",
    )


def _with_lost_instances(
    target: TargetCluster, requested: Target, before: DBClusterTypeDef, refused: Refused
) -> Refused:
    """The refusal; if instances were deleted before it, it says which, under whatever name the cluster has now."""
    kept = target.find_by_resource_id(before["DbClusterResourceId"])
    if kept is None:
        return refused
    named = target.renamed(requested.model_copy(update={"cluster": kept["DBClusterIdentifier"]}))
    left = {
        each["DBInstanceIdentifier"] for each in named.list_instances() if each["DBInstanceStatus"] not in BEING_DELETED
    }
    lost = [
        name for member in before.get("DBClusterMembers", []) if (name := member["DBInstanceIdentifier"]) not in left
    ]
    if not lost:
        return refused
    return refused.with_more(
        f"Its instances {', '.join(lost)} were deleted before; its data is still there. "
        "To reach it, create an instance: aws rds create-db-instance."
    )


def _age(since: datetime) -> str:
    hours = int((now() - since).total_seconds() // 3600)
    return f"{hours // 24} d {hours % 24} h"
