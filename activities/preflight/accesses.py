"""What a restore will ask of IAM: for each call that changes something or reads a secret, action, resource and context.

The tags and names come from the functions that build the calls' own parameters. What the preflight calls itself is not
here: it has been allowed by then; the source's role makes no other call. Nor are keys: their policies decide.
Source: Service Authorization Reference, the pages of RDS, IAM, Secrets Manager and SNS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from activities.preflight.access import (
    Access,
    create,
    pass_role,
    request_tags,
    resource_tags,
    secret_arn,
    statement_of_deletion,
)
from activities.rds import tags
from activities.rds.restore_parameters import identifier_of, instance_parameters, restore_parameters
from activities.rds.statuses import NOT_RUNNING
from models.clusters import CheckRestoreInput, RestoreClusterInput
from models.configuration import AfterRestore, ClusterConfiguration
from models.identifiers import copy_identifier, masked_identifier, partition
from models.request import Target
from models.snapshots import SnapshotCheckInput, SnapshotCopy, SourceSnapshot
from models.users import secret_ids

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


@dataclass(frozen=True)
class RestoreAccesses:
    """The accesses of one restore, in the order of its steps; all of them are the target's role's."""

    step_input: SnapshotCheckInput
    snapshot: SourceSnapshot
    configuration: ClusterConfiguration
    operation: str
    """As `tags.operation_tag` writes it."""
    cluster: DBClusterTypeDef | None = None
    """The target to delete; None if there is none."""
    instances: tuple[DBInstanceTypeDef, ...] = ()

    def __iter__(self) -> Iterator[Access]:
        """Every access."""
        yield from self._copy_snapshot()
        yield from self._delete_rds()
        yield from self._restore_snapshot()
        yield from self._create_instances()
        yield from self._complete_cluster()
        if self.step_input.target.swaps:
            yield from self._swap_clusters()
        if self.step_input.target.drills:
            yield from self._remove_drill()
        yield from secret_accesses(self.step_input, self._restored_target)
        yield from self._archive_snapshot()
        for topic in self.step_input.notification.topic_arns:
            yield Access("sns:Publish", topic, "PublishNotifications")

    @property
    def _restored_target(self) -> Target:
        """The target under the name that the snapshot is restored with."""
        target = self.step_input.target
        return target.restored_as(self.step_input.operation_id)

    @cached_property
    def _copy(self) -> SnapshotCopy:
        snapshot, target = self.snapshot, self.step_input.target
        if not self.step_input.copy_needed:
            return SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
        environment = tags.environment_of(self.operation)
        name = copy_identifier(environment, target.arn, snapshot.arn, snapshot.created_at)
        return SnapshotCopy(arn=self._rds("cluster-snapshot", name), identifier=name, copied=True)

    @cached_property
    def _copy_tags(self) -> dict[str, str]:
        return tags.copy_tags(self.step_input.target.arn, self.operation, self.snapshot.arn)

    def _rds(self, kind: str, name: str) -> str:
        return _arn(self.step_input.target, kind, name)

    def _copy_snapshot(self) -> Iterator[Access]:
        if not self._copy.copied:
            return
        yield Access("rds:CopyDBClusterSnapshot", self.snapshot.arn, "UseTheSourcesSnapshots")
        yield from create("rds:CopyDBClusterSnapshot", self._copy.arn, "CreateTheCopy", self._copy_tags)
        if self.step_input.source.region != self.step_input.target.region:
            yield Access("rds:CrossRegionCommunication", "*", "CopyAcrossRegions")

    def _delete_rds(self) -> Iterator[Access]:
        if self.cluster is None or self.step_input.target.drills:
            return
        for instance in self.instances:
            tagged = tags.tags_of(instance.get("TagList", []))
            yield Access(
                "rds:DeleteDBInstance",
                self._rds("db", instance["DBInstanceIdentifier"]),
                statement_of_deletion(tagged),
                resource_tags(tagged),
            )
        tagged = tags.tags_of(self.cluster.get("TagList", []))
        target = self.step_input.target
        # Started before a swap gives it another name.
        started, arn = target.arn, target.replaced.arn if target.swaps else target.arn
        yield Access("rds:DeleteDBCluster", arn, "ReplaceWhatOptedIn", resource_tags(tagged))
        if self.cluster["Status"] in NOT_RUNNING:
            yield Access("rds:StartDBCluster", started, "ReplaceWhatOptedIn", resource_tags(tagged))

    @cached_property
    def _restore_parameters(self) -> dict[str, Any]:
        step_input = self.step_input
        return restore_parameters(
            RestoreClusterInput(
                operation_id=step_input.operation_id,
                step_started_at=step_input.step_started_at,
                configuration=self.configuration,
                source_arn=step_input.source.arn,
                target=self._restored_target,
                snapshot=self.snapshot,
                snapshot_copy=self._copy,
            ),
            self.operation,
        )

    @cached_property
    def _restored_tags(self) -> dict[str, str]:
        """The tags of the restored cluster."""
        return tags.tags_of(self._restore_parameters["Tags"])

    def _restore_snapshot(self) -> Iterator[Access]:
        action, sent = "rds:RestoreDBClusterFromSnapshot", self._restore_parameters
        yield from create(action, self._restored_target.arn, "RestoreTheTarget", self._restored_tags)
        if self._copy.copied:
            yield Access(action, self._copy.arn, "RestoreFromAndPruneCopies", resource_tags(self._copy_tags))
        else:
            yield Access(action, self._copy.arn, "UseTheSourcesSnapshots")
        yield Access(action, self._rds("subgrp", sent["DBSubnetGroupName"]), "UseNetworkAndGroups")
        if group := sent.get("DBClusterParameterGroupName"):
            yield Access(action, self._rds("cluster-pg", group), "UseNetworkAndGroups")
        for role in self.configuration.associated_roles or ():
            yield pass_role(role.role_arn, "rds.amazonaws.com")
        if name := self.configuration.domain_iam_role_name:
            target = self.step_input.target
            yield pass_role(f"arn:{partition(target.region)}:iam::{target.account_id}:role/{name}", "rds.amazonaws.com")

    def _create_instances(self) -> Iterator[Access]:
        step_input, action = self.step_input, "rds:CreateDBInstance"
        private = {"rds:PubliclyAccessible": ("false",)}
        check_input = CheckRestoreInput(
            operation_id=step_input.operation_id,
            step_started_at=step_input.step_started_at,
            target=self._restored_target,
            configuration=self.configuration,
            cluster_resource_id="",
            engine=self.snapshot.engine,
        )
        for number, instance in enumerate(self.configuration.instances, start=1):
            sent = instance_parameters(check_input, number, instance, self.operation)
            arn = self._rds("db", sent["DBInstanceIdentifier"])
            yield from create(action, arn, "CreateInstances", tags.tags_of(sent["Tags"]), private)
            in_cluster = resource_tags(self._restored_tags) | private
            yield Access(action, self._restored_target.arn, "CreateInstancesInTheTarget", in_cluster)
            if group := sent.get("DBParameterGroupName"):
                yield Access(action, self._rds("pg", group), "UseNetworkAndGroups", private)
            if role := sent.get("MonitoringRoleArn"):
                yield pass_role(role, "monitoring.rds.amazonaws.com")

    def _complete_cluster(self) -> Iterator[Access]:
        target, restored = self._restored_target, resource_tags(self._restored_tags)
        actions = ["rds:ModifyDBCluster"]
        actions += ["rds:EnableHttpEndpoint"] if self.configuration.http_endpoint else []
        actions += ["rds:CreateDBClusterEndpoint"] if self.configuration.custom_endpoints else []
        for action in actions:
            yield Access(action, target.arn, "ReplaceWhatOptedIn", restored)
        for endpoint in self.configuration.custom_endpoints or ():
            arn = self._rds("cluster-endpoint", endpoint.identifier)
            made = endpoint.tags | {tags.OPERATION: self.operation}
            yield from create("rds:CreateDBClusterEndpoint", arn, "CreateCustomEndpoints", made)
        if target.master_user_secret_id is None:
            managed = secret_arn(target.region, target.account_id, "rds!cluster-0")
            yield Access("secretsmanager:CreateSecret", managed, "LetRdsManageTheSecret")
            yield Access("secretsmanager:TagResource", managed, "LetRdsManageTheSecret")
            return
        added = request_tags({tags.MASTER_PASSWORD_SET_BY: self.operation})
        yield Access("rds:AddTagsToResource", target.arn, "TagTheMasterPassword", restored | added)

    def _swap_clusters(self) -> Iterator[Access]:
        """Two renames, two to take them back, and a restart of the cluster that has the target's name then."""
        target, statement = self.step_input.target, "ReplaceWhatOptedIn"
        old = resource_tags(tags.tags_of(self.cluster.get("TagList", []))) if self.cluster else None
        new = resource_tags(self._restored_tags)
        for arn in (target.arn, target.replaced.arn) if old else ():
            yield Access("rds:ModifyDBCluster", arn, statement, old or {})
        for arn in (target.beside.arn, target.arn):
            yield Access("rds:ModifyDBCluster", arn, statement, new)
        if target.swap_limits.restart:
            yield Access("rds:StopDBCluster", target.arn, statement, new)
            yield Access("rds:StartDBCluster", target.arn, statement, new)

    def _remove_drill(self) -> Iterator[Access]:
        """Also what a drill that fails removes."""
        own = resource_tags({tags.OPERATION: self.operation})
        for number, instance in enumerate(self.configuration.instances, start=1):
            name = identifier_of(self._restored_target.cluster, number, instance)
            yield Access("rds:DeleteDBInstance", self._rds("db", name), "DeleteOwnInstances", own)
        restored = resource_tags(self._restored_tags)
        yield Access("rds:DeleteDBCluster", self._restored_target.arn, "ReplaceWhatOptedIn", restored)

    def _archive_snapshot(self) -> Iterator[Access]:
        quarantine = self.step_input.target.quarantine
        if quarantine and quarantine.db_cluster_parameter_group_name and not self.step_input.target.drills:
            own = self._rds("cluster-pg", self.configuration.db_cluster_parameter_group_name or "default")
            yield Access("rds:ModifyDBCluster", own, "ChangeParametersAfterQuarantine")
            made = resource_tags({tags.OPERATION: self.operation})
            for number, instance in enumerate(self.configuration.instances, start=1):
                name = identifier_of(self.step_input.target.cluster, number, instance)
                yield Access("rds:RebootDBInstance", self._rds("db", name), "RestartAfterQuarantine", made)
        if self.step_input.target.after is AfterRestore.STOP:
            restored = resource_tags({tags.REPLACED_BY: self.step_input.source.arn})
            yield Access("rds:StopDBCluster", self.step_input.target.arn, "ReplaceWhatOptedIn", restored)
        if self.step_input.archive.masked:
            yield from masked_snapshot_accesses(
                self.step_input, self.snapshot.created_at, self.operation, self._restored_tags
            )
        if not self._copy.copied:
            return
        copied = resource_tags(self._copy_tags)
        if self.step_input.archive.copies_to_keep:
            added = request_tags({tags.ARCHIVED_BY: self.operation})
            yield Access("rds:AddTagsToResource", self._copy.arn, "TagTheArchivedCopy", copied | added)
        yield Access("rds:DeleteDBClusterSnapshot", self._copy.arn, "RestoreFromAndPruneCopies", copied)


