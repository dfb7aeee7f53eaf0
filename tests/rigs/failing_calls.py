"""The call of each step by which a test makes the step fail for good."""

from __future__ import annotations

from dataclasses import dataclass

from devstack.aws.fault_injection import FaultInjector, InjectedFault
from devstack.demo_environment import USERS
from models.steps import Step


@dataclass(frozen=True)
class FailingCall:
    """An operation of AWS and the error code with which it refuses."""

    service: str
    operation: str
    code: str
    calls_before: int = 0
    """How many such calls earlier steps make in a restore of the default request."""


FAILING_CALLS = {
    Step.SNAPSHOT_CHECK: FailingCall("kms", "DescribeKey", "NotFoundException"),
    Step.COPY_SNAPSHOT: FailingCall("rds", "CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault"),
    Step.DELETE_RDS: FailingCall("rds", "DeleteDBCluster", "AccessDenied"),
    Step.RESTORE_SNAPSHOT: FailingCall("rds", "RestoreDBClusterFromSnapshot", "InvalidVPCNetworkStateFault"),
    Step.CHECK_RESTORE_STATUS: FailingCall("rds", "CreateDBInstance", "AccessDenied"),
    Step.SETUP_DB_USERS: FailingCall("secretsmanager", "GetSecretValue", "AccessDeniedException", len(USERS)),
    Step.ARCHIVE_SNAPSHOT: FailingCall("rds", "AddTagsToResource", "AccessDenied"),
    Step.SNS_NOTIFICATION: FailingCall("sns", "Publish", "NotFound"),
}
"""Every step but check-copy-status: a copy fails by its status, without a call that fails."""


def fail_step(faults: FaultInjector, step: Step, count: int | None = 1, skip: int = 0) -> InjectedFault:
    """Let the step's call fail `count` times (None: always), after `skip` calls that succeed."""
    call = FAILING_CALLS[step]
    return refuse(faults, call.service, call.operation, call.code, count=count, skip=call.calls_before + skip)


def refuse(
    faults: FaultInjector, service: str, operation: str, code: str, count: int | None = 1, skip: int = 0
) -> InjectedFault:
    """Let an operation fail with a code that no retry helps against."""
    # A code that botocore's model lacks needs its HTTP status.
    return faults.add(
        service, operation, "error", code=code, message="as AWS says it", status=400, count=count, skip=skip
    )
