"""Everything that is looked at before a night: by snapshot-check, which refuses, and by `starter.py plan`, which tells.

Nothing here changes anything, neither in AWS nor in the trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from activities.preflight import guards
from activities.preflight.configuration import live_settings
from activities.preflight.guards import ObservedTarget, PreflightCheck, Violation
from activities.preflight.prerequisites import Prerequisites
from activities.preflight.selection import select_snapshot
from activities.preflight.sharing import Sharing
from activities.step import Intents
from clients.aws import AwsClients
from clients.rds import find_cluster, list_instances
from models.configuration import ClusterSettings, missing_settings, overlaid
from models.request import MissingTarget
from models.snapshots import SnapshotCheckInput, SourceSnapshot

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef


@dataclass(frozen=True)
class ExistingTarget:
    """What was found under the target's name."""

    sighting: ObservedTarget | None = None
    """None if there is no such cluster."""
    instances: tuple[DBInstanceTypeDef, ...] = ()
    settings: ClusterSettings | None = None
    """Of the live target, or of the one that an earlier night deleted and left so; None if it never was."""
    absence: Violation | None = None
    """Why it may not be missing, if it is."""

    @property
    def resource_id(self) -> str | None:
        """Of the cluster that would be deleted."""
        return self.sighting.cluster["DbClusterResourceId"] if self.sighting else None


class Preflight:
    """One look at everything, at one time; botocore's errors pass through."""

    def __init__(self, aws: AwsClients, intents: Intents, step_input: SnapshotCheckInput, at: datetime) -> None:
        """`at` (aware) is when the night starts: ages and dates in names are reckoned from it."""
        self._aws = aws
        self._intents = intents
        self._step_input = step_input
        self._at = at

    def snapshot(self) -> SourceSnapshot:
        """The snapshot that the night would restore. Raises `StepFailed` if there is none."""
        return select_snapshot(
            self._aws.rds(self._step_input.source, self._step_input.operation_id), self._step_input.source, self._at
        )

    def source_cluster(self) -> DBClusterTypeDef | None:
        """The source itself, which may be gone while its snapshot is not."""
        return find_cluster(
            self._aws.rds(self._step_input.source, self._step_input.operation_id), self._step_input.source.cluster
        )

    def target(self, source_resource_ids: frozenset[str]) -> ExistingTarget:
        """What would be deleted; `source_resource_ids` are those that it must not have."""
        step_input = self._step_input
        rds = self._aws.rds(step_input.target, step_input.operation_id)
        cluster = find_cluster(rds, step_input.target.cluster)
        if cluster is None:
            return self._absent_target()
        caller = self._aws.sts(step_input.target, step_input.operation_id).get_caller_identity()["Account"]
        instances = list_instances(rds, step_input.target.cluster)
        sighting = ObservedTarget(step_input.source, step_input.target, cluster, source_resource_ids, caller)
        return ExistingTarget(sighting, tuple(instances), live_settings(cluster, instances))

    def _absent_target(self) -> ExistingTarget:
        """No target is a misspelt name, a first night, or what a night of ours left that ended before its restore."""
        target = self._step_input.target
        if settings := self._intents.left_deleted(target.arn, self._at):
            return ExistingTarget(settings=ClusterSettings.model_validate_json(settings))
        if target.missing is MissingTarget.CREATE:
            return ExistingTarget()
        text = (
            f"there is no cluster {target.arn}, and no operation of this pipeline deleted it. "
            "Correct target.cluster, or say target.missing: create for a first night."
        )
        return ExistingTarget(absence=Violation("target-exists", "Cluster not found", text))

    def checks(self, snapshot: SourceSnapshot, target: ExistingTarget) -> list[PreflightCheck]:
        """Every rule that can be held against this snapshot and this target."""
        return [*self.target_checks(target), *self.restore_checks(snapshot, target)]

    def target_checks(self, target: ExistingTarget) -> list[PreflightCheck]:
        """Whether the credentials are right and the target may be deleted."""
        return [
            PreflightCheck(("source-account",), self._account),
            PreflightCheck(("target-exists",), lambda: [target.absence] if target.absence else []),
            *(guards.checks(target.sighting) if target.sighting else []),
        ]

    def restore_checks(self, snapshot: SourceSnapshot, target: ExistingTarget) -> list[PreflightCheck]:
        """Whether the snapshot can be copied, and restored with the settings that the cluster is to have."""
        step_input = self._step_input
        return [
            *(Sharing(self._aws, step_input, snapshot).checks() if step_input.crosses_accounts else []),
            PreflightCheck(("settings",), lambda: self._settings(target)),
            *Prerequisites(self._aws, step_input, snapshot, overlaid(step_input.target, target.settings)).checks(),
        ]

    def _account(self) -> Iterator[Violation]:
        step_input = self._step_input
        caller = self._aws.sts(step_input.source, step_input.operation_id).get_caller_identity()["Account"]
        if caller == step_input.source.account_id:
            return
        text = f"the credentials for the source belong to account {caller}, the request says {step_input.source.account_id}."
        yield Violation("source-account", "Wrong AWS account", f"{text} Correct source.account_id or source.role_arn.")

    def _settings(self, target: ExistingTarget) -> Iterator[Violation]:
        """A target that should be there and is not has been told already, and would bring its settings."""
        missing = missing_settings(self._step_input.target, target.settings)
        if not missing or target.absence:
            return
        names = ", ".join(f"target.{name}" for name in missing)
        text = f"there is no live target to carry settings over from: the request must give {names}."
        yield Violation("settings", "Settings missing", text)
