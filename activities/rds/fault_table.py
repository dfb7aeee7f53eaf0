"""The fault table: what each error that AWS answers means for a restore.

A fault is identified by its wire code (``Error.Code``), which is not always the name of botocore's exception class, and by
a fragment of its message where one code has several meanings. No number of a message is compared: quotas change.
Source: botocore's service models; RDS API Reference, "Errors" of each operation; botocore's own lists of what it retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from activities.rds.archive_faults import ARCHIVE_FAULTS
from activities.rds.surroundings.faults import SURROUNDING_FAULTS
from clients.throttling import THROTTLED


class Action(StrEnum):
    """What the pipeline does about a fault."""

    RETRY = "retry"
    """AWS has an outage: Temporal repeats the activity."""
    WAIT = "wait"
    """RDS is busy or has no room yet: the next poll calls again."""
    PRUNE = "prune"
    """A quota is used up: delete the pipeline's own oldest copies, then call once more; fail if there are none."""
    ADOPT = "adopt"
    """The resource exists, perhaps from a call whose answer was lost: adopt it if it is this operation's."""
    ABSENT = "absent"
    """The resource does not exist: success for a deletion, None for a read."""
    REFUSE = "refuse"
    """Something protects the resource: change nothing and end the step."""
    FAIL = "fail"
    """Repeating the call cannot help: end the step."""


ENDS_A_STEP = (Action.FAIL, Action.REFUSE, Action.PRUNE)
"""The actions whose rules need an advice, because an operator has to do something."""


@dataclass(frozen=True)
class FaultRule:
    """One row: an operation's fault and what the pipeline does about it."""

    operation: str
    """The API operation, or `ANY`."""
    code: str
    action: Action
    short: str = ""
    """The text of the trail's Details column."""
    advice: str = ""
    """The cure, printed after AWS's own message and repeated word for word in docs/runbook.md."""
    fragment: str = ""
    """A part of AWS's message that tells this meaning of the code from others; upper and lower case are the same."""


ANY = "*"

_COPY, _RESTORE = "CopyDBClusterSnapshot", "RestoreDBClusterFromSnapshot"
_VPC = "Invalid VPC configuration"
_VPC_ADVICE = "Correct the network, or db_subnet_group_name and vpc_security_group_ids of the request."
_SNAPSHOT = "Invalid snapshot ID"
_COPY_ADVICE = "Find out who deleted the copy, then retry from copy-snapshot."
_ARCHIVE_ADVICE = "Find out who deleted the copy; the restored cluster does not need it."
_COPIES_RUN = "as many copies as AWS allows are running into the region"
_KMS = "KMS key not accessible"
_KMS_ADVICE = "Check kms_key_id, and that the role may use both keys (kms:DescribeKey, CreateGrant, Decrypt)."
_CAPACITY = "Insufficient capacity"
_CAPACITY_ADVICE = "Retry later, or choose another instance class or availability zone."
_ACCESS = "Access denied"
_ACCESS_ADVICE = 'Give the role the permission; the runbook lists all of them under "Permissions of each step".'
_GLOBAL = "Cluster belongs to a global database"
_GLOBAL_ADVICE = "Remove the target from the global database, or choose another target."
_UNDELETABLE = "Cluster cannot be deleted"
_UNDELETABLE_ADVICE = "Remove what RDS names, or choose another target."
_GROUP = "Parameter group not found"
INTERNAL = "AWS internal error"
_INTERNAL_ERRORS = ("InternalFailure", "InternalError", "InternalServiceError")
_CREDENTIALS_ADVICE = "Check the access key, the secret key and the clock of the machine that made the call."
_NOT_VALID = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
)
_TIMED_OUT = ("RequestTimeout", "RequestTimeoutException", "IDPCommunicationError")
_DENIED = ("AccessDenied", "AccessDeniedException", "ClientUnavailable", "NotAuthorized", "UnauthorizedOperation")
_REQUEST_ADVICE = "Correct the request after AWS's words, then start a new restore."
_STORAGE_ADVICE = "Delete storage that nobody needs in the target's region, or ask AWS for a higher quota."


