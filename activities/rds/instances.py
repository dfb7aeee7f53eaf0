"""The instances of a restored cluster: created once, under fixed names, and waited for.

A restored Aurora cluster has none. Source: RDS API Reference, CreateDBInstance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.restore_parameters import identifier_of, instance_parameters
from activities.rds.statuses import BEING_DELETED, Meaning, instance_meaning
from activities.rds.target import TargetCluster
from errors import StepFailed
from models.clusters import CheckRestoreInput
from models.configuration import Instance

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


QuoteEvents = Callable[[str], str]
"""What RDS reported of an instance since the step began: why it does not come up."""


def create_missing_instances(
    step_input: CheckRestoreInput,
    target: TargetCluster,
    listed: Sequence[DBInstanceTypeDef],
    numbered: Sequence[tuple[int, Instance]],
    quote_events: QuoteEvents,
) -> str | None:
    """Create those of these instances that are not listed; returns what the step waits for, None if all are available."""
    existing = {instance["DBInstanceIdentifier"]: instance for instance in listed}
    waits: list[str] = []
    for number, configured in numbered:
        instance = existing.get(identifier_of(step_input.target.cluster, number, configured))
        if instance is None:
            waits.append(_create_instance(step_input, target, number, configured))
        elif waiting_for := _instance_wait(instance, quote_events):
            waits.append(waiting_for)
    return waits[0] if waits else None


def _instance_wait(instance: DBInstanceTypeDef, quote_events: QuoteEvents) -> str | None:
    status, identifier = instance.get("DBInstanceStatus", "without a status"), instance["DBInstanceIdentifier"]
    meaning = instance_meaning(status)
    if meaning is Meaning.TERMINAL:
        raise restore_failed(f"the instance {identifier}", status, quote_events(identifier))
    return None if meaning is Meaning.READY else f"instance {identifier} {status}"


def _create_instance(step_input: CheckRestoreInput, target: TargetCluster, number: int, configured: Instance) -> str:
    """Create the instance; returns what the step waits for."""
    identifier = identifier_of(step_input.target.cluster, number, configured)
    try:
        target.create_instance(**instance_parameters(step_input, number, configured, target.operation_tag))
    except ClientError as error:
        action = action_for(error)
        if action is Action.WAIT:
            return f"instance {identifier} not created yet: {pipeline_error_for(error).fault.short}"
        if action is not Action.ADOPT:
            raise
        # Created by a call whose answer was lost, or one that is still being deleted: the next poll reads which.
        instances = target.find_instances([identifier])
        _refuse_other_owner(step_input, instances)
        if any(instance["DBInstanceStatus"] in BEING_DELETED for instance in instances):
            return f"instance {identifier} not created yet: one of that name is still being deleted"
    return f"instance {identifier} creating"


def _refuse_other_owner(step_input: CheckRestoreInput, instances: list[DBInstanceTypeDef]) -> None:
    """Raise `StepFailed` if an instance belongs to another cluster; one that is being deleted frees its name soon."""
    for instance in instances:
        owner = instance.get("DBClusterIdentifier")
        if owner != step_input.target.cluster and instance["DBInstanceStatus"] not in BEING_DELETED:
            raise StepFailed(
                "Instance name is taken",
                f"{instance['DBInstanceArn']} belongs to {owner or 'no cluster'}, but {step_input.target.cluster} needs an "
                "instance of that name. Rename or delete that instance, then retry.",
                code="DBInstanceAlreadyExists",
            )


def restore_failed(resource: str, status: str, events: str) -> StepFailed:
    """The error for a cluster or an instance in a terminal status."""
    return StepFailed(
        "Restore failed",
        f"{resource} is {status}, expected available. {events}. Read its events in RDS, then start a new restore, which "
        "replaces the cluster.",
    )
