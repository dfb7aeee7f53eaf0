"""The questions of a run with --write: what the emulator answers while a cluster lives, and where that comes from."""

from __future__ import annotations

from typing import Any

from conformance.account import ACCEPTED
from conformance.anonymiser import Json
from conformance.expectations import Contains, Expectation, Only, Order, Refusal, Value
from conformance.questions import API, GUIDE, OWN_WORDS, RECORDINGS, REPORTS, Question

BAD_REQUEST, NOT_FOUND = 400, 404
AVAILABLE = Only(frozenset({"available"}))
TOO_SHORT = (
    "The parameter MasterUserPassword is not a valid password. It must have 8 to 41 characters. Only printable ASCII "
    "characters besides '/', '@', '\"', ' ' may be used."
)
UNKNOWN_VERSION = "Cannot find version 1.1 for aurora-postgresql"
UNKNOWN_KEY = (
    "The specified KMS key [alias/<absent>] does not exist, is not enabled or you do not have permissions to access it."
)

REFUSED_CREATIONS: dict[str, dict[str, Any]] = {
    "create-with-an-invalid-name": {},
    "create-with-a-reserved-tag": {"Tags": [{"Key": "aws:colour", "Value": "red"}]},
    "create-with-an-unknown-version": {"EngineVersion": "1.1"},
    "create-with-an-unknown-log": {"EnableCloudwatchLogsExports": ["slowquery"]},
    "create-with-a-short-password": {"MasterUserPassword": "short"},
    "create-with-two-passwords": {"ManageMasterUserPassword": True},
    "create-with-a-long-retention": {"BackupRetentionPeriod": 36},
    "create-in-an-unknown-subnet-group": {"DBSubnetGroupName": "ABSENT"},
    "create-with-an-unknown-parameter-group": {"DBClusterParameterGroupName": "ABSENT"},
    "create-with-an-unknown-key": {"StorageEncrypted": True, "KmsKeyId": "alias/ABSENT"},
    "create-with-an-unknown-storage-type": {"StorageType": "gp9"},
    "create-with-overlapping-windows": {"PreferredMaintenanceWindow": "sun:01:00-sun:01:30"},
}
"""By question, what is changed in a CreateDBCluster that would be accepted."""
REFUSED_RESTORES: dict[str, dict[str, Any]] = {
    "restore-under-a-taken-name": {},
    "restore-of-a-missing-snapshot": {"Snapshot": "missing"},
    "restore-with-another-engine": {"Engine": "aurora-mysql", "EngineVersion": "8.0"},
    "restore-with-an-unknown-key": {"KmsKeyId": "alias/ABSENT"},
}
"""By question, what is changed in a RestoreDBClusterFromSnapshot that would be accepted."""


def _refused(name: str, about: str, code: str, text: str, status: int = BAD_REQUEST, source: str = REPORTS) -> Question:
    return Question(name, about, Refusal(code, status, text), source)


def _order(name: str, about: str, *statuses: str, source: str = GUIDE) -> Question:
    """A status in brackets is brief: two polls may miss it."""
    brief = frozenset(status.strip("()") for status in statuses if status.startswith("("))
    return Question(name, about, Order(tuple(status.strip("()") for status in statuses), brief), source)


def _value(name: str, about: str, expected: Json, source: str = API) -> Question:
    return Question(name, about, Value(expected), source)


def _is(name: str, about: str, expected: Expectation, source: str = GUIDE) -> Question:
    return Question(name, about, expected, source)


