"""What a restore would do if it started now, and which checks would stop it. Reads everything, changes nothing.

A restore ends at the first call that AWS refuses; a plan records the refusal and goes on with the other checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.carry_over import describe_carry_over
from activities.preflight.guards import NotChecked, PreflightCheck, Violation
from activities.preflight.masking import describe_masking
from activities.preflight.planned_settings import planned_settings
from activities.preflight.preflight import ExistingTarget, Preflight
from activities.preflight.selection import snapshot_of_now
from activities.rds.aws_errors import pipeline_error_for
from activities.rds.copies import split_by_retention
from activities.rds.masked_snapshots import own_masked_snapshots
from activities.rds.provenance import provenance_mismatch
from activities.step import Intents
from clients.aws import AwsClients
from errors import PipelineError, TrailUnavailable, Transient
from models.identifiers import copy_identifier, partition
from models.plan import CarryOver, CheckResult, CheckStatus, ClusterToDelete, InstanceToDelete, Plan, Setting
from models.request import RestoreRequest
from models.snapshots import SnapshotCheckInput, SnapshotCopy, SourceSnapshot
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

PLAN = "plan"
"""In place of an operation's number: in the session names of the assumed roles, and so in CloudTrail."""

NEEDS_SNAPSHOT = frozenset({"snapshot-type", "snapshot-share"})
"""The rules that cannot be checked without the snapshot."""
NEEDS_SNAPSHOT_OR_SOURCE = NEEDS_SNAPSHOT | {
    "snapshot-key",
    "target-permissions",
    "parameter-group",
    "parameter-group-family",
    "instance-class",
    "serverless-scaling",
    "kms-key",
    "snapshot-key-state",
    "archive-key",
    "engine-version",
    "log-types",
    "version-settings",
    "sql-syntax",
    "engine-fields",
}
"""The rules that cannot be checked without the snapshot if the source cluster, whose engine and key it has, is gone too."""
NO_SNAPSHOT = "there is no source snapshot"
WRONG_ACCOUNT = "the credentials are not those of the request's accounts"
WRONG_REGION = "the target's region is wrong"

Answer = TypeVar("Answer")


def plan_restore(
    aws: AwsClients, intents: Intents, request: RestoreRequest, at: datetime, sql_directory: Path | None = None
) -> Plan:
    """Run every check for a restore that starts at the time `at` (aware).

    `sql_directory` has the operator's SQL files; None means that this worker has none.
    Raises `Transient` or a `BotoCoreError` if AWS is unavailable: then there is no plan.
    """
    return _Planner(aws, intents, request, at, sql_directory).run()


