"""What becomes of the live target: what is kept, what the request changes, what cannot be the same again.

The rows are those of activities/rds/members.py, the comparison is that of activities/rds/differences.py: what is said here
before the deletion is what check-restore-status reads after the restore.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from activities.rds.differences import find_differences
from activities.rds.members import CLUSTER, INSTANCE, Fate, Member
from activities.rds.surroundings.table import list_lost_names
from models.configuration import ClusterSettings, Instance, merge_settings
from models.plan import CarryOver, Changed, Kept
from models.request import RestoreRequest
from models.setting_texts import describe_value

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


def describe_carry_over(
    request: RestoreRequest,
    cluster: DBClusterTypeDef,
    instances: Iterable[DBInstanceTypeDef],
    existing: ClusterSettings,
) -> CarryOver:
    """Compare the live target with what the request would make of it."""
    after = merge_settings(request.target, existing)
    differences = find_differences(after, existing, request.target.cluster)
    changed = [Changed(setting=each.setting, before=each.actual, after=each.expected) for each in differences]
    changed += _changes_by_another_name(request, existing)
    names = _kept_settings(CLUSTER, ClusterSettings)
    different = {change.setting.partition(".")[0] for change in changed}
    given = {name: value for name in names if (value := getattr(existing, name)) not in (None, (), {})}
    return CarryOver(
        kept=tuple(
            Kept(setting=name, value=describe_value(value))
            for name, value in given.items()
            if name not in (*different, "instances")
        ),
        kept_instances=dict(_kept_instances(after, existing, changed)),
        unset=tuple(name for name in names if name not in given and name not in different),
        changed=tuple(changed),
        cannot_be_kept=(
            *_what_cannot_be_kept(request, cluster, list(instances), existing),
            *list_lost_names(request.target.cluster, existing, after),
        ),
    )


def _kept_settings(table: Mapping[str, Member], model: type[ClusterSettings | Instance]) -> list[str]:
    """The settings that the table calls kept, in the order of the request's reference."""
    kept = {member.setting for member in table.values() if member.fate is Fate.KEPT}
    return [name for name in model.model_fields if name in kept]


def _changes_by_another_name(request: RestoreRequest, existing: ClusterSettings) -> Iterator[Changed]:
    """What a comparison of two clusters does not see: a version, a key by its alias, a secret, instances left out."""
    target = request.target
    if target.engine_version:
        yield Changed(setting="engine_version", before="the snapshot's", after=target.engine_version)
    if target.kms_key_id and not target.kms_key_id.startswith("arn:"):
        yield Changed(setting="kms_key_id", before=existing.kms_key_id or "nothing", after=target.kms_key_id)
    if target.instances is not None:
        kept = {instance.identifier for instance in target.instances}
        for instance in existing.instances or ():
            if instance.identifier not in kept:
                yield Changed(
                    setting=f"instances.{instance.identifier}", before=instance.instance_class, after="not restored"
                )
    if target.master_user_secret_id:
        yield Changed(
            setting="master password", before="as it is", after=f"that of the secret {target.master_user_secret_id}"
        )


def _kept_instances(
    after: ClusterSettings, existing: ClusterSettings, changed: list[Changed]
) -> Iterator[tuple[str, dict[str, str]]]:
    live = {instance.identifier: instance for instance in existing.instances or ()}
    for instance in after.instances or ():
        if instance.identifier in live:
            prefix = f"instances.{instance.identifier}."
            different = {change.setting.removeprefix(prefix) for change in changed}
            yield str(instance.identifier), _without(live[instance.identifier], different)


def _without(instance: Instance, different: set[str]) -> dict[str, str]:
    names = _kept_settings(INSTANCE, Instance)
    values = {name: getattr(instance, name) for name in names if name not in (*different, "identifier")}
    return {name: describe_value(value) for name, value in values.items() if value not in (None, (), {})}


def _what_cannot_be_kept(
    request: RestoreRequest, cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef], existing: ClusterSettings
) -> Iterator[str]:
    yield (
        "The data of the target: the snapshot's replaces it, and everything that was written to the target since its last "
        "restore is lost."
    )
    yield from _automated_backups(cluster)
    yield from _new_members(cluster, instances)
    iam_users = [user.name for user in request.users if user.uses_iam]
    if iam_users:
        yield (
            f"The logins by IAM of {', '.join(iam_users)}: a policy for rds-db:connect that names "
            f"{cluster['DbClusterResourceId']} must name the new resource id, or end with dbuser:*/USER."
        )
    if request.target.swaps:
        yield (
            f"The names of the instances: the old ones keep theirs until they are deleted; the restored ones are named "
            f"{request.target.cluster}-OPERATION-1 and so on."
        )
    secret = cluster.get("MasterUserSecret", {}).get("SecretArn")
    if secret and request.target.master_user_secret_id is None:
        yield (
            f"The secret of the master password, {secret}: RDS makes another one. What reads it needs the new ARN, which "
            "result and notification have; a rotation of your own must be set up again."
        )
    restored = {instance.identifier for instance in existing.instances or ()}
    for instance in instances:
        if instance["DBInstanceIdentifier"] not in restored:
            yield (
                f"The instance {instance['DBInstanceIdentifier']} ({instance['DBInstanceStatus']}): auto scaling made it, or "
                "it is being deleted or broken, so it is not restored."
            )


def _automated_backups(cluster: DBClusterTypeDef) -> Iterator[str]:
    since = cluster.get("EarliestRestorableTime")
    if cluster.get("BackupRetentionPeriod"):
        begin = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        yield (
            f"The automated backups of the target: RDS deletes them with it, so that no point in time{begin} can be restored "
            "any more. Take a manual snapshot first if you need its data."
        )


def _new_members(cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> Iterator[str]:
    """The members that the tables call new or set, as far as the target has them and something depends on them."""
    yield from _members(CLUSTER, [cluster])
    yield from _members(INSTANCE, list(instances))


def _members(table: Mapping[str, Member], resources: list[Any]) -> Iterator[str]:
    for name, member in table.items():
        if member.is_in_plan:
            values = dict.fromkeys(str(value) for resource in resources if (value := resource.get(name)))
            if values:
                yield f"{name} {', '.join(values)}: {member.reason}."