CREATION = (
    _refused("create-with-an-invalid-name", "CreateDBCluster under a name with two hyphens in a row", "InvalidParameterValue",
             "The parameter DBClusterIdentifier is not a valid identifier. Identifiers must begin with a letter; must contain "
             "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."),
    _refused("create-with-a-reserved-tag", "CreateDBCluster with a tag that begins with aws:", "InvalidParameterValue",
             "Tag keys cannot start with the reserved prefix: aws:, rds:"),
    _refused("create-with-an-unknown-version", "CreateDBCluster with EngineVersion 1.1", "InvalidParameterCombination",
             UNKNOWN_VERSION),
    _refused("create-with-an-unknown-log", "CreateDBCluster with the log type slowquery", "InvalidParameterCombination",
             "You cannot use the log types 'slowquery' with engine version aurora-postgresql <version>. For supported log "
             "types, see the documentation."),
    _refused("create-with-a-short-password", "CreateDBCluster with a password of five characters", "InvalidParameterValue",
             TOO_SHORT),
    _refused("create-with-two-passwords", "CreateDBCluster with a password and ManageMasterUserPassword",
             "InvalidParameterCombination",
             "You must specify either MasterUserPassword or ManageMasterUserPassword, and not both.", source=API),
    _refused("create-with-a-long-retention", "CreateDBCluster with BackupRetentionPeriod 36", "InvalidParameterValue",
             "Invalid backup retention period: 36. Must be between 1 and 35."),
    _refused("create-in-an-unknown-subnet-group", "CreateDBCluster in a subnet group that does not exist",
             "DBSubnetGroupNotFoundFault", "DB subnet group '<absent>' does not exist.", NOT_FOUND),
    _refused("create-with-an-unknown-parameter-group", "CreateDBCluster with a parameter group that does not exist",
             "DBClusterParameterGroupNotFound", "DBClusterParameterGroup not found: <absent>", NOT_FOUND),
    _refused("create-with-an-unknown-key", "CreateDBCluster with a key that does not exist", "KMSKeyNotAccessibleFault",
             UNKNOWN_KEY),
    _refused("create-with-an-unknown-storage-type", "CreateDBCluster with StorageType gp9", "StorageTypeNotSupported",
             "aurora-postgresql has no storage type gp9.", source=OWN_WORDS),
    _refused("create-with-overlapping-windows", "CreateDBCluster with a maintenance window in the backup window",
             "InvalidParameterValue", "The backup window and maintenance window must not overlap."),
    _value("answer-of-a-creation", "the answer of CreateDBCluster",
           {"Status": "creating", "Tags": "the requested ones", "DBClusterMembers": 0, "EarliestRestorableTime": "absent"}),
    _refused("create-under-a-taken-name", "CreateDBCluster under a name that a cluster has", "DBClusterAlreadyExistsFault",
             "DB Cluster already exists: <cluster>"),
    _refused("snapshot-of-a-cluster-in-creation", "CreateDBClusterSnapshot of a cluster that is creating",
             "InvalidDBClusterStateFault", "DB cluster is not available for modification with status creating"),
    _order("statuses-of-a-creation", "the statuses of a new cluster", "creating", "available"),
    _value("encryption-of-a-new-cluster", "the encryption of a cluster that was created without StorageEncrypted",
           {"StorageEncrypted": False, "KmsKeyId": "absent", "StorageEncryptionType": "sse-rds"}, GUIDE),
    _value("answer-of-an-instance", "the answer of CreateDBInstance",
           {"DBInstanceStatus": "creating", "Endpoint": "absent", "InstanceCreateTime": "absent",
            "Tags": "the requested ones"}),
    _refused("instance-under-a-taken-name", "CreateDBInstance under a name that an instance has", "DBInstanceAlreadyExists",
             "DB instance already exists: <instance>"),
    _order("statuses-of-an-instance", "the statuses of a new instance", "creating", "available"),
    _is("cluster-during-an-instances-creation", "the statuses of a cluster while its instance is created", AVAILABLE),
    _value("first-instance", "what the first instance of a cluster is", ["writer"]),
    _refused("delete-a-cluster-with-an-instance", "DeleteDBCluster of a cluster with an instance",
             "InvalidDBClusterStateFault",
             "Cluster cannot be deleted, it still contains DB instances in non-deleting state."),
    _refused("delete-without-a-decision", "DeleteDBCluster with neither SkipFinalSnapshot nor a final snapshot",
             "InvalidParameterCombination",
             "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."),
    _refused("delete-with-two-decisions", "DeleteDBCluster with both", "InvalidParameterCombination",
             "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is true."),
)  # fmt: skip

CHANGES = (
    _value("protection-in-the-answer", "whether the answer of ModifyDBCluster shows DeletionProtection at once", True),
    _refused("delete-a-protected-cluster", "DeleteDBCluster of a protected cluster", "InvalidParameterCombination",
             "Cannot delete protected Cluster, please disable deletion protection and try again."),
    _refused("modify-nothing", "ModifyDBCluster without a change", "InvalidParameterCombination",
             "No modifications were requested"),
    _refused("modify-a-short-password", "ModifyDBCluster with a password of five characters", "InvalidParameterValue",
             TOO_SHORT),
    _refused("modify-to-an-unknown-version", "ModifyDBCluster with EngineVersion 1.1", "InvalidParameterCombination",
             UNKNOWN_VERSION),
    _value("answer-of-a-managed-password", "the answer of ModifyDBCluster with ManageMasterUserPassword",
           {"Status": "available", "PendingModifiedValues": ["MasterUserPassword"], "SecretStatus": "creating"}),
    _order("statuses-of-a-managed-password", "the statuses of a cluster that gets a managed password",
           "available", "(resetting-master-credentials)", "available"),
    _order("statuses-of-a-managed-secret", "the statuses of the managed secret", "creating", "active"),
    _value("secret-when-nothing-is-pending", "the secret's status when the cluster is available and no password is pending",
           "active", GUIDE),
    _refused("own-password-while-one-is-managed", "ModifyDBCluster with MasterUserPassword while one is managed",
             "InvalidParameterCombination",
             "You can't specify MasterUserPassword for a cluster whose password is managed in Secrets Manager.", source=OWN_WORDS),
)  # fmt: skip