def _both(operation: str) -> tuple[FaultRule, ...]:
    """What a restore and the creation of an instance have in common."""
    return (
        FaultRule(operation, "StorageQuotaExceeded", Action.FAIL, "Storage quota exceeded", _STORAGE_ADVICE),
        FaultRule(operation, "StorageTypeNotSupported", Action.FAIL, "Storage type not supported", _REQUEST_ADVICE),
        FaultRule(operation, "NetworkTypeNotSupported", Action.FAIL, "Network type not supported", _REQUEST_ADVICE),
        FaultRule(operation, "VpcEncryptionControlViolationException", Action.FAIL, _VPC, _VPC_ADVICE),
        FaultRule(operation, "DomainNotFoundFault", Action.FAIL, "Directory not found", _REQUEST_ADVICE),
    )


TABLE: tuple[FaultRule, ...] = (
    # any operation
    *(FaultRule(ANY, code, Action.RETRY, "Throttled") for code in sorted(THROTTLED)),
    *(FaultRule(ANY, code, Action.RETRY, INTERNAL) for code in _INTERNAL_ERRORS),
    *(FaultRule(ANY, code, Action.RETRY, "Request timed out") for code in _TIMED_OUT),
    FaultRule(ANY, "ServiceUnavailable", Action.RETRY, "AWS is unavailable"),
    FaultRule(ANY, "ExpiredToken", Action.RETRY, "Credentials expired"),
    FaultRule(ANY, "ExpiredTokenException", Action.RETRY, "Credentials expired"),
    *(FaultRule(ANY, code, Action.FAIL, "Credentials not valid", _CREDENTIALS_ADVICE) for code in _NOT_VALID),
    FaultRule(ANY, "RequestExpired", Action.RETRY, "Request expired", "Check the worker's clock."),
    *(FaultRule(ANY, code, Action.FAIL, _ACCESS, _ACCESS_ADVICE) for code in _DENIED),
    # snapshot-check, check-copy-status
    FaultRule("DescribeDBClusterSnapshots", "DBClusterSnapshotNotFoundFault", Action.ABSENT, "Snapshot not found"),
    FaultRule("DescribeDBClusters", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    FaultRule("DescribeDBSubnetGroups", "DBSubnetGroupNotFoundFault", Action.ABSENT, _VPC),
    FaultRule("DescribeDBClusterParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, _GROUP),
    FaultRule("DescribeDBParameterGroups", "DBParameterGroupNotFound", Action.ABSENT, _GROUP),
    FaultRule("DescribeSecurityGroups", "InvalidGroup.NotFound", Action.ABSENT, _VPC),
    FaultRule("DescribeSecurityGroups", "InvalidGroupId.Malformed", Action.ABSENT, _VPC),
    FaultRule("DescribeKey", "NotFoundException", Action.ABSENT, _KMS),
    FaultRule("DescribeSecret", "ResourceNotFoundException", Action.ABSENT, "Secret not found"),
    FaultRule("GetTopicAttributes", "NotFound", Action.ABSENT, "Topic not found"),
    FaultRule("GetTopicAttributes", "AuthorizationError", Action.FAIL, _ACCESS, _ACCESS_ADVICE),
    FaultRule(
        "GetSecretValue",
        "ResourceNotFoundException",
        Action.FAIL,
        "Secret not found",
        "Create the secret, or correct its name in the request.",
    ),
    # copy-snapshot
    FaultRule(_COPY, "DBClusterSnapshotAlreadyExistsFault", Action.ADOPT),
    FaultRule(
        _COPY,
        "DBClusterSnapshotNotFoundFault",
        Action.FAIL,
        _SNAPSHOT,
        "Find out who deleted the snapshot, then start a new restore, which chooses another.",
    ),
    FaultRule(
        _COPY,
        "InvalidDBClusterSnapshotStateFault",
        Action.FAIL,
        "Snapshot not available",
        "Read the snapshot's status in RDS, then retry.",
    ),
    FaultRule(_COPY, "InvalidDBClusterStateFault", Action.WAIT, "Source cluster is busy"),
    FaultRule(
        _COPY,
        "SnapshotQuotaExceeded",
        Action.WAIT,
        _COPIES_RUN,
        fragment="across regions",
    ),
    FaultRule(_COPY, "SnapshotQuotaExceeded", Action.WAIT, _COPIES_RUN, fragment="cannot copy more than"),
    FaultRule(
        _COPY,
        "SnapshotQuotaExceeded",
        Action.PRUNE,
        "Snapshot quota exceeded",
        "Delete manual cluster snapshots that nobody needs in the target's region, or ask AWS for a higher quota.",
    ),
    FaultRule(_COPY, "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    # delete-rds
    FaultRule("DeleteDBInstance", "DBInstanceNotFound", Action.ABSENT),
    FaultRule("DeleteDBInstance", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule(
        "DeleteDBInstance",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        "Cluster is a replication source",
        "Delete the replica first, or choose another target.",
        fragment="last instance of the master cluster",
    ),
    FaultRule("DeleteDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("DeleteDBCluster", "DBClusterNotFoundFault", Action.ABSENT, "Cluster not found"),
    FaultRule(
        "DeleteDBCluster",
        "InvalidDBClusterStateFault",
        Action.REFUSE,
        _GLOBAL,
        _GLOBAL_ADVICE,
        fragment="global cluster",
    ),
    # "… still contains DB instances in non-deleting state", "… is in modifying state", "… with status modifying"
    *(
        FaultRule("DeleteDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy", fragment=fragment)
        for fragment in (" state", " status", "still contains")
    ),
    FaultRule("DeleteDBCluster", "InvalidDBClusterStateFault", Action.REFUSE, _UNDELETABLE, _UNDELETABLE_ADVICE),
    FaultRule("DeleteDBCluster", "InvalidGlobalClusterStateFault", Action.REFUSE, _GLOBAL, _GLOBAL_ADVICE),
    FaultRule(
        "DeleteDBCluster",
        "InvalidParameterCombination",
        Action.REFUSE,
        "Deletion protection is on",
        "If the target is meant to be replaced, its owner switches the protection off.",
        fragment="protected",
    ),
    # restore-snapshot
    FaultRule(_RESTORE, "DBClusterAlreadyExistsFault", Action.ADOPT),
    FaultRule(_RESTORE, "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _COPY_ADVICE),
    FaultRule(_RESTORE, "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _COPY_ADVICE),
    FaultRule(_RESTORE, "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    FaultRule(_RESTORE, "InvalidVPCNetworkStateFault", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule(_RESTORE, "InvalidSubnet", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule(_RESTORE, "DBSubnetGroupNotFoundFault", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule(_RESTORE, "DBSubnetGroupDoesNotCoverEnoughAZs", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule(_RESTORE, "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    FaultRule(
        _RESTORE,
        "DBClusterParameterGroupNotFound",
        Action.FAIL,
        _GROUP,
        "Create it in the target's region, or correct db_cluster_parameter_group_name of the request.",
    ),
    FaultRule(
        _RESTORE,
        "DBClusterQuotaExceededFault",
        Action.FAIL,
        "Cluster quota exceeded",
        "Delete clusters that nobody needs in the target's region, or ask AWS for a higher quota.",
    ),
    FaultRule(_RESTORE, "DBClusterRoleQuotaExceeded", Action.FAIL, "Role quota exceeded", _REQUEST_ADVICE),
    FaultRule(_RESTORE, "InsufficientDBClusterCapacityFault", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    FaultRule(_RESTORE, "InsufficientDBInstanceCapacity", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    FaultRule(_RESTORE, "InsufficientStorageClusterCapacity", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    FaultRule(_RESTORE, "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule(_RESTORE, "InvalidDBSnapshotState", Action.WAIT, "Snapshot is busy"),
    FaultRule(_RESTORE, "InvalidRestoreFault", Action.FAIL, "Restore not possible", _REQUEST_ADVICE),
    *_both(_RESTORE),
    # check-restore-status
    FaultRule("CreateDBInstance", "DBInstanceAlreadyExists", Action.ADOPT),
    # The poll has just read the cluster: a late view of RDS; a cluster that is gone is found by the next poll.
    FaultRule("CreateDBInstance", "DBClusterNotFoundFault", Action.WAIT, "Cluster not visible yet"),
    FaultRule("CreateDBInstance", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("CreateDBInstance", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    FaultRule(
        "CreateDBInstance",
        "DBParameterGroupNotFound",
        Action.FAIL,
        _GROUP,
        "Create it in the target's region, or correct db_parameter_group_name of the request's instances.",
    ),
    FaultRule("CreateDBInstance", "CertificateNotFound", Action.FAIL, "Certificate not found", _REQUEST_ADVICE),
    FaultRule("CreateDBInstance", "InvalidVPCNetworkStateFault", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("CreateDBInstance", "InvalidSubnet", Action.FAIL, _VPC, _VPC_ADVICE),
    FaultRule("CreateDBInstance", "DBSubnetGroupDoesNotCoverEnoughAZs", Action.FAIL, _VPC, _VPC_ADVICE),
    *_both("CreateDBInstance"),
    FaultRule("CreateDBInstance", "InsufficientDBInstanceCapacity", Action.WAIT, _CAPACITY, _CAPACITY_ADVICE),
    FaultRule(
        "CreateDBInstance",
        "InstanceQuotaExceeded",
        Action.FAIL,
        "Instance quota exceeded",
        "Delete instances that nobody needs in the target's region, or ask AWS for a higher quota.",
    ),
    FaultRule("ModifyDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("ModifyDBCluster", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule("ModifyDBCluster", "DBClusterNotFoundFault", Action.WAIT, "Cluster not visible yet"),
    FaultRule("ModifyDBCluster", "KMSKeyNotAccessibleFault", Action.FAIL, _KMS, _KMS_ADVICE),
    FaultRule("AddRoleToDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("AddRoleToDBCluster", "DBClusterRoleAlreadyExists", Action.ADOPT),
    FaultRule("EnableHttpEndpoint", "InvalidResourceStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("CreateDBClusterEndpoint", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("CreateDBClusterEndpoint", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule("CreateDBClusterEndpoint", "DBClusterEndpointAlreadyExistsFault", Action.ADOPT),
    # archive-snapshot
    FaultRule("AddTagsToResource", "DBClusterSnapshotNotFoundFault", Action.FAIL, _SNAPSHOT, _ARCHIVE_ADVICE),
    FaultRule("AddTagsToResource", "DBSnapshotNotFound", Action.FAIL, _SNAPSHOT, _ARCHIVE_ADVICE),
    FaultRule("AddTagsToResource", "InvalidDBClusterStateFault", Action.RETRY, "Cluster is busy"),
    FaultRule("DeleteDBClusterSnapshot", "DBClusterSnapshotNotFoundFault", Action.ABSENT),
    FaultRule("DeleteDBClusterSnapshot", "InvalidDBClusterSnapshotStateFault", Action.WAIT, "Snapshot is busy"),
    # a stopped target, and a restored cluster that the request has stopped
    FaultRule("StartDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("StartDBCluster", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    FaultRule("StopDBCluster", "InvalidDBClusterStateFault", Action.WAIT, "Cluster is busy"),
    FaultRule("StopDBCluster", "InvalidDBInstanceState", Action.WAIT, "Instance is busy"),
    # sns-notification
    FaultRule(
        "Publish", "NotFound", Action.FAIL, "Topic not found", "Create the topic, or correct its ARN in the request."
    ),
    FaultRule("Publish", "KMSThrottling", Action.RETRY, "Throttled"),
    FaultRule("Publish", "AuthorizationError", Action.FAIL, _ACCESS, "Give the role sns:Publish on the topic."),
    *(FaultRule(each[0], each[1], Action(each[2]), *each[3:]) for each in (*ARCHIVE_FAULTS, *SURROUNDING_FAULTS)),
)