class _Planner:
    """Fills in a plan, in the order of the restore's steps."""

    def __init__(
        self, aws: AwsClients, intents: Intents, request: RestoreRequest, at: datetime, sql_directory: Path | None
    ) -> None:
        self._request, self._at, self._intents = request, at, intents
        self._step_input = SnapshotCheckInput(
            operation_id=PLAN,
            step_started_at=at,
            source=request.source,
            target=request.target,
            users=request.users,
            sql_files=request.sql_files,
            masking=request.masking,
            notification=request.notification,
            archive=request.archive,
            copy_needed=request.copy_needed,
        )
        self._masking = describe_masking(sql_directory, request.masking)
        self._preflight = Preflight(aws, intents, self._step_input, at, sql_directory)
        self._results: list[CheckResult] = []
        self._snapshot: SourceSnapshot | None = None
        self._copy: SnapshotCopy | None = None
        self._copy_status: str | None = None
        self._target: ExistingTarget | None = None
        """None if AWS did not describe it."""
        self._carry_over: CarryOver | None = None
        self._settings: tuple[Setting, ...] = ()
        self._pruned: tuple[str, ...] | None = None

    def run(self) -> Plan:
        self._run_all()
        target = self._target or ExistingTarget()
        return Plan(
            request=self._request,
            at=self._at,
            snapshot=self._snapshot,
            snapshot_copy=self._copy,
            copy_status=self._copy_status,
            target_described=self._target is not None,
            cluster_to_delete=_cluster_to_delete(target),
            carry_over=self._carry_over,
            settings=self._settings,
            masking=self._masking,
            pruned=self._pruned,
            results=tuple(self._results),
        )

    def _run_all(self) -> None:
        self._run_checks(self._preflight.account_checks())
        if self._failed_rules():
            self._skip_all(WRONG_ACCOUNT)
            return
        self._snapshot = self._attempt("snapshot", self._preflight.select_snapshot)
        self._pass_unless_failed("snapshot")
        source = self._attempt("source-cluster", self._preflight.find_source_cluster)
        source_ids = guards.known_resource_ids(
            source["DbClusterResourceId"] if source else None,
            self._snapshot.cluster_resource_id if self._snapshot else None,
        )
        self._target = self._attempt("target-exists", lambda: self._describe_target(source_ids))
        target = self._target or ExistingTarget()
        self._describe_settings(target)
        snapshot = self._snapshot or snapshot_of_now(source, self._step_input)
        if self._target is not None:
            self._run_checks(self._preflight.region_checks(snapshot, target))
        if "target-region" in self._failed_rules():
            self._skip_all(WRONG_REGION)
            return
        self._check_target(target)
        self._check_restore(source, snapshot, target)
        if self._snapshot is None:
            self._skip(["copy-source"], NO_SNAPSHOT)
        else:
            self._run_checks([PreflightCheck(("copy-source",), partial(self._check_copy, self._snapshot))])
        self._run_checks([PreflightCheck(("trail",), self._check_trail)])
        self._pruned = self._attempt("archive", self._snapshots_to_prune)

    def _describe_settings(self, target: ExistingTarget) -> None:
        if target.observed and target.settings and not self._request.target.drills:
            self._carry_over = describe_carry_over(
                self._request, target.observed.cluster, target.instances, target.settings
            )
        else:
            self._settings = planned_settings(self._request.target, target)

    def _failed_rules(self) -> set[str]:
        return {result.rule for result in self._results if result.status is CheckStatus.FAILED}

    def _describe_target(self, source_ids: frozenset[str]) -> ExistingTarget:
        """Without the trail's settings if the trail cannot be read, which the check `trail` reports."""
        try:
            return self._preflight.describe_target(source_ids)
        except TrailUnavailable:
            return self._preflight.describe_target(source_ids, read_trail=False)

    def _attempt(self, rule: str, call: Callable[[], Answer]) -> Answer | None:
        """The call's answer; None if AWS refuses it, which is recorded as a failure of the rule."""
        try:
            return call()
        except (ClientError, PipelineError) as error:
            self._record_failure(rule, _refusal(error))
            return None

    def _record_failure(self, rule: str, message: str) -> None:
        self._results.append(CheckResult(rule=rule, status=CheckStatus.FAILED, message=message))

    def _pass_unless_failed(self, rule: str) -> None:
        if rule not in {result.rule for result in self._results}:
            self._results.append(CheckResult(rule=rule))

    def _skip(self, rules: Iterable[str], reason: str) -> None:
        self._results += [CheckResult(rule=rule, status=CheckStatus.SKIPPED, message=reason) for rule in rules]

    def _run_checks(self, checks: Iterable[PreflightCheck]) -> None:
        for check in checks:
            try:
                violations = self._attempt(check.rules[0], partial(_violations, check))
            except NotChecked as reason:
                self._skip(check.rules, str(reason))
                continue
            if violations is None:
                continue
            for violation in violations:
                self._record_failure(violation.rule, violation.message)
            for rule in check.rules:
                self._pass_unless_failed(rule)

    def _check_target(self, target: ExistingTarget) -> None:
        self._run_checks(self._preflight.target_checks(target))
        if target.observed is None:
            is_absent = self._target is not None
            self._skip(
                guards.GUARDS, "there is no cluster to delete" if is_absent else "AWS did not describe the target"
            )

    def _skip_all(self, reason: str) -> None:
        """Skip every check but that of the trail: what they would say follows from the one that failed."""
        self._run_checks([PreflightCheck(("trail",), self._check_trail)])
        done = {result.rule for result in self._results}
        snapshot, target = snapshot_of_now(None, self._step_input), ExistingTarget()
        listed = [rule for check in self._preflight.checks(snapshot, target) for rule in check.rules]
        rules = dict.fromkeys(["snapshot", *guards.GUARDS, *listed, "copy-source"])
        self._skip([rule for rule in rules if rule not in done], reason)

    def _check_restore(self, source: DBClusterTypeDef | None, snapshot: SourceSnapshot, target: ExistingTarget) -> None:
        """Without a snapshot, the checks assume one that is taken of the source cluster now: `snapshot`."""
        unknown: frozenset[str] = frozenset()
        if self._snapshot is None:
            unknown = NEEDS_SNAPSHOT if source else NEEDS_SNAPSHOT_OR_SOURCE
        reasons = dict.fromkeys(unknown, NO_SNAPSHOT)
        for check in self._preflight.restore_checks(snapshot, target):
            reason = next((reasons[rule] for rule in check.rules if rule in reasons), None)
            if reason is None:
                self._run_checks([check])
            else:
                self._skip(check.rules, reason)

    def _check_copy(self, snapshot: SourceSnapshot) -> Iterator[Violation]:
        target = self._request.target
        if not self._step_input.copy_needed:
            self._copy = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
            return
        environment = self._preflight.target.environment
        identifier = copy_identifier(environment, target.arn, snapshot.arn, snapshot.created_at)
        prefix = f"arn:{partition(target.region)}:rds:{target.region}:{target.account_id}:cluster-snapshot:"
        self._copy = SnapshotCopy(arn=prefix + identifier, identifier=identifier, copied=True)
        copy = self._preflight.target.find_snapshot(identifier)
        self._copy_status = copy["Status"] if copy else None
        if copy and (mismatch := provenance_mismatch(copy, snapshot)):
            yield Violation("copy-source", "Copy is of another snapshot", mismatch)

    def _check_trail(self) -> Iterator[Violation]:
        """Reads the trail, without which nothing is deleted; does not try to write. Raises `TrailUnavailable`."""
        self._intents.has_intent(Step.DELETE_RDS, PLAN)
        yield from ()

    def _snapshots_to_prune(self) -> tuple[str, ...] | None:
        copy, archive, target = self._copy, self._request.archive, self._preflight.target
        if copy is None:
            return None
        masked: list[str] = []
        if archive.masked:
            existing = own_masked_snapshots(target.reader, self._request.target, target.environment)
            masked = split_by_retention(existing, "", archive.keep)[1]
        elif not copy.copied:
            return ()
        return (*split_by_retention(target.list_own_copies(), copy.arn, archive.copies_to_keep)[1], *masked)


def _cluster_to_delete(target: ExistingTarget) -> ClusterToDelete | None:
    if target.observed is None:
        return None
    cluster = target.observed.cluster
    return ClusterToDelete(
        arn=cluster["DBClusterArn"],
        resource_id=cluster["DbClusterResourceId"],
        status=cluster["Status"],
        instances=tuple(
            InstanceToDelete(
                identifier=instance["DBInstanceIdentifier"],
                instance_class=instance["DBInstanceClass"],
                status=instance["DBInstanceStatus"],
            )
            for instance in target.instances
        ),
    )


def _violations(check: PreflightCheck) -> list[Violation]:
    return list(check.run())


def _refusal(error: ClientError | PipelineError) -> str:
    """The error as a message to the operator. Raises it again if it only says that AWS is unavailable now."""
    failure = pipeline_error_for(error) if isinstance(error, ClientError) else error
    if isinstance(failure, Transient) and not isinstance(failure, TrailUnavailable):
        raise failure from error
    return failure.fault.message
