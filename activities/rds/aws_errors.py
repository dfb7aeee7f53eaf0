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
class Rule:
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

TABLE: tuple[Rule, ...] = (
    # Every operation: weather.
    Rule(ANY, "Throttling", Action.RETRY, "Throttled"),
    Rule(ANY, "ThrottlingException", Action.RETRY, "Throttled"),
    Rule(ANY, "RequestLimitExceeded", Action.RETRY, "Throttled"),
    Rule(ANY, "TooManyRequestsException", Action.RETRY, "Throttled"),
    Rule(ANY, "InternalFailure", Action.RETRY, "AWS failed inside"),
    Rule(ANY, "InternalError", Action.RETRY, "AWS failed inside"),
    Rule(ANY, "InternalServiceError", Action.RETRY, "AWS failed inside"),
    Rule(ANY, "ServiceUnavailable", Action.RETRY, "AWS is unavailable"),
    Rule(ANY, "ExpiredToken", Action.RETRY, "Credentials expired"),
    Rule(ANY, "ExpiredTokenException", Action.RETRY, "Credentials expired"),
    Rule(ANY, "RequestExpired", Action.RETRY, "Request expired", "Check the worker's clock."),
    Rule(ANY, "AccessDenied", Action.FAIL, "Access denied", "Give the role this action; docs/runbook.md names them."),
    Rule(ANY, "AccessDeniedException", Action.FAIL, "Access denied", "Give the role this action."),
    # snapshot-check, check-copy-status
    Rule("DescribeDBClusterSnapshots", "DBClusterSnapshotNotFoundFault", Action.ABSENT, "Snapshot not found"),
    Rule("DescribeDBClusters", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    Rule("DescribeDBSubnetGroups", "DBSubnetGroupNotFoundFault", Action.ABSENT, _VPC),
    Rule("DescribeDBClusterParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, "Parameter group not found"),
    Rule("DescribeDBParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, "Parameter group not found"),
    Rule("DescribeSecurityGroups", "InvalidGroup.NotFound", Action.ABSENT, _VPC),
    Rule("DescribeSecurityGroups", "InvalidGroupId.Malformed", Action.ABSENT, _VPC),
    Rule("DescribeKey", "NotFoundException", Action.ABSENT, _KMS),
    Rule("DescribeSecret", "ResourceNotFoundException", Action.ABSENT, "Secret not found"),
    Rule("GetTopicAttributes", "NotFound", Action.ABSENT, "Topic not found"),
    Rule("GetTopicAttributes", "AuthorizationError", Action.FAIL, "Access denied", "Give the role this action."),
    Rule(
        "GetSecretValue",
        "ResourceNotFoundException",
        Action.FAIL,
        "Secret not found",
        "Create it or correct secret_id.",
    ),
    # copy-snapshot
    Rule("CopyDBClusterSnapshot", "DBClusterSnapshotAlreadyExistsFault", Action.ADOPT),
    Rule("CopyDBClusterSnapshot", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    Rule(
        "CopyDBClusterSnapshot",
        "InvalidDBClusterSnapshotStateFault",
        Action.FAIL,
        "Snapshot not available",
        _SNAPSHOT_ADVICE,
    ),
    Rule("CopyDBClusterSnapshot", "InvalidDBClusterStateFault", Action.WAIT, "Source cluster is busy"),
    Rule(
        "CopyDBClusterSnapshot",
        "SnapshotQuotaExceeded",
        Action.WAIT,
        "5 copies are running into the region",
        fragment="more than 5 snapshots",
    ),
    Rule(
        "CopyDBClusterSnapshot",
        "SnapshotQuotaExceeded",
        Action.PRUNE,
        "Snapshot quota exceeded",
        "Delete manual cluster snapshots in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    Rule("CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    # delete-rds
    Rule("DeleteDBInstance", "DBInstanceNotFound", Action.ABSENT),
    Rule("DeleteDBInstance", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    Rule(
        "DeleteDBInstance",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        "Cluster is a replication source",
        "Delete its replica cluster first, or take another target.",
        fragment="last instance of the master cluster",
    ),
    Rule("DeleteDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    Rule("DeleteDBCluster", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    Rule(
        "DeleteDBCluster",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        "Cluster belongs to a global database",
        "Remove it from the global database, or take another target.",
        fragment="global cluster",
    ),
    Rule("DeleteDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    Rule(
        "DeleteDBCluster",
        "InvalidGlobalClusterStateFault",
        Action.REFUSE,
        "Cluster belongs to a global database",
        "Remove it from the global database, or take another target.",
    ),
    Rule(
        "DeleteDBCluster",
        "InvalidParameterCombination",
        Action.REFUSE,
        "Deletion protection is on",
        "Switch it off on the target if it is meant to be replaced every night.",
        fragment="protected",
    ),
    # restore-snapshot
    Rule("RestoreDBClusterFromSnapshot", "DBClusterAlreadyExistsFault", Action.ADOPT),
    Rule("RestoreDBClusterFromSnapshot", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    Rule("RestoreDBClusterFromSnapshot", "InvalidVPCNetworkStateFault", Action.FAIL, _VPC, _VPC_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "InvalidSubnet", Action.FAIL, _VPC, _VPC_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "DBSubnetGroupNotFoundFault", Action.FAIL, _VPC, _VPC_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "DBSubnetGroupDoesNotCoverEnoughAZs", Action.FAIL, _VPC, _VPC_ADVICE),
    Rule("RestoreDBClusterFromSnapshot", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    Rule(
        "RestoreDBClusterFromSnapshot",
        "DBClusterParameterGroupNotFound",
        Action.FAIL,
        "Parameter group not found",
        "Create it in the target region or correct db_cluster_parameter_group_name.",
    ),
    Rule(
        "RestoreDBClusterFromSnapshot",
        "DBClusterQuotaExceededFault",
        Action.FAIL,
        "Cluster quota exceeded",
        "Delete clusters in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    Rule(
        "RestoreDBClusterFromSnapshot", "InsufficientDBClusterCapacityFault", Action.RETRY, _CAPACITY, _CAPACITY_ADVICE
    ),
    Rule(
        "RestoreDBClusterFromSnapshot", "InsufficientStorageClusterCapacity", Action.RETRY, _CAPACITY, _CAPACITY_ADVICE
    ),
    # check-restore-status
    Rule("CreateDBInstance", "DBInstanceAlreadyExists", Action.ADOPT),
    Rule("CreateDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    Rule("CreateDBInstance", "InsufficientDBInstanceCapacity", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    Rule(
        "CreateDBInstance",
        "InstanceQuotaExceeded",
        Action.FAIL,
        "Instance quota exceeded",
        "Delete instances in the target region that nobody needs, or ask AWS for a higher quota.",
    ),
    Rule("ModifyDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    Rule("ModifyDBCluster", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    # archive-snapshot
    Rule("AddTagsToResource", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    Rule("AddTagsToResource", "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _SNAPSHOT_ADVICE),
    Rule("AddTagsToResource", "InvalidDBClusterStateFault", Action.RETRY, "Cluster is busy"),
    Rule("DeleteDBClusterSnapshot", "DBClusterSnapshotNotFoundFault", Action.ABSENT),
    Rule("DeleteDBClusterSnapshot", "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    # sns-notification
    Rule("Publish", "NotFound", Action.FAIL, "Topic not found", "Create the topic or correct topic_arn."),
    Rule("Publish", "KMSThrottling", Action.RETRY, "Throttled"),
    Rule("Publish", "AuthorizationError", Action.FAIL, "Access denied", "Give the role sns:Publish on the topic."),
)


def rule_for(error: ClientError) -> Rule:
    """The first row that fits; an answer that no row knows ends the night, unless HTTP says that AWS is at fault."""
    operation, code, message = error.operation_name, error_code(error), error.response["Error"].get("Message", "")
    for rule in TABLE:
        if rule.operation in (operation, ANY) and rule.code == code and rule.fragment.lower() in message.lower():
            return rule
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return Rule(operation, code, Action.RETRY, "AWS failed inside")
    return Rule(operation, code, Action.FAIL, f"{operation} refused")


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
