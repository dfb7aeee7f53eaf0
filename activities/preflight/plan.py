"""What a restore would do if it started now, and which checks would stop it. Reads everything, changes nothing.

A restore ends at the first call that AWS refuses; a plan records the refusal and goes on with the other checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.carry_over import CarryOver, describe_carry_over
from activities.preflight.guards import NotChecked, PreflightCheck, Violation
from activities.preflight.masking import describe_masking
from activities.preflight.planned_settings import Setting, planned_settings
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
NO_FILES = "only the worker has the files; set AURORA_RESTORE_SQL_DIRECTORY to check them here"
WRONG_ACCOUNT = "the credentials are not those of the request's accounts"
WRONG_REGION = "the target's region is wrong"

Answer = TypeVar("Answer")


class CheckStatus(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class CheckResult:
    """How the check of one rule ended."""

    rule: str
    status: CheckStatus = CheckStatus.PASSED
    message: str = ""
    """Of a failed check: what is wrong, what is expected, what to do. Of a skipped check: the reason."""


@dataclass
class Plan:
    """What one restore would do. None in an optional field means that AWS or an earlier check did not give it."""

    request: RestoreRequest
    at: datetime
    snapshot: SourceSnapshot | None = None
    copy: SnapshotCopy | None = None
    """The one to restore from, whether it exists yet or not."""
    copy_status: str | None = None
    """None if this snapshot has no copy yet."""
    target: ExistingTarget | None = None
    carry_over: CarryOver | None = None
    """What becomes of the live target; None without one."""
    settings: list[Setting] = field(default_factory=list)
    """Of a restore without a live target: each setting, and where it comes from."""
    masking: tuple[tuple[str, str], ...] = ()
    """What becomes of the tables, by database; empty if nothing is masked or the file cannot be read here."""
    pruned: list[str] | None = None
    """The ARNs of the snapshots that archive-snapshot would delete."""
    results: list[CheckResult] = field(default_factory=list)

    @property
    def failed_checks(self) -> list[CheckResult]:
        """The checks that would stop the restore."""
        return [result for result in self.results if result.status is CheckStatus.FAILED]


def plan_restore(
    aws: AwsClients, intents: Intents, request: RestoreRequest, at: datetime, sql_directory: Path | None = None
) -> Plan:
    """Run every check for a restore that starts at the time `at` (aware).

    Without the directory of the operator's SQL files, which a worker has, these are not checked.
    Raises `Transient` or a `BotoCoreError` if AWS is unavailable: then there is no plan.
    """
    return _Planner(aws, intents, Plan(request, at), sql_directory).run()


class _Planner:
    """Fills in a plan, in the order of the restore's steps."""

    def __init__(self, aws: AwsClients, intents: Intents, plan: Plan, sql_directory: Path | None) -> None:
        request = plan.request
        self._intents = intents
        self._plan = plan
        self._step_input = SnapshotCheckInput(
            operation_id=PLAN,
            step_started_at=plan.at,
            source=request.source,
            target=request.target,
            users=request.users,
            sql_files=request.sql_files,
            masking=request.masking,
            notification=request.notification,
            archive=request.archive,
            copy_needed=request.copy_needed,
        )
        self._plan.masking = describe_masking(sql_directory, request.masking)
        files = {"sql-files": request.sql_files, "sql-syntax": request.sql_files, "masking-file": request.masking}
        self._unreadable = [rule for rule, named in files.items() if named and sql_directory is None]
        self._preflight = Preflight(aws, intents, self._step_input, plan.at, sql_directory)

    def run(self) -> Plan:
        plan = self._plan
        self._run_checks(self._preflight.account_checks())
        if plan.failed_checks:
            self._skip_all(WRONG_ACCOUNT)
            return plan
        plan.snapshot = self._attempt("snapshot", self._preflight.select_snapshot)
        self._pass_unless_failed("snapshot")
        source = self._attempt("source-cluster", self._preflight.find_source_cluster)
        source_ids = guards.known_resource_ids(
            source["DbClusterResourceId"] if source else None,
            plan.snapshot.cluster_resource_id if plan.snapshot else None,
        )
        plan.target = self._attempt("target-exists", lambda: self._describe_target(source_ids))
        target = plan.target or ExistingTarget()
        if target.observed and target.settings:
            plan.carry_over = describe_carry_over(
                plan.request, target.observed.cluster, target.instances, target.settings
            )
        else:
            plan.settings = planned_settings(plan.request.target, target)
        snapshot = plan.snapshot or snapshot_of_now(source, self._step_input)
        if plan.target is not None:
            self._run_checks(self._preflight.region_checks(snapshot, target))
        if "target-region" in {result.rule for result in plan.failed_checks}:
            self._skip_all(WRONG_REGION)
            return plan
        self._check_target(target)
        self._check_restore(source, snapshot, target)
        if plan.snapshot is None:
            self._skip(["copy-source"], NO_SNAPSHOT)
        else:
            self._run_checks([PreflightCheck(("copy-source",), partial(self._check_copy, plan.snapshot))])
        self._run_checks([PreflightCheck(("trail",), self._check_trail)])
        plan.pruned = self._attempt("archive", self._snapshots_to_prune)
        return plan

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
        self._plan.results.append(CheckResult(rule, CheckStatus.FAILED, message))

    def _pass_unless_failed(self, rule: str) -> None:
        if rule not in {result.rule for result in self._plan.results}:
            self._plan.results.append(CheckResult(rule))

    def _skip(self, rules: Iterable[str], reason: str) -> None:
        self._plan.results += [CheckResult(rule, CheckStatus.SKIPPED, reason) for rule in rules]

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
            is_absent = self._plan.target is not None
            self._skip(
                guards.GUARDS, "there is no cluster to delete" if is_absent else "AWS did not describe the target"
            )

    def _skip_all(self, reason: str) -> None:
        """Skip every check but that of the trail: what they would say follows from the one that failed."""
        self._run_checks([PreflightCheck(("trail",), self._check_trail)])
        done = {result.rule for result in self._plan.results}
        snapshot, target = snapshot_of_now(None, self._step_input), ExistingTarget()
        listed = [rule for check in self._preflight.checks(snapshot, target) for rule in check.rules]
        rules = dict.fromkeys(["snapshot", *guards.GUARDS, *listed, "copy-source"])
        self._skip([rule for rule in rules if rule not in done], reason)

    def _check_restore(self, source: DBClusterTypeDef | None, snapshot: SourceSnapshot, target: ExistingTarget) -> None:
        """Without a snapshot, the checks assume one that is taken of the source cluster now: `snapshot`."""
        unknown: frozenset[str] = frozenset()
        if self._plan.snapshot is None:
            unknown = NEEDS_SNAPSHOT if source else NEEDS_SNAPSHOT_OR_SOURCE
        reasons = dict.fromkeys(unknown, NO_SNAPSHOT)
        reasons |= dict.fromkeys(self._unreadable, NO_FILES)
        for check in self._preflight.restore_checks(snapshot, target):
            reason = next((reasons[rule] for rule in check.rules if rule in reasons), None)
            if reason is None:
                self._run_checks([check])
            else:
                self._skip(check.rules, reason)

    def _check_copy(self, snapshot: SourceSnapshot) -> Iterator[Violation]:
        plan, target = self._plan, self._plan.request.target
        if not self._step_input.copy_needed:
            plan.copy = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
            return
        environment = self._preflight.target.environment
        identifier = copy_identifier(environment, target.arn, snapshot.arn, snapshot.created_at)
        prefix = f"arn:{partition(target.region)}:rds:{target.region}:{target.account_id}:cluster-snapshot:"
        plan.copy = SnapshotCopy(arn=prefix + identifier, identifier=identifier, copied=True)
        copy = self._preflight.target.find_snapshot(identifier)
        plan.copy_status = copy["Status"] if copy else None
        if copy and (mismatch := provenance_mismatch(copy, snapshot)):
            yield Violation("copy-source", "Copy is of another snapshot", mismatch)

    def _check_trail(self) -> Iterator[Violation]:
        """Reads the trail, without which nothing is deleted; does not try to write. Raises `TrailUnavailable`."""
        self._intents.has_intent(Step.DELETE_RDS, PLAN)
        yield from ()

    def _snapshots_to_prune(self) -> list[str] | None:
        copy, archive, target = self._plan.copy, self._plan.request.archive, self._preflight.target
        if copy is None:
            return None
        masked: list[str] = []
        if archive.masked:
            existing = own_masked_snapshots(target.reader, self._plan.request.target, target.environment)
            masked = split_by_retention(existing, "", archive.keep)[1]
        elif not copy.copied:
            return []
        return [*split_by_retention(target.list_own_copies(), copy.arn, archive.copies_to_keep)[1], *masked]


def _violations(check: PreflightCheck) -> list[Violation]:
    return list(check.run())


def _refusal(error: ClientError | PipelineError) -> str:
    """The error as a message to the operator. Raises it again if it only says that AWS is unavailable now."""
    failure = pipeline_error_for(error) if isinstance(error, ClientError) else error
    if isinstance(failure, Transient) and not isinstance(failure, TrailUnavailable):
        raise failure from error
    return failure.fault.message