SNAPSHOTS = (
    _value("answer-of-a-snapshot", "the answer of CreateDBClusterSnapshot",
           {"Status": "creating", "SnapshotType": "manual", "PercentProgress": 0, "Tags": "the requested ones"}),
    _refused("snapshot-under-a-taken-name", "CreateDBClusterSnapshot under a name that a snapshot has",
             "DBClusterSnapshotAlreadyExistsFault",
             "Cannot create the cluster snapshot because one with the identifier <snapshot> already exists."),
    _refused("restore-of-an-unfinished-snapshot", "RestoreDBClusterFromSnapshot of a snapshot that is creating",
             "InvalidDBClusterSnapshotStateFault",
             "The DB cluster snapshot <snapshot> is not in the available state: creating"),
    _order("statuses-of-a-snapshot", "the statuses of a new snapshot", "creating", "available"),
    _is("cluster-during-a-snapshot", "the statuses of a cluster while its snapshot is taken", AVAILABLE),
    _value("encryption-of-a-snapshot", "the encryption of a snapshot of a cluster that was created without StorageEncrypted",
           {"StorageEncrypted": False, "KmsKeyId": "absent", "StorageEncryptionType": "sse-rds"}, GUIDE),
    _refused("copy-of-an-encrypted-snapshot-without-a-key",
             "CopyDBClusterSnapshot without KmsKeyId into the second region, of a snapshot with a key of KMS",
             "InvalidParameterValue", "Must specify new KMS key for cross region encrypted snapshot copy."),
    _refused("copy-of-an-unencrypted-snapshot-with-a-key", "CopyDBClusterSnapshot with KmsKeyId of a snapshot without one",
             "InvalidParameterValue",
             "KmsKeyId cannot be specified: the source DB cluster snapshot is not encrypted, and a copy cannot be encrypted.",
             source=OWN_WORDS),
    _value("answer-of-a-copy", "the answer of CopyDBClusterSnapshot",
           {"Status": "copying", "SourceDBClusterSnapshotArn": "<snapshot>", "SnapshotCreateTime": "kept",
            "Tags": "the requested ones"}),
    _refused("copy-under-a-taken-name", "CopyDBClusterSnapshot under a name that a snapshot has",
             "DBClusterSnapshotAlreadyExistsFault",
             "Cannot create the cluster snapshot because one with the identifier <copy> already exists."),
    _order("statuses-of-a-copy", "the statuses of a copy", "copying", "available"),
    _value("source-of-a-copy", "whose copy DescribeDBClusterSnapshots says it is", "<snapshot>"),
)  # fmt: skip

RESTORES = (
    _refused("restore-under-a-taken-name", "RestoreDBClusterFromSnapshot under a name that a cluster has",
             "DBClusterAlreadyExistsFault", "DB Cluster already exists: <cluster>"),
    _refused("restore-of-a-missing-snapshot", "RestoreDBClusterFromSnapshot of a snapshot that does not exist",
             "DBClusterSnapshotNotFoundFault", "DBClusterSnapshot <copy> not found.", NOT_FOUND),
    _refused("restore-with-another-engine", "RestoreDBClusterFromSnapshot with another engine than the snapshot's",
             "InvalidParameterValue",
             "The engine aurora-mysql is not compatible with the engine aurora-postgresql of the DB cluster snapshot.",
             source=OWN_WORDS),
    _refused("restore-with-an-unknown-key", "RestoreDBClusterFromSnapshot with a key that does not exist",
             "KMSKeyNotAccessibleFault",
             UNKNOWN_KEY),
    _refused("restore-with-an-earlier-version", "RestoreDBClusterFromSnapshot with an earlier version than the snapshot's",
             "InvalidParameterCombination",
             "The engine version <earlier-version> is earlier than the engine version of the DB cluster snapshot (<version>).",
             source=OWN_WORDS),
    _value("answer-of-a-restore", "the answer of RestoreDBClusterFromSnapshot",
           {"Status": "creating", "Tags": "the requested ones", "DBClusterMembers": 0, "EarliestRestorableTime": "absent"}),
    _order("statuses-of-a-restore", "the statuses of a restored cluster", "creating", "available"),
    _value("encryption-at-restore", "the encryption of a cluster that was restored with KmsKeyId from a snapshot without one",
           {"StorageEncrypted": True, "KmsKeyId": "the ARN of a key", "StorageEncryptionType": "sse-kms"}, GUIDE),
    _value("what-a-restore-keeps", "what of its cluster's settings a restored cluster has, if the call names none",
           {"BackupRetentionPeriod": "kept", "CopyTagsToSnapshot": "another value", "DatabaseName": "absent",
            "EngineLifecycleSupport": "absent", "PreferredBackupWindow": "another value",
            "PreferredMaintenanceWindow": "another value", "ServerlessV2ScalingConfiguration": "absent",
            "StorageType": "absent", "EngineVersion": "kept", "IAMDatabaseAuthenticationEnabled": "another value",
            "MasterUserSecret": "absent", "MasterUsername": "kept", "TagList": "kept"}),
    _value("resource-id-of-a-restore", "whether a restored cluster has a DbClusterResourceId of its own", True),
    _refused("serverless-instance-without-scaling",
             "CreateDBInstance of the class db.serverless in a cluster without a scaling configuration",
             "InvalidDBClusterStateFault",
             "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB "
             "instance."),
)  # fmt: skip