def secret_accesses(step_input: SnapshotCheckInput, restored: Target) -> Iterator[Access]:
    """Of the secrets that the request names, and of the one that RDS makes for `restored`, if it makes one."""
    target = step_input.target
    key = step_input.masking.key_secret_id if step_input.masking else None
    webhook = step_input.notification.webhook_secret_id
    for secret in dict.fromkeys((*secret_ids(step_input.users), key, webhook, target.master_user_secret_id)):
        if secret is not None:
            arn = secret_arn(target.region, target.account_id, secret)
            yield Access("secretsmanager:GetSecretValue", arn, "ReadTheNamedSecrets")
    if target.master_user_secret_id is None:
        arn = secret_arn(target.region, target.account_id, "rds!cluster-0")
        by_rds = resource_tags({"aws:rds:primaryDBClusterArn": restored.arn})
        yield Access("secretsmanager:GetSecretValue", arn, "ReadTheManagedMasterSecret", by_rds)


def masked_snapshot_accesses(
    step_input: SnapshotCheckInput, created_at: datetime, operation: str, restored_tags: Mapping[str, str]
) -> Iterator[Access]:
    """Of a name with the resource id of a cluster that does not exist yet: IAM sees the beginning only."""
    target, action = step_input.target, "rds:CreateDBClusterSnapshot"
    environment = tags.environment_of(operation)
    name = masked_identifier(environment, target.arn, "not restored yet", created_at)
    arn, made_with = _arn(target, "cluster-snapshot", name), tags.masked_tags(target.arn, operation)
    yield Access(action, target.arn, "SnapshotTheMaskedTarget", resource_tags(restored_tags))
    yield from create(action, arn, "CreateTheMaskedSnapshot", made_with)
    statement, own = "ShareAndPruneMaskedSnapshots", resource_tags(made_with)
    yield Access("rds:DeleteDBClusterSnapshot", arn, statement, own)
    if step_input.archive.share_with:
        yield Access("rds:ModifyDBClusterSnapshotAttribute", arn, statement, own)


def _arn(target: Target, kind: str, name: str) -> str:
    return f"arn:{partition(target.region)}:rds:{target.region}:{target.account_id}:{kind}:{name}"
