"""The checks before a restore: snapshot-check refuses the restore on a violation, `starter.py plan` prints it.

Nothing here changes anything, neither in AWS nor in the trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.preflight.accesses import RestoreAccesses
from activities.preflight.blockers import blocker_checks
from activities.preflight.context import RestoreContext
from activities.preflight.earlier_settings import complete_settings, restored_by
from activities.preflight.guards import NotChecked, ObservedTarget, PreflightCheck, Violation
from activities.preflight.masking import masking_checks
from activities.preflight.permissions import (
    TARGET_PERMISSIONS,
    WORKER_PERMISSIONS,
    Identity,
    find_missing_permissions,
)
from activities.preflight.prerequisites import prerequisite_checks
from activities.preflight.quotas import Freed
from activities.preflight.region import region_checks
from activities.preflight.restorable import RESTORABLE, find_what_cannot_come_back
from activities.preflight.selection import select_snapshot
from activities.preflight.settings_size import settings_size_checks
from activities.preflight.sharing import Sharing
from activities.preflight.sql_files import sql_file_checks
from activities.preflight.swap import swap_checks
from activities.preflight.witnesses import describe_witnesses
from activities.preflight.worker_accesses import worker_accesses
from activities.rds.target import TargetCluster, describe_wrong_account
from activities.step import Intents
from clients.aws import AwsClients
from clients.rds import find_cluster
from models.checks import Comparison
from models.clusters import LastDeletion
from models.configuration import ClusterSettings, missing_settings
from models.cures import CREATE_COMMAND
from models.request import MissingTarget, Target
from models.restored_settings import restored_configuration, restored_settings
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.source import Source

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


@dataclass(frozen=True)
class ExistingTarget:
    """What RDS and the trail know under the target's name."""

    observed: ObservedTarget | None = None
    """None if there is no such cluster."""
    instances: tuple[DBInstanceTypeDef, ...] = ()
    settings: ClusterSettings | None = None
    """What a restore brings back: of the live cluster, and of the trail where an operation left it incomplete or deleted."""
    live_settings: ClusterSettings | None = None
    """Of the live cluster alone; `settings` has more if an earlier operation left it incomplete."""
    violation: Violation | None = None
    """Set if the cluster is missing and the request does not allow that."""

    @property
    def is_in_the_trail(self) -> bool:
        """Whether it is gone because an earlier operation deleted it."""
        return self.observed is None and self.settings is not None

    @property
    def resource_id(self) -> str | None:
        """Of the cluster that the restore would delete; None without a cluster."""
        return self.observed.cluster["DbClusterResourceId"] if self.observed else None