RENAMES = (
    _refused("rename-to-a-taken-name", "ModifyDBCluster with the name of another cluster", "DBClusterAlreadyExistsFault",
             "DB Cluster already exists: <restored>"),
    _value("answer-of-a-rename", "the answer of ModifyDBCluster with NewDBClusterIdentifier",
           {"DBClusterIdentifier": "<cluster>", "Status": "available", "PendingModifiedValues": ["DBClusterIdentifier"]}),
    _order("statuses-of-a-rename", "the statuses of a cluster that is renamed, each with the name that answers",
           "(available as <cluster>)", "renaming as <cluster>", "available as <renamed>"),
    _value("what-follows-a-rename", "what has the new name after a rename, and what stays",
           {"DBClusterArn": "<renamed>", "Endpoint": "<renamed>", "ReaderEndpoint": "<renamed>", "DbClusterResourceId": "kept",
            "TagList": "kept", "DBClusterMembers": "kept", "MasterUserSecret": "kept"}, GUIDE),
    _refused("old-name-after-a-rename", "DescribeDBClusters with the old name", "DBClusterNotFoundFault",
             "DBCluster <cluster> not found.", NOT_FOUND, API),
    _value("snapshot-after-a-rename", "which cluster a snapshot names after the rename of its cluster", "<cluster>"),
    _value("certificate-after-a-rename", "which names the certificate of the renamed cluster has", ["<cluster>"], GUIDE),
    _refused("start-of-a-running-cluster", "StartDBCluster of a cluster that runs", "InvalidDBClusterStateFault",
             "DbCluster <renamed> is in available state but expected stopped"),
    _value("answer-of-a-stop", "the Status in the answer of StopDBCluster", "available", RECORDINGS),
    _order("statuses-of-a-stop", "the statuses of a cluster that is stopped", "(available)", "stopping", "stopped"),
    _value("answer-of-a-start", "the Status in the answer of StartDBCluster", "stopped", RECORDINGS),
    _order("statuses-of-a-start", "the statuses of a cluster that is started", "(stopped)", "starting", "available"),
    _value("certificate-after-a-start", "which names the certificate has after a stop and a start", ["<renamed>"], GUIDE),
)  # fmt: skip

ENDS = (
    _is("events-of-a-cluster", "the messages of DescribeEvents for the cluster, under both names", Contains(frozenset({
        "DB cluster created", "Renamed DB cluster from <cluster> to <renamed>", "Reset master credentials",
        "DB cluster stopped", "DB cluster started"}))),
    _is("events-of-an-instance", "the messages of DescribeEvents for the instance",
        Contains(frozenset({"DB instance created"}))),
    _is("events-of-a-snapshot", "the messages of DescribeEvents for the snapshot",
        Contains(frozenset({"Creating manual cluster snapshot", "Manual cluster snapshot created"}))),
    _value("answer-of-an-instances-deletion", "the DBInstanceStatus in the answer of DeleteDBInstance", "deleting"),
    _refused("delete-a-cluster-whose-instance-is-deleting", "DeleteDBCluster while its only instance is deleting",
             ACCEPTED, "", 200),
    _value("answer-of-a-clusters-deletion", "the Status in the answer of DeleteDBCluster", "available"),
    _order("statuses-of-a-deletion", "the statuses of a cluster that is deleted", "(available)", "deleting", "gone"),
    _value("answer-of-a-snapshots-deletion", "the Status in the answer of DeleteDBClusterSnapshot", "available",
           RECORDINGS),
    _order("statuses-of-a-snapshots-deletion", "the statuses of a snapshot that is deleted", "(deleting)", "gone"),
    _order("statuses-of-an-instances-deletion", "the statuses of an instance that is deleted", "deleting", "gone"),
)  # fmt: skip

LIFE_QUESTIONS: dict[str, Question] = {
    question.name: question for question in (*CREATION, *CHANGES, *SNAPSHOTS, *RESTORES, *RENAMES, *ENDS)
}
"""By name."""
