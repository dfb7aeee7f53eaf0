"""The steps snapshot-check, copy-snapshot, check-copy-status and archive-snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.kept_snapshots import keep_copies, keep_masked_snapshots, make_room_for_copy, prune
from activities.preflight import guards
from activities.preflight.lateness import skip_if_too_late
from activities.preflight.passed_checks import PassedChecks
from activities.preflight.preflight import Preflight
from activities.preflight.selection import compare_snapshot
from activities.rds import tags
from activities.rds.aws_errors import rule_for
from activities.rds.copies import is_own
from activities.rds.copy_queue import CopyQueue
from activities.rds.fault_table import Action
from activities.rds.provenance import (
    check_not_restored_since,
    check_provenance,
    check_still_restored,
    compare_copy,
    is_origin_known,
)
from activities.rds.quarantine import NOT_LEFT, STILL_CLOSED, leave_quarantine
from activities.rds.shared_polls import SharedPolls
from activities.rds.statuses import Meaning, snapshot_meaning
from activities.rds.stops import stop_restored
from activities.rds.target import TargetCluster
from activities.step import NOT_FOUND_GRACE, Intents, end_wait_if_final, step_activity, time_in_step
from clients.aws import AwsClients
from errors import ResourceBusy, StepFailed
from models.checks import checks_fact
from models.configuration import AfterRestore
from models.identifiers import copy_identifier
from models.restored_settings import restored_configuration
from models.snapshots import (
    ArchiveSnapshotInput,
    ArchiveSnapshotOutcome,
    CheckCopyInput,
    CopySnapshotInput,
    CopySnapshotOutcome,
    SnapshotCheckInput,
    SnapshotCheckOutcome,
    SnapshotCopy,
)
from models.step_call import StepOutcome
from models.steps import Step
from models.waits import Change
from waiting.clock import now

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterSnapshotTypeDef


class SnapshotActivities:
    """Finds, copies, polls and archives cluster snapshots."""

    def __init__(self, aws: AwsClients, intents: Intents, sql_directory: Path | None = None) -> None:
        """`intents` is the trail; without a row in it no copy is pruned. `sql_directory` has the operator's SQL files."""
        self._aws = aws
        self._intents = intents
        self._sql_directory = sql_directory
        self._copy_queue = CopyQueue()

    @step_activity(Step.SNAPSHOT_CHECK)
    def snapshot_check(self, step_input: SnapshotCheckInput) -> SnapshotCheckOutcome:
        """Choose the snapshot, and check everything that would stop the restore later; change nothing.

        Raises `Skipped` if the restore begins too late or another one runs, `Refused` with every reason, `StepFailed` if
        there is no usable snapshot. A wrong account or region is the only reason if it is one: what does not exist there is
        its consequence.
        Run twice: the same outcome, unless someone created or deleted a snapshot in between.
        """
        skip_if_too_late(step_input)
        at = now()
        preflight = Preflight(self._aws, self._intents, step_input, at, self._sql_directory)
        passed = PassedChecks()
        passed.require(preflight.account_checks())
        snapshot, source = preflight.select_snapshot(), preflight.find_source_cluster()
        source_id = source["DbClusterResourceId"] if source else None
        target = preflight.describe_target(guards.known_resource_ids(source_id, snapshot.cluster_resource_id))
        if target.observed and not step_input.target.drills:
            operation, began_at = preflight.target.operation_tag, step_input.operation_started_at
            check_not_restored_since(target.observed.cluster, operation, began_at)
        passed.require(preflight.region_checks(snapshot, target))
        passed.require(preflight.checks(snapshot, target))
        return SnapshotCheckOutcome(
            details=f"Found snapshot: {snapshot.identifier}",
            resource_arns=(snapshot.arn,),
            facts=step_input.facts(snapshot)
            | checks_fact([*compare_snapshot(step_input.source, snapshot, at), *passed.comparisons]),
            snapshot=snapshot,
            source_resource_id=source_id,
            target_resource_id=target.resource_id,
            target_settings=target.settings,
            configuration=restored_configuration(step_input.target, target.settings, step_input.operation_id),
        )

    @step_activity(Step.COPY_SNAPSHOT)
    def copy_snapshot(self, step_input: CopySnapshotInput) -> CopySnapshotOutcome:
        """Copy the source snapshot into the target's region, or adopt the copy that exists.

        Not done while RDS has no room for another copy between regions, or a more urgent restore waits for it.
        Source: RDS API Reference, CopyDBClusterSnapshot.
        Raises `Refused` if the copy's name belongs to a copy of another snapshot, `StepFailed` if a failed copy of that
        name is not this pipeline's, `ResourceBusy` (transient) while RDS does not list the copy yet.
        Run twice: one copy, because its name is derived from the snapshot, and a copy of that name is adopted only if
        it is of this very snapshot.
        """
        if not step_input.copy_needed:
            snapshot = step_input.snapshot
            return CopySnapshotOutcome(
                details="No copy needed in the same region",
                resource_arns=(snapshot.arn,),
                snapshot_copy=SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False),
            )
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        snapshot = step_input.snapshot
        identifier = copy_identifier(target.environment, step_input.target.arn, snapshot.arn, snapshot.created_at)
        copy = target.find_snapshot(identifier)
        if copy is None:
            started = self._start_copy(step_input, target, identifier)
            if isinstance(started, CopySnapshotOutcome):
                return started
            copy = started
        check_provenance(copy, step_input.snapshot)
        if copy["Status"] == "failed":
            return _delete_failed(self._intents, step_input, target, copy)
        snapshot_copy = SnapshotCopy(arn=copy["DBClusterSnapshotArn"], identifier=identifier, copied=True)
        return CopySnapshotOutcome(
            details="Started copy to target region",
            resource_arns=(snapshot_copy.arn, step_input.snapshot.arn),
            snapshot_copy=snapshot_copy,
        )

    def _start_copy(
        self, step_input: CopySnapshotInput, target: TargetCluster, identifier: str
    ) -> DBClusterSnapshotTypeDef | CopySnapshotOutcome:
        """Start the copy; returns it, or an outcome that is not done if RDS has no room for it yet."""
        if step_input.final_poll:
            self._copy_queue.remove(step_input.target)
        # Before any call: a cancellation must not have the final poll start a copy.
        advice = "Nothing was changed. Check which other copies run into the region, then retry."
        end_wait_if_final(step_input, "Copy not started", advice)
        if ahead := self._copy_queue.find_more_urgent(step_input.target, step_input.priority, now()):
            self._copy_queue.note_waiting(step_input.target, step_input.priority, now())
            details = f"Waiting: the more urgent restore of {ahead} waits for room for its copy"
            return CopySnapshotOutcome(done=False, details=details, in_progress=(Change.CAPACITY,))
        try:
            answer = target.start_copy(**_copy_parameters(step_input, identifier, target.operation_tag))
        except ClientError as error:
            rule = rule_for(error)
            if rule.action is Action.WAIT:
                self._copy_queue.note_waiting(step_input.target, step_input.priority, now())
                return CopySnapshotOutcome(done=False, details=f"Waiting: {rule.short}", in_progress=(Change.CAPACITY,))
            if rule.action is Action.PRUNE:
                pruned = make_room_for_copy(self._intents, step_input, target)
                if pruned:
                    return CopySnapshotOutcome(done=False, details=f"Pruned {pruned} old copies to make room")
            if rule.action is not Action.ADOPT:
                raise
            answer = None  # most likely started by a call whose answer was lost
        self._copy_queue.remove(step_input.target)
        if answer is not None and is_origin_known(answer) and "Status" in answer and "DBClusterSnapshotArn" in answer:
            return answer
        if copy := target.find_snapshot(identifier):
            return copy
        # The next attempt reads which copy it is.
        raise ResourceBusy(
            "Copy not visible yet",
            f"RDS says that {identifier} exists, but does not list it. The next attempt reads again.",
        )

    @step_activity(Step.CHECK_COPY_STATUS)
    def check_copy_status(self, step_input: CheckCopyInput) -> StepOutcome:
        """Poll the copy; done when it is available.

        Raises `StepFailed` if it ended in a terminal status or is gone, `Refused` if it is of another snapshot.
        Run twice: only reads.
        """
        arn, identifier = step_input.snapshot_copy.arn, step_input.snapshot_copy.identifier
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        shared = SharedPolls(self._aws, step_input.target, step_input.operation_id)
        copy = shared.find_copy(identifier) or target.find_snapshot(identifier)
        if copy is None:
            return _wait_until_visible(step_input)
        check_provenance(copy, step_input.snapshot)
        status, percent, meaning = copy["Status"], copy.get("PercentProgress"), snapshot_meaning(copy["Status"])
        if meaning is Meaning.READY:
            checks = checks_fact(compare_copy(copy, step_input.snapshot))
            return StepOutcome(details="Copy completed", percent=100, resource_arns=(arn,), facts=checks)
        if meaning is Meaning.TERMINAL:
            raise StepFailed(
                "Copy failed",
                f"{arn} is {status}, expected available. Check the policies of both KMS keys, then retry from "
                "copy-snapshot, which deletes a failed copy and starts another.",
            )
        progress = f"{status} {percent} %" if percent else status
        end_wait_if_final(step_input, f"Copy at {progress}", "RDS continues the copy; a retry adopts it.")
        warnings = (f"The copy has the status {status}, which the pipeline does not know.",)
        return StepOutcome(
            done=False,
            details=progress,
            in_progress=(Change.SNAPSHOT_COPY,),
            percent=percent,
            resource_arns=(arn,),
            warnings=warnings if meaning is Meaning.UNKNOWN else (),
        )

    @step_activity(Step.ARCHIVE_SNAPSHOT)
    def archive_snapshot(self, step_input: ArchiveSnapshotInput) -> ArchiveSnapshotOutcome:
        """Tag this operation's copy as kept, and prune this pipeline's older copies beyond the number to keep.

        If the request wants a masked archive, take a snapshot of the masked target instead, share it with the accounts of
        the request, and only then prune the older masked snapshots and every copy; see `keep_masked_snapshots`.
        Last, give the restored cluster its own security groups if it is in quarantine, and stop it if the request asks for
        that: the notification is sent after the last change. Not done until the groups are active.
        A copy is this pipeline's if its tag names this very target and its name is one that the pipeline gives; no
        other snapshot is touched. Raises `Refused` if the copy's name belongs to a copy of another snapshot, `StepFailed` if
        the cluster to stop is not the restored one.
        Source: RDS API Reference, ModifyDBCluster, StopDBCluster.
        Run twice: the same copies are kept, a copy that is gone is no error, and the outcome also names what an earlier
        attempt pruned, because the trail holds what was declared; groups that the cluster has are not given again, and a
        cluster that is stopping or stopped stays so.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        if step_input.cluster_resource_id:
            # A restore that was reset by hand to here may be older than the target.
            named = step_input.restored_target
            restored = TargetCluster(self._aws, named, step_input.operation_id)
            check_still_restored(restored, named.arn, step_input.cluster_resource_id)
        keep_snapshots = keep_masked_snapshots if step_input.masked_cluster_resource_id else keep_copies
        kept = keep_snapshots(self._intents, step_input, target)
        if kept.waiting_for:
            return ArchiveSnapshotOutcome(
                done=False, details=kept.waiting_for, in_progress=(Change.SNAPSHOT,), resource_arns=kept.arns
            )
        details = ["Snapshot archived", *kept.details]
        if own_network := step_input.own_network:
            if waiting_for := leave_quarantine(target, own_network):
                end_wait_if_final(step_input, NOT_LEFT, f"Waiting for: {waiting_for}. {STILL_CLOSED}")
                return ArchiveSnapshotOutcome(done=False, details=waiting_for, resource_arns=kept.pruned)
            details.append("quarantine left")
        if step_input.target.after is AfterRestore.STOP:
            details.append(stop_restored(target, step_input.target.cluster))
        return ArchiveSnapshotOutcome(
            details=", ".join(details),
            resource_arns=(*kept.arns, *kept.pruned),
            kept=kept.kept,
            pruned=kept.pruned,
        )


def _copy_parameters(step_input: CopySnapshotInput, identifier: str, operation_tag: str) -> dict[str, object]:
    # No CopyTags: a tag of the reserved prefix aws: on the source would make the copy fail.
    parameters: dict[str, object] = {
        "SourceDBClusterSnapshotIdentifier": step_input.snapshot.arn,
        "TargetDBClusterSnapshotIdentifier": identifier,
        "Tags": tags.tag_list(tags.copy_tags(step_input.target.arn, operation_tag, step_input.snapshot.arn)),
        "SourceRegion": step_input.source.region,
    }
    # Aurora encrypts no copy of an unencrypted snapshot; RestoreDBClusterFromSnapshot does (Aurora User Guide,
    # "Encrypting Amazon Aurora resources").
    key = step_input.kms_key_id if step_input.snapshot.encrypted else None
    return parameters | ({"KmsKeyId": key} if key else {})


def _delete_failed(
    intents: Intents, step_input: CopySnapshotInput, target: TargetCluster, copy: DBClusterSnapshotTypeDef
) -> CopySnapshotOutcome:
    """A failed copy keeps its name: it must be deleted before the same snapshot can be copied again."""
    arn = copy["DBClusterSnapshotArn"]
    if not is_own(copy, step_input.target, target.environment):
        raise StepFailed(
            "Copy failed",
            f"{arn} is failed, and this pipeline did not make it. Delete it by hand, then retry.",
        )
    prune(intents, Step.COPY_SNAPSHOT, step_input, target, [arn])
    end_wait_if_final(step_input, "Copy failed", f"{arn} had failed and was deleted; a retry copies again.")
    return CopySnapshotOutcome(done=False, details="Deleted a failed copy of the same snapshot")


def _wait_until_visible(step_input: CheckCopyInput) -> StepOutcome:
    if step_input.resource_seen or time_in_step(step_input) > NOT_FOUND_GRACE:
        raise StepFailed(
            "Copy not found",
            f"{step_input.snapshot_copy.arn} is gone. Find out who deleted it, then retry from copy-snapshot.",
        )
    end_wait_if_final(step_input, "Copy not visible yet", "Check in RDS whether it exists, then retry.")
    return StepOutcome(done=False, details="not visible yet")
