"""How far a restored cluster has come, and its instances: those that AWS makes at the same time are asked for together.

docs/architecture.md has the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from activities.rds.instances import QuoteEvents, create_missing_instances, restore_failed
from activities.rds.restore_parameters import identifier_of
from activities.rds.shared_polls import SharedPolls
from activities.rds.statuses import Meaning, cluster_meaning, instance_meaning
from activities.rds.target import TargetCluster
from models.clusters import CheckRestoreInput
from models.waits import Change
from waiting.only_reads import last_seen

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef

RESETTING_PASSWORD = "resetting-master-credentials"  # noqa: S105 - a status of RDS
CREATIONS = frozenset({Change.WRITER_CREATION, Change.READER_CREATION})


class Pending(NamedTuple):
    """What the step waits for."""

    change: Change
    text: str


def still_creating(
    step_input: CheckRestoreInput, target: TargetCluster, shared: SharedPolls, *, may_have_readers: bool
) -> list[Pending]:
    """The instances that RDS creates, if the last poll saw the same changes and no other: then the cluster costs no read.

    Empty in every other case, and then the poll reads the cluster, too: also in an activity's first poll, while a reader that
    may be there is not, while a database that the writer already serves is not closed, and beside an instance that failed.
    """
    seen = last_seen.get()
    is_to_be_closed = step_input.closing is not None and Change.WRITER_CREATION not in seen
    if not seen or not seen <= CREATIONS or is_to_be_closed:
        return []
    listed = shared.find_instances() or target.list_instances()
    statuses = {each["DBInstanceIdentifier"]: instance_meaning(each.get("DBInstanceStatus", "")) for each in listed}
    if not set(statuses.values()) <= {Meaning.READY, Meaning.WAIT}:
        return []
    existing = {instance["DBInstanceIdentifier"]: instance for instance in listed}
    creating = []
    for number, configured in enumerate(step_input.configuration.instances, start=1):
        identifier = identifier_of(step_input.target.cluster, number, configured)
        if identifier not in existing and may_have_readers:
            return []
        if statuses.get(identifier) is Meaning.WAIT:
            change = Change.WRITER_CREATION if number == 1 else Change.READER_CREATION
            creating.append(Pending(change, _describe(existing[identifier])))
    return creating if {each.change for each in creating} == seen else []


def list_instances(target: TargetCluster, cluster: DBClusterTypeDef, shared: SharedPolls) -> list[DBInstanceTypeDef]:
    """The cluster's instances; a cluster that is being restored has none, so it costs no read."""
    if cluster_meaning(cluster["Status"]) is not Meaning.READY and not cluster.get("DBClusterMembers"):
        return []
    return shared.find_instances() or target.list_instances()


def wait_for_cluster(
    cluster: DBClusterTypeDef, instances: Sequence[DBInstanceTypeDef], quote_events: Callable[[], str]
) -> list[Pending]:
    """What the cluster itself is doing; empty if it takes a change. Raises `StepFailed` in a terminal status."""
    status = cluster["Status"]
    meaning = cluster_meaning(status)
    if meaning is Meaning.TERMINAL:
        raise restore_failed(cluster["DBClusterArn"], status, quote_events())
    if meaning is Meaning.READY:
        return []
    if not instances:
        return [Pending(Change.CLUSTER_RESTORE, f"cluster {status}")]
    change = Change.MASTER_PASSWORD if status == RESETTING_PASSWORD else Change.OTHER
    return [Pending(change, f"cluster {status}"), *creations(cluster, instances)]


def bring_up(
    change: Literal[Change.WRITER_CREATION, Change.READER_CREATION],
    step_input: CheckRestoreInput,
    target: TargetCluster,
    instances: Sequence[DBInstanceTypeDef],
    quote_events: QuoteEvents,
) -> list[Pending]:
    """Create the writer, which is the first instance, or the readers; empty once they are available."""
    first, *others = enumerate(step_input.configuration.instances, start=1)
    numbered = [first] if change is Change.WRITER_CREATION else others
    text = create_missing_instances(step_input, target, instances, numbered, quote_events)
    return [Pending(change, text)] if text else []


def is_writer_known(
    step_input: CheckRestoreInput,
    target: TargetCluster,
    cluster: DBClusterTypeDef,
    instances: Sequence[DBInstanceTypeDef],
) -> bool:
    """Whether RDS shows the first instance as the writer; an instance created before that could become the writer."""
    first = identifier_of(step_input.target.cluster, 1, step_input.configuration.instances[0])
    if any(instance["DBInstanceIdentifier"] == first for instance in instances):
        return first in _writers(cluster)
    # It was created by this poll, after the cluster was read.
    return first in _writers(target.find())


def creations(cluster: DBClusterTypeDef, instances: Sequence[DBInstanceTypeDef]) -> list[Pending]:
    """The instances that are not available."""
    writers = _writers(cluster)
    return [
        Pending(
            Change.WRITER_CREATION if instance["DBInstanceIdentifier"] in writers else Change.READER_CREATION,
            _describe(instance),
        )
        for instance in instances
        if instance_meaning(instance.get("DBInstanceStatus", "")) is not Meaning.READY
    ]


def unknown_statuses(cluster: DBClusterTypeDef, instances: Sequence[DBInstanceTypeDef]) -> tuple[str, ...]:
    """A warning for each resource in a status that is in no list: it is waited on."""
    unknown = {
        f"The instance {instance['DBInstanceIdentifier']} has the status {status}, which the pipeline does not know."
        for instance in instances
        if instance_meaning(status := instance.get("DBInstanceStatus", "")) is Meaning.UNKNOWN
    }
    if cluster_meaning(cluster["Status"]) is Meaning.UNKNOWN:
        unknown.add(f"The cluster has the status {cluster['Status']}, which the pipeline does not know.")
    return tuple(sorted(unknown))


def _describe(instance: DBInstanceTypeDef) -> str:
    return f"instance {instance['DBInstanceIdentifier']} {instance.get('DBInstanceStatus', 'without a status')}"


def _writers(cluster: DBClusterTypeDef | None) -> set[str]:
    """The instance that RDS shows as the writer, if any."""
    members = cluster.get("DBClusterMembers", []) if cluster else []
    return {
        member["DBInstanceIdentifier"]
        for member in members
        if member.get("IsClusterWriter") and "DBInstanceIdentifier" in member
    }
