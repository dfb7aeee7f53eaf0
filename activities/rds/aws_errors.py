"""The fault table: what each answer of AWS means for a night.

Faults are told apart by their wire code (``Error.Code``), which is not always the name of botocore's exception
class, and where one code has several meanings by a fragment of its message.
Source: botocore's RDS service model; RDS API Reference, "Errors" of each operation.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from errors import AwsUnavailable, PipelineError, Refused, ResourceBusy, StepFailed


class Action(StrEnum):
    """What to do about a fault."""

    RETRY = "retry"
    """Nothing is wrong with the night: repeat the call."""
    WAIT = "wait"
    """RDS is busy or has no room yet: look again at the next tick."""
    PRUNE = "prune"
    """There are too many: remove our own oldest copies and ask once more."""
    ADOPT = "adopt"
    """It is there already: perhaps made by a call whose answer was lost. Look whether it is ours."""
    ABSENT = "absent"
    """It is not there: for a deletion that is the end, for a look just after a creation it may come yet."""
    REFUSE = "refuse"
    """Something protects the resource: leave it alone."""
    FAIL = "fail"
    """The night cannot go on."""


@dataclass(frozen=True)
class FaultRule:
    """One row: an operation's fault and what it means."""

    operation: str
    code: str
    action: Action
    short: str = ""
    advice: str = ""
    fragment: str = ""


ANY = "*"

SERVER_ERROR, TOO_MANY_REQUESTS = 500, 429

_VPC = "Invalid VPC configuration"
_VPC_ADVICE = "Check db_subnet_group_name and vpc_security_group_ids of the request against the target's VPC."
_SNAPSHOT = "Invalid snapshot ID"
_SNAPSHOT_ADVICE = "The snapshot was there when the night began: see who deleted it, or choose another and start again."
_KMS = "KMS key not accessible"
_KMS_ADVICE = "Check kms_key_id and that the role may use both keys (kms:DescribeKey, CreateGrant, Decrypt)."
_CAPACITY = "Insufficient capacity"
_CAPACITY_ADVICE = "AWS has no room for this instance class here just now; try another class or zone."

