"""What the night would do if it began now, and what would stop it: everything looked at, nothing changed.

Where a night ends at the first thing that AWS refuses, a plan notes it and looks at the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from activities.preflight import guards
from activities.preflight.guards import PreflightCheck, Violation
from activities.preflight.preflight import ExistingTarget, Preflight
from activities.rds.aws_errors import translated
from activities.rds.provenance import provenance_mismatch
from activities.snapshots import kept_and_pruned
from activities.step import Intents
from clients.aws import AwsClients
from clients.rds import find_snapshot
from errors import Fault, PipelineError, TrailUnavailable, Transient
from models.configuration import REQUIRED, ClusterSettings, overlaid
from models.identifiers import copy_identifier, partition
from models.request import RestoreRequest, Target
from models.snapshots import SnapshotCheckInput, SnapshotCopy, SourceSnapshot
from models.steps import Step

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

PLAN = "plan"
"""Stands where the operation's number would: in the names of the assumed roles' sessions, and so in CloudTrail."""

NEEDS_SNAPSHOT = frozenset({"snapshot-type", "snapshot-share"})
NEEDS_ITS_ENGINE = NEEDS_SNAPSHOT | {
    "snapshot-key",
    "parameter-group",
    "parameter-group-family",
    "instance-class",
    "serverless-scaling",
    "kms-key",
    "engine-version",
}
"""What cannot be known without the snapshot, nor from its cluster as it is now if that is gone too."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class CheckResult:
    """How one rule stands; it holds if neither of the texts is there."""

    rule: str
    broken: str | None = None
    """What is wrong."""
    unseen: str | None = None
    """Why it was not looked at."""


@dataclass(frozen=True)
class Setting:
    """One setting of the cluster that the night would make; None means that RDS chooses it."""

    name: str
    value: object
    origin: str


@dataclass
class Plan:
    """A night on paper."""

    request: RestoreRequest
    at: datetime
    snapshot: SourceSnapshot | None = None
    copy: SnapshotCopy | None = None
    """The one to restore from, whether it is there yet or not."""
    copy_status: str | None = None
    """None if there is no copy of this snapshot yet."""
    target: ExistingTarget = field(default_factory=ExistingTarget)
    settings: list[Setting] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    findings: list[CheckResult] = field(default_factory=list)

    @property
    def obstacles(self) -> list[CheckResult]:
        """What would stop the night."""
        return [finding for finding in self.findings if finding.broken]


def plan_restore(aws: AwsClients, intents: Intents, request: RestoreRequest, at: datetime) -> Plan:
    """Look at everything, with the time `at` (aware) for the night's beginning.

    Raises `Transient` or a `BotoCoreError` if AWS cannot be asked: then there is no plan.
    """
    return _Planner(aws, intents, Plan(request, at)).plan()


