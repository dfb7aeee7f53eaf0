"""The snapshot's steps: snapshot-check, copy-snapshot, check-copy-status, archive-snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.databases.sql_files import unusable_sql_files
from activities.preflight import guards
from activities.preflight.guards import PreflightCheck, Violation
from activities.preflight.preflight import Preflight
from activities.rds import tags
from activities.rds.aws_errors import Action, rule_for
from activities.rds.copies import is_own, split_by_retention
from activities.rds.provenance import provenance_mismatch
from activities.rds.statuses import Meaning, snapshot_meaning
from activities.rds.target import TargetCluster
from activities.step import Intents, end_wait_if_final, now, step_activity, time_in_step
from clients.aws import AwsClients
from errors import Refused, ResourceBusy, StepFailed
from models.configuration import merged
from models.identifiers import copy_identifier
from models.operation import StepOutcome
from models.snapshots import (
    ArchiveSnapshotInput,
    ArchiveSnapshotOutcome,
    CheckCopyInput,
    CopySnapshotInput,
    CopySnapshotOutcome,
    SnapshotCheckInput,
    SnapshotCheckOutcome,
    SnapshotCopy,
    SourceSnapshot,
)
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef

NOT_FOUND_GRACE = timedelta(minutes=5)
"""How long a look may miss what we just made: RDS answers from more than one place (eventual consistency)."""


class SnapshotActivities:
    """Finds, copies, watches and archives cluster snapshots."""

    def __init__(self, aws: AwsClients, intents: Intents, sql_directory: Path | None = None) -> None:
        """`intents` is the trail, without which no copy is pruned; `sql_directory` has the operator's SQL files."""
        self._aws = aws
        self._intents = intents
        self._sql_directory = sql_directory

    @step_activity(Step.SNAPSHOT_CHECK)
    def snapshot_check(self, step_input: SnapshotCheckInput) -> SnapshotCheckOutcome:
        """Find the snapshot and everything that would stop the night later; change nothing.

        Raises `Refused` with every reason, `StepFailed` if there is no usable snapshot.
        Run twice: the same answer, as long as nobody made or deleted a snapshot in between.
        """
        preflight = Preflight(self._aws, self._intents, step_input, now())
        snapshot, source = preflight.select_snapshot(), preflight.find_source_cluster()
        source_resource_id = source["DbClusterResourceId"] if source else None
        target = preflight.describe_target(guards.known_resource_ids(source_resource_id, snapshot.cluster_resource_id))
        files = PreflightCheck(("sql-files",), lambda: self._sql_files(step_input))
        guards.refuse_if_any(guards.find_violations([*preflight.checks(snapshot, target), files]))
        return SnapshotCheckOutcome(
            details=f"Found snapshot: {snapshot.identifier}",
            resource_arns=(snapshot.arn,),
            snapshot=snapshot,
            source_resource_id=source_resource_id,
            target_resource_id=target.resource_id,
            target_settings=target.settings,
            configuration=merged(step_input.target, target.settings),
        )

    def _sql_files(self, step_input: SnapshotCheckInput) -> Iterator[Violation]:
        """Looked at here and not in the examination: only a worker has the directory."""
        for fault in unusable_sql_files(self._sql_directory, (wanted.file for wanted in step_input.sql_files)):
            yield Violation("sql-files", "SQL file not usable", fault)

    @step_activity(Step.COPY_SNAPSHOT)
    def copy_snapshot(self, step_input: CopySnapshotInput) -> CopySnapshotOutcome:
        """Have a copy of the source snapshot in the target region: adopt the one there is, else start one.

        Not done while RDS has no room for another copy between regions. Source: RDS API Reference, CopyDBClusterSnapshot.
        Run twice: one copy, because its name is derived from the snapshot and a copy of that name is adopted only if
        it is of this very snapshot.
        """
        if not step_input.copy_needed:
            there = SnapshotCopy(arn=step_input.snapshot.arn, identifier=step_input.snapshot.identifier, copied=False)
            return CopySnapshotOutcome(
                details="No copy needed in the same region", resource_arns=(there.arn,), snapshot_copy=there
            )
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        identifier = copy_identifier(step_input.target.arn, step_input.snapshot.arn, step_input.snapshot.created_at)
        copy = target.find_snapshot(identifier) or self._start_copy(target, step_input, identifier)
        if isinstance(copy, str):
            return CopySnapshotOutcome(done=False, details=copy)
        _check_copy_is_of(copy, step_input.snapshot)
        if copy["Status"] == "failed":
            return self._remove_failed(target, copy, step_input)
        made = SnapshotCopy(arn=copy["DBClusterSnapshotArn"], identifier=identifier, copied=True)
        return CopySnapshotOutcome(
            details="Started copy to target region",
            resource_arns=(made.arn, step_input.snapshot.arn),
            snapshot_copy=made,
        )

    def _start_copy(
        self, target: TargetCluster, step_input: CopySnapshotInput, identifier: str
    ) -> DBClusterSnapshotTypeDef | str:
        """The copy, or what it waits for."""
        # Before any call: who cancels must not have a copy started by the look that ends the wait.
        end_wait_if_final(step_input, "Copy not started", "Nothing was changed; run the night again.")
        key = {"KmsKeyId": step_input.target.kms_key_id} if step_input.target.kms_key_id else {}
        own_tags = {
            tags.COPY_FOR: step_input.target.arn,
            tags.OPERATION: step_input.operation_id,
            tags.SOURCE_SNAPSHOT: step_input.snapshot.arn,
        }
        try:
            # CopyTags stays off: tags of the reserved aws: prefix on the source would fail the copy.
            return target.start_copy(
                SourceDBClusterSnapshotIdentifier=step_input.snapshot.arn,
                TargetDBClusterSnapshotIdentifier=identifier,
                Tags=tags.tag_list(own_tags),
                SourceRegion=step_input.source.region,
                **key,
            )
        except ClientError as error:
            rule = rule_for(error)
            if rule.action is Action.WAIT:
                return f"Waiting: {rule.short}"
            if rule.action is Action.PRUNE and (pruned := self._make_room(target, step_input)):
                return f"Pruned {pruned} old copies to make room"
            if rule.action is not Action.ADOPT:
                raise
            if copy := target.find_snapshot(identifier):
                return copy
            # Most likely made by a call whose answer was lost; the next attempt will see which it is.
            raise ResourceBusy("Copy not to be seen yet", f"{identifier} exists, but RDS does not show it.") from error

    def _make_room(self, target: TargetCluster, step_input: CopySnapshotInput) -> int:
        """Prune now what archive-snapshot would prune at the end of the night; how many there were.

        Not the newest: until tonight's copy is there, it is the last good one.
        """
        keep = max(step_input.archive.keep, 2)
        _, pruned = split_by_retention(target.list_own_copies(), step_input.snapshot.arn, keep)
        self._prune(target, Step.COPY_SNAPSHOT, step_input, pruned)
        return len(pruned)

    def _prune(
        self, target: TargetCluster, step: Step, step_input: CopySnapshotInput | ArchiveSnapshotInput, arns: list[str]
    ) -> None:
        """No row, no call: the trail names what goes before it goes."""
        if arns:
            target.check_account()
            names = ", ".join(arn.rpartition(":")[2] for arn in arns)
            self._intents.declare(step, step_input, f"Pruning {names}", tuple(arns))
        for arn in arns:
            target.delete_copy(arn.rpartition(":")[2])

    def _remove_failed(
        self, target: TargetCluster, copy: DBClusterSnapshotTypeDef, step_input: CopySnapshotInput
    ) -> CopySnapshotOutcome:
        """A failed copy keeps its name; it must go before the same snapshot can be copied again."""
        if not is_own(copy, step_input.target):
            raise StepFailed(
                "Copy failed", f"{copy['DBClusterSnapshotArn']} is failed and not ours: delete it by hand."
            )
        self._prune(target, Step.COPY_SNAPSHOT, step_input, [copy["DBClusterSnapshotArn"]])
        end_wait_if_final(step_input, "Copy failed", f"{copy['DBClusterSnapshotArn']} had failed and was removed.")
        return CopySnapshotOutcome(done=False, details="Removed a failed copy of the same snapshot")

    @step_activity(Step.CHECK_COPY_STATUS)
    def check_copy_status(self, step_input: CheckCopyInput) -> StepOutcome:
        """Look how far the copy is.

        Raises `StepFailed` if it ended in a state from which it does not return.
        Run twice: only looks.
        """
        arns = (step_input.snapshot_copy.arn,)
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        copy = target.find_snapshot(step_input.snapshot_copy.identifier)
        if copy is None:
            if step_input.resource_seen or time_in_step(step_input) > NOT_FOUND_GRACE:
                raise StepFailed(
                    "Copy not found", f"{step_input.snapshot_copy.arn} is gone. See who deleted it; start again."
                )
            end_wait_if_final(step_input, "Copy not to be seen yet", "See whether it came; the next night adopts it.")
            return StepOutcome(done=False, details="not to be seen yet")
        _check_copy_is_of(copy, step_input.snapshot)
        status, percent = copy["Status"], copy.get("PercentProgress")
        meaning = snapshot_meaning(status)
        if meaning is Meaning.READY:
            return StepOutcome(details="Copy completed", percent=100, resource_arns=arns)
        if meaning is Meaning.TERMINAL:
            raise StepFailed(
                "Copy failed",
                f"{step_input.snapshot_copy.arn} is {status}, wanted available. "
                "The next night removes a failed copy and starts anew.",
            )
        progress = f"{status} {percent} %" if percent else status
        end_wait_if_final(step_input, f"Copy at {progress}", "It goes on without us; the next night adopts it.")
        warnings = (f"The copy has the status {status}, which the pipeline does not know.",)
        return StepOutcome(
            done=False,
            details=progress,
            percent=percent,
            resource_arns=arns,
            warnings=warnings if meaning is Meaning.UNKNOWN else (),
        )

    @step_activity(Step.ARCHIVE_SNAPSHOT)
    def archive_snapshot(self, step_input: ArchiveSnapshotInput) -> ArchiveSnapshotOutcome:
        """Tag tonight's copy as kept, prune this pipeline's older copies beyond the number to keep.

        A copy is this pipeline's if its tag names this very target and its name is one that the pipeline gives;
        nobody else's is touched. Raises `Refused` if what bears the name of tonight's copy is of another snapshot.
        Run twice: the same copies stay, what is gone already is no error, and the answer names what an earlier attempt
        has pruned too: the trail holds what was declared.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        kept: list[str] = []
        pruned: tuple[str, ...] = ()
        if step_input.snapshot_copy.copied:
            target.check_account()
            if copy := target.find_snapshot(step_input.snapshot_copy.identifier):
                _check_copy_is_of(copy, step_input.snapshot)
            target.add_tags(step_input.snapshot_copy.arn, {tags.ARCHIVED_BY: step_input.operation_id})
            # The last look before the pruning, which is held against its age: one at another copy would make it younger.
            kept, going = split_by_retention(
                target.list_own_copies(), step_input.snapshot_copy.arn, step_input.archive.keep
            )
            self._prune(target, Step.ARCHIVE_SNAPSHOT, step_input, going)
            pruned = self._pruned(target, step_input, going)
        return ArchiveSnapshotOutcome(
            details="Snapshot archived",
            resource_arns=(step_input.snapshot_copy.arn, *pruned),
            kept=tuple(kept),
            pruned=pruned,
        )

    def _pruned(self, target: TargetCluster, step_input: ArchiveSnapshotInput, now_gone: list[str]) -> tuple[str, ...]:
        """What this taking of the step has pruned, in whatever attempt; what was spared after all is not told."""
        declared = self._intents.list_declared_arns(Step.ARCHIVE_SNAPSHOT, step_input)
        if set(declared) <= set(now_gone):
            return tuple(now_gone)
        there = target.list_existing_snapshot_arns() - set(now_gone)
        return tuple(arn for arn in declared if arn not in there)


def _check_copy_is_of(copy: DBClusterSnapshotTypeDef, snapshot: SourceSnapshot) -> None:
    """A snapshot of the copy's name that is of something else is never restored from."""
    if strange := provenance_mismatch(copy, snapshot):
        raise Refused("Copy is of another snapshot", strange)