TABLE: tuple[FaultRule, ...] = (
    # Every operation: weather.
    FaultRule(ANY, "Throttling", Action.RETRY, "Throttled"),
    FaultRule(ANY, "ThrottlingException", Action.RETRY, "Throttled"),
    FaultRule(ANY, "RequestLimitExceeded", Action.RETRY, "Throttled"),
    FaultRule(ANY, "TooManyRequestsException", Action.RETRY, "Throttled"),
    FaultRule(ANY, "InternalFailure", Action.RETRY, "AWS failed inside"),
    FaultRule(ANY, "InternalError", Action.RETRY, "AWS failed inside"),
    FaultRule(ANY, "InternalServiceError", Action.RETRY, "AWS failed inside"),
    FaultRule(ANY, "ServiceUnavailable", Action.RETRY, "AWS is unavailable"),
    FaultRule(ANY, "ExpiredToken", Action.RETRY, "Credentials expired"),
    FaultRule(ANY, "ExpiredTokenException", Action.RETRY, "Credentials expired"),
    FaultRule(ANY, "RequestExpired", Action.RETRY, "Request expired", "Check the worker's clock."),
    FaultRule(
        ANY, "AccessDenied", Action.FAIL, "Access denied", "Give the role this action; docs/runbook.md names them."
    ),
    FaultRule(ANY, "AccessDeniedException", Action.FAIL, "Access denied", "Give the role this action."),
    # snapshot-check, check-copy-status
    FaultRule("DescribeDBClusterSnapshots", "DBClusterSnapshotNotFoundFault", Action.ABSENT, "Snapshot not found"),
    FaultRule("DescribeDBClusters", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    FaultRule("DescribeDBSubnetGroups", "DBSubnetGroupNotFoundFault", Action.ABSENT, _VPC),
    FaultRule(
        "DescribeDBClusterParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, "Parameter group not found"
    ),
    FaultRule("DescribeDBParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, "Parameter group not found"),
    FaultRule("DescribeSecurityGroups", "InvalidGroup.NotFound", Action.ABSENT, _VPC),
    FaultRule("DescribeSecurityGroups", "InvalidGroupId.Malformed", Action.ABSENT, _VPC),
    FaultRule("DescribeKey", "NotFoundException", Action.ABSENT, _KMS),
    FaultRule("DescribeSecret", "ResourceNotFoundException", Action.ABSENT, "Secret not found"),
    FaultRule("GetTopicAttributes", "NotFound", Action.ABSENT, "Topic not found"),
    FaultRule("GetTopicAttributes", "AuthorizationError", Action.FAIL, "Access denied", "Give the role this action."),
    FaultRule(
        "GetSecretValue",
        "ResourceNotFoundException",
        Action.FAIL,
        "Secret not found",
        "Create it or correct secret_id.",
    ),
    # copy-snapshot
    FaultRule("CopyDBClusterSnapshot", "DBClusterSnapshotAlreadyExistsFault", Action.ADOPT),
    FaultRule("CopyDBClusterSnapshot", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    FaultRule(
        "CopyDBClusterSnapshot",
        "InvalidDBClusterSnapshotStateFault",
        Action.FAIL,
        "Snapshot not available",
        _SNAPSHOT_ADVICE,
    ),
    FaultRule("CopyDBClusterSnapshot", "InvalidDBClusterStateFault", Action.WAIT, "Source cluster is busy"),
    FaultRule(
        "CopyDBClusterSnapshot",
        "SnapshotQuotaExceeded",
        Action.WAIT,
        "5 copies are running into the region",
        fragment="more than 5 snapshots",
    ),
    FaultRule(
        "CopyDBClusterSnapshot",
        "SnapshotQuotaExceeded",
        Action.PRUNE,
        "Snapshot quota exceeded",
        "Delete manual cluster snapshots in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    FaultRule("CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    # delete-rds
    FaultRule("DeleteDBInstance", "DBInstanceNotFound", Action.ABSENT),
    FaultRule("DeleteDBInstance", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule(
        "DeleteDBInstance",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        "Cluster is a replication source",
        "Delete its replica cluster first, or take another target.",
        fragment="last instance of the master cluster",
    ),
    FaultRule("DeleteDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("DeleteDBCluster", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    FaultRule(
        "DeleteDBCluster",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        "Cluster belongs to a global database",
        "Remove it from the global database, or take another target.",
        fragment="global cluster",
    ),
    FaultRule("DeleteDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule(
        "DeleteDBCluster",
        "InvalidGlobalClusterStateFault",
        Action.REFUSE,
        "Cluster belongs to a global database",
        "Remove it from the global database, or take another target.",
    ),
    FaultRule(
        "DeleteDBCluster",
        "InvalidParameterCombination",
        Action.REFUSE,
        "Deletion protection is on",
        "Switch it off on the target if it is meant to be replaced every night.",
        fragment="protected",
    ),
    # restore-snapshot
    FaultRule("RestoreDBClusterFromSnapshot", "DBClusterAlreadyExistsFault", Action.ADOPT),
    FaultRule(
        "RestoreDBClusterFromSnapshot", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE
    ),
    FaultRule("RestoreDBClusterFromSnapshot", "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    FaultRule("RestoreDBClusterFromSnapshot", "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    FaultRule("RestoreDBClusterFromSnapshot", "InvalidVPCNetworkStateFault", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("RestoreDBClusterFromSnapshot", "InvalidSubnet", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("RestoreDBClusterFromSnapshot", "DBSubnetGroupNotFoundFault", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("RestoreDBClusterFromSnapshot", "DBSubnetGroupDoesNotCoverEnoughAZs", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("RestoreDBClusterFromSnapshot", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    FaultRule(
        "RestoreDBClusterFromSnapshot",
        "DBClusterParameterGroupNotFound",
        Action.FAIL,
        "Parameter group not found",
        "Create it in the target region or correct db_cluster_parameter_group_name.",
    ),
    FaultRule(
        "RestoreDBClusterFromSnapshot",
        "DBClusterQuotaExceededFault",
        Action.FAIL,
        "Cluster quota exceeded",
        "Delete clusters in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    FaultRule(
        "RestoreDBClusterFromSnapshot", "InsufficientDBClusterCapacityFault", Action.RETRY, _CAPACITY, _CAPACITY_ADVICE
    ),
    FaultRule(
        "RestoreDBClusterFromSnapshot", "InsufficientStorageClusterCapacity", Action.RETRY, _CAPACITY, _CAPACITY_ADVICE
    ),
    # check-restore-status
    FaultRule("CreateDBInstance", "DBInstanceAlreadyExists", Action.ADOPT),
    FaultRule("CreateDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("CreateDBInstance", "InsufficientDBInstanceCapacity", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    FaultRule(
        "CreateDBInstance",
        "InstanceQuotaExceeded",
        Action.FAIL,
        "Instance quota exceeded",
        "Delete instances in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    FaultRule("ModifyDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("ModifyDBCluster", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    # archive-snapshot
    FaultRule("AddTagsToResource", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    FaultRule("AddTagsToResource", "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    FaultRule("AddTagsToResource", "InvalidDBClusterStateFault", Action.RETRY, "Cluster is busy"),
    FaultRule("DeleteDBClusterSnapshot", "DBClusterSnapshotNotFoundFault", Action.ABSENT),
    FaultRule("DeleteDBClusterSnapshot", "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    # sns-notification
    FaultRule("Publish", "NotFound", Action.FAIL, "Topic not found", "Create the topic or correct topic_arn."),
    FaultRule("Publish", "KMSThrottling", Action.RETRY, "Throttled"),
    FaultRule("Publish", "AuthorizationError", Action.FAIL, "Access denied", "Give the role sns:Publish on the topic."),
)


def rule_for(error: ClientError) -> FaultRule:
    """The first row that fits; an answer that no row knows ends the night, unless HTTP says that AWS is at fault."""
    operation, code, message = error.operation_name, error_code(error), error.response["Error"].get("Message", "")
    for rule in TABLE:
        if rule.operation in (operation, ANY) and rule.code == code and rule.fragment.lower() in message.lower():
            return rule
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return FaultRule(operation, code, Action.RETRY, "AWS failed inside")
    return FaultRule(operation, code, Action.FAIL, f"{operation} refused")


def action_for(error: ClientError) -> Action:
    """What the fault means for the call that met it."""
    return rule_for(error).action


def error_code(error: ClientError) -> str:
    """The wire code, the only name by which a fault may be told from another."""
    return error.response["Error"].get("Code", "Unknown")


def translated(error: ClientError | BotoCoreError) -> PipelineError:
    """The error of ours for one of botocore's."""
    if isinstance(error, ClientError):
        return _translated_answer(error)
    if isinstance(error, ParamValidationError):
        return _request_not_valid(error)
    return AwsUnavailable("AWS not reachable", f"{type(error).__name__}: {error}", code=type(error).__name__)


def _request_not_valid(error: ParamValidationError) -> StepFailed:
    """Names the parameters only: botocore's report quotes their values, which can be passwords."""
    named = ", ".join(dict.fromkeys(re.findall(r"parameter (?:in input: )?\"?([A-Za-z0-9_.\[\]]+)", str(error))))
    text = (
        f"botocore refused the parameters {named or 'of a call'}. This is an error of the pipeline: please report it."
    )
    return StepFailed("Request not valid for AWS", text)


_ERRORS: dict[Action, type[PipelineError]] = {
    Action.RETRY: AwsUnavailable,
    Action.WAIT: ResourceBusy,
    Action.PRUNE: StepFailed,
    Action.ADOPT: StepFailed,
    Action.ABSENT: StepFailed,
    Action.REFUSE: Refused,
    Action.FAIL: StepFailed,
}


def _translated_answer(error: ClientError) -> PipelineError:
    rule = rule_for(error)
    said = error.response["Error"].get("Message", "").strip()
    code = error_code(error)
    message = f"{error.operation_name} answered {code}: {said}"
    return _ERRORS[rule.action](
        rule.short or f"{error.operation_name} answered {code}",
        f"{message.rstrip('.')}. {rule.advice}".strip(),
        code=code,
        request_id=error.response.get("ResponseMetadata", {}).get("RequestId"),
    )