class _Planner:
    """Fills a plan, in the order in which the night would come to it."""

    def __init__(self, aws: AwsClients, intents: Intents, plan: Plan) -> None:
        request = plan.request
        self._aws = aws
        self._intents = intents
        self._plan = plan
        self._step_input = SnapshotCheckInput(
            operation_id=PLAN,
            step_started_at=plan.at,
            source=request.source,
            target=request.target,
            users=request.users,
            notification=request.notification,
            copy_needed=request.copy_needed,
        )
        self._look = Preflight(aws, intents, self._step_input, plan.at)

    def plan(self) -> Plan:
        plan = self._plan
        plan.snapshot = self._noted("snapshot", self._look.snapshot)
        self._unless_broken("snapshot")
        source = self._noted("source-cluster", self._look.source_cluster)
        of_snapshot = plan.snapshot.cluster_resource_id if plan.snapshot else None
        ids = guards.known(source["DbClusterResourceId"] if source else None, of_snapshot)
        target = self._noted("target-exists", lambda: self._look.target(ids))
        plan.target = target or ExistingTarget()
        plan.settings = _settings(plan.request.target, plan.target)
        self._check_target(target)
        self._check_restore(source)
        self._check([PreflightCheck(("copy-source",), self._copy), PreflightCheck(("trail",), self._trail)])
        plan.pruned = self._noted("archive", self._pruned) or []
        return plan

    def _noted(self, rule: str, look: Callable[[], Answer]) -> Answer | None:
        """The answer, or None with a finding that says why there is none."""
        try:
            return look()
        except (ClientError, PipelineError) as error:
            self._plan.findings.append(CheckResult(rule, broken=_fault(error).message))
            return None

    def _unless_broken(self, rule: str) -> None:
        if rule not in {finding.rule for finding in self._plan.findings}:
            self._plan.findings.append(CheckResult(rule))

    def _check(self, checks: Iterable[PreflightCheck]) -> None:
        for check in checks:
            found = self._noted(check.rules[0], partial(_looked, check))
            if found is not None:
                self._plan.findings += [CheckResult(violation.rule, broken=violation.message) for violation in found]
                for rule in check.rules:
                    self._unless_broken(rule)

    def _check_target(self, target: ExistingTarget | None) -> None:
        checks = self._look.target_checks(self._plan.target)
        # A target that could not be looked at is not one that may be missing.
        self._check(check for check in checks if target is not None or check.rules != ("target-exists",))
        if self._plan.target.sighting is None:
            reason = "there is nothing to delete" if target else "the target could not be looked at"
            self._plan.findings += [CheckResult(rule, unseen=reason) for rule in guards.GUARDS]

    def _check_restore(self, source: DBClusterTypeDef | None) -> None:
        """Without a snapshot, as one of the cluster as it is now would be."""
        plan = self._plan
        snapshot = plan.snapshot or _as_the_cluster_is(source, self._step_input)
        unseen = frozenset() if plan.snapshot else NEEDS_SNAPSHOT if source else NEEDS_ITS_ENGINE
        checks = self._look.restore_checks(snapshot, plan.target)
        self._check(check for check in checks if unseen.isdisjoint(check.rules))
        plan.findings += [
            CheckResult(rule, unseen="there is no snapshot to look at")
            for check in checks
            for rule in check.rules
            if not unseen.isdisjoint(check.rules)
        ]

    def _copy(self) -> Iterator[Violation]:
        plan, target = self._plan, self._plan.request.target
        if plan.snapshot is None:
            return
        if not self._step_input.copy_needed:
            plan.copy = SnapshotCopy(arn=plan.snapshot.arn, identifier=plan.snapshot.identifier, copied=False)
            return
        identifier = copy_identifier(target.arn, plan.snapshot.arn, plan.snapshot.created_at)
        prefix = f"arn:{partition(target.region)}:rds:{target.region}:{target.account_id}:cluster-snapshot:"
        plan.copy = SnapshotCopy(arn=prefix + identifier, identifier=identifier, copied=True)
        copy = find_snapshot(self._aws.rds(target, PLAN), identifier)
        plan.copy_status = copy["Status"] if copy else None
        if copy and (strange := provenance_mismatch(copy, plan.snapshot)):
            yield Violation("copy-source", "Copy is of another snapshot", strange)

    def _trail(self) -> Iterator[Violation]:
        """Nothing is deleted without it; whether it can be written is not tried. Raises `TrailUnavailable`."""
        self._intents.declared(Step.DELETE_RDS, PLAN)
        yield from ()

    def _pruned(self) -> list[str]:
        plan = self._plan
        if plan.copy is None or not plan.copy.copied:
            return []
        request = plan.request
        return kept_and_pruned(self._aws.rds(request.target, PLAN), request.target, plan.copy, request.archive)[1]


def _looked(check: PreflightCheck) -> list[Violation]:
    return list(check.run())


def _fault(error: ClientError | PipelineError) -> Fault:
    """What the operator reads of it. Raises what says nothing of the night: that AWS does not answer now."""
    told = translated(error) if isinstance(error, ClientError) else error
    if isinstance(told, Transient) and not isinstance(told, TrailUnavailable):
        raise told from error
    return told.fault


def _as_the_cluster_is(source: DBClusterTypeDef | None, step_input: SnapshotCheckInput) -> SourceSnapshot:
    """What a snapshot of the source would be like if one were taken now."""
    found = source or {}
    return SourceSnapshot(
        arn=step_input.source.arn,
        identifier=f"of {step_input.source.cluster}",
        created_at=step_input.step_started_at,
        engine=found.get("Engine", ""),
        engine_version=found.get("EngineVersion", ""),
        encrypted=found.get("StorageEncrypted", False),
        kms_key_id=found.get("KmsKeyId"),
        cluster_resource_id=found.get("DbClusterResourceId"),
    )


def _settings(wanted: Target, target: ExistingTarget) -> list[Setting]:
    chosen = overlaid(wanted, target.settings)
    carried = (
        "carried over from the live target" if target.sighting else "carried over from the deleted target's record"
    )
    return [
        Setting(name, getattr(chosen, name), _origin(name, wanted, target.settings, carried))
        for name in ClusterSettings.model_fields
    ]


def _origin(name: str, wanted: Target, live: ClusterSettings | None, carried: str) -> str:
    if getattr(wanted, name) is not None:
        return "request"
    if getattr(live, name, None) is not None:
        return carried
    return "missing" if name in REQUIRED else "RDS default"