class Preflight:
    """Reads source and target, and lists the checks. Errors of botocore pass through."""

    def __init__(
        self,
        aws: AwsClients,
        intents: Intents,
        step_input: SnapshotCheckInput,
        at: datetime,
        sql_directory: Path | None = None,
    ) -> None:
        """`at` (aware) is when the restore starts: the snapshot's age and the dates in names count from it.

        `sql_directory` has the operator's SQL files.
        """
        self._sql_directory = sql_directory
        self.target = TargetCluster(aws, step_input.target, step_input.operation_id)
        self._aws = aws
        self._intents = intents
        self._step_input = step_input
        self._at = at

    def select_snapshot(self) -> SourceSnapshot:
        """The snapshot to restore. Raises `StepFailed` if there is none."""
        step_input = self._step_input
        return select_snapshot(self._aws.rds(step_input.source, step_input.operation_id), step_input.source, self._at)

    def find_source_cluster(self) -> DBClusterTypeDef | None:
        """The source cluster; None if it is gone, which its snapshots survive."""
        step_input = self._step_input
        return find_cluster(self._aws.rds(step_input.source, step_input.operation_id), step_input.source.cluster)

    def describe_target(self, source_resource_ids: frozenset[str], *, read_trail: bool = True) -> ExistingTarget:
        """The cluster that the restore would delete; it must have none of the `source_resource_ids`.

        Raises `TrailUnavailable`, unless the trail is not to be read; then nothing completes what RDS shows.
        """
        step_input = self._step_input
        cluster = self.target.find()
        if cluster is None:
            return self._missing_target(read_trail=read_trail)
        caller = self.target.caller_account()
        instances = self.target.list_instances()
        observed = ObservedTarget(
            step_input.source, step_input.target, cluster, source_resource_ids, caller, self.target.environment
        )
        live = self.target.read_settings(cluster, instances)
        last = self._find_last_deletion(cluster, live) if read_trail else None
        settings = complete_settings(cluster, live, last, self.target.environment)
        return ExistingTarget(observed, tuple(instances), settings, live)

    def _find_last_deletion(self, cluster: DBClusterTypeDef, live: ClusterSettings) -> LastDeletion | None:
        """In a cluster that its owner made, with instances, only a deletion since then can be left unfinished."""
        by_owner = restored_by(cluster) is None and live.instances
        since = cluster.get("ClusterCreateTime") if by_owner else None
        return self._intents.find_last_deletion(self._step_input.target.arn, self._at, since)

    def _missing_target(self, *, read_trail: bool) -> ExistingTarget:
        """The name is misspelt, it is the first restore, or an operation ended between deletion and restore."""
        target = self._step_input.target
        last = self._intents.find_last_deletion(target.arn, self._at) if read_trail else None
        settings = last.settings if last else None
        if (
            target.missing is MissingTarget.CREATE
            or target.drills
            or (last and last.settings and not last.restore_accepted_by)
        ):
            return ExistingTarget(settings=settings)
        seen = describe_witnesses(self.target, last, swaps=target.swaps)
        text = (
            f"the cluster {target.arn} does not exist, and the trail has no deletion of it that still waits for its "
            f"restore{f', though {seen}' if seen else ''}. Correct target.cluster; if the cluster is gone or this is its "
            f"first restore, create it with:\n    {CREATE_COMMAND}"
        )
        return ExistingTarget(violation=Violation("target-exists", "Cluster not found", text))

    def checks(self, snapshot: SourceSnapshot, target: ExistingTarget) -> list[PreflightCheck]:
        """All checks of this snapshot and this target."""
        return [*self.target_checks(target), *self.restore_checks(snapshot, target)]

    def account_checks(self) -> list[PreflightCheck]:
        """Whether the credentials are right. They come first: with wrong ones nothing of the request seems to exist."""
        return [
            PreflightCheck(
                ("source-account",),
                self._check_source_account,
                partial(_compare_account, "source-account", self._step_input.source),
            ),
            PreflightCheck(
                ("target-account",),
                self._check_target_account,
                partial(_compare_account, "target-account", self._step_input.target),
            ),
        ]

    def region_checks(self, snapshot: SourceSnapshot, target: ExistingTarget) -> list[PreflightCheck]:
        """Whether the target's region is right. They come before `checks`, which name each resource that is not there."""
        is_elsewhere = target.observed is None and not target.is_in_the_trail
        return region_checks(self._context(snapshot, target)) if is_elsewhere else []

    def target_checks(self, target: ExistingTarget) -> list[PreflightCheck]:
        """Whether the target exists and may be deleted."""
        exists = PreflightCheck(("target-exists",), lambda: [target.violation] if target.violation else [])
        return [exists, *(self._observed_checks(target.observed) if target.observed else [])]

    def _observed_checks(self, observed: ObservedTarget) -> list[PreflightCheck]:
        if self._step_input.target.drills:
            # It only reads the target: remove-drill evaluates every guard on what the drill restored.
            return guards.guard_checks(observed, guards.IDENTITY)
        restorable = PreflightCheck((RESTORABLE,), lambda: find_what_cannot_come_back(observed.cluster))
        blockers = blocker_checks(self.target.reader, observed.cluster)
        return [*guards.guard_checks(observed), restorable, *blockers]

    def restore_checks(self, snapshot: SourceSnapshot, target: ExistingTarget) -> list[PreflightCheck]:
        """Whether the snapshot can be copied, and restored with the settings of the request and the target."""
        step_input = self._step_input
        # With a swap the old cluster is deleted only after the restored one has its place, with a drill not at all.
        frees = target.observed is not None and not step_input.target.restores_beside
        freed = Freed(clusters=1, instances=len(target.instances)) if frees else Freed()
        return [
            *(Sharing(self._aws, step_input, snapshot).checks() if step_input.crosses_accounts else []),
            PreflightCheck(("settings",), lambda: self._check_settings(target)),
            *settings_size_checks(step_input.target.arn, target.settings),
            *prerequisite_checks(self._context(snapshot, target), freed),
            *swap_checks(self._context(snapshot, target), self.target.operation_tag),
            *sql_file_checks(self._sql_directory, step_input.users, step_input.sql_files, snapshot.engine),
            *masking_checks(self._sql_directory, step_input.masking),
            PreflightCheck((TARGET_PERMISSIONS,), lambda: self._check_targets_permissions(snapshot, target)),
            PreflightCheck((WORKER_PERMISSIONS,), self._check_workers_permissions),
        ]

    def _context(self, snapshot: SourceSnapshot, target: ExistingTarget) -> RestoreContext:
        step_input = self._step_input
        settings = restored_settings(step_input.target, target.settings, step_input.operation_id)
        return RestoreContext(self._aws, self.target, step_input, snapshot, settings)

    def _check_target_account(self) -> Iterator[Violation]:
        if wrong := describe_wrong_account(self._step_input.target, self.target.caller_account()):
            yield Violation("target-account", "Wrong AWS account", wrong)

    def _check_source_account(self) -> Iterator[Violation]:
        source = self._step_input.source
        caller = self._aws.sts(source, self._step_input.operation_id).get_caller_identity()["Account"]
        if caller == source.account_id:
            return
        yield Violation(
            "source-account",
            "Wrong AWS account",
            f"the credentials for the source belong to account {caller}, but the request names account "
            f"{source.account_id}. Correct source.account_id or source.role_arn.",
        )

    def _check_targets_permissions(self, snapshot: SourceSnapshot, target: ExistingTarget) -> Iterator[Violation]:
        if missing_settings(self._step_input.target, target.settings):
            raise NotChecked(
                "the permissions of the target's role were not checked: the settings of the restored cluster are not known"
            )
        accesses = RestoreAccesses(
            self._step_input,
            snapshot,
            restored_configuration(self._step_input.target, target.settings, self._step_input.operation_id),
            self.target.operation_tag,
            target.observed.cluster if target.observed else None,
            target.instances,
        )
        location, operation_id = self._step_input.target, self._step_input.operation_id
        sts, iam = self._aws.sts(location, operation_id), self._aws.iam(location, operation_id)
        identity = Identity(TARGET_PERMISSIONS, location.role_arn, sts, iam, location.region)
        yield from find_missing_permissions(identity, accesses)

    def _check_workers_permissions(self) -> Iterator[Violation]:
        tables = self._intents.tables
        sts, iam = self._aws.own_sts(tables.region), self._aws.own_iam(tables.region)
        identity = Identity(WORKER_PERMISSIONS, None, sts, iam, tables.region)
        yield from find_missing_permissions(identity, worker_accesses(tables, sts))

    def _check_settings(self, target: ExistingTarget) -> Iterator[Violation]:
        """Silent if the target is missing against the request: that is one violation already, and causes this one."""
        missing = missing_settings(self._step_input.target, target.settings)
        if not missing or target.violation:
            return
        names = ", ".join(f"target.{name}" for name in missing)
        found = (
            "the live target does not have them" if target.observed else "there is no live target to copy settings from"
        )
        text = f"{found}, and the request leaves out {names}. Set them in the request."
        yield Violation("settings", "Settings missing", text)


def _compare_account(rule: str, location: Source | Target) -> Iterator[Comparison]:
    """After the check: the credentials belong to this very account."""
    yield Comparison(rule, location.account_id, location.account_id)
