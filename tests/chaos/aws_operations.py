"""The AWS operations that a restore calls."""

from __future__ import annotations

AWS_OPERATIONS: dict[str, int] = {
    "dynamodb.GetItem": 2, "dynamodb.TransactWriteItems": 1, "dynamodb.PutItem": 18, "dynamodb.Query": 3,
    "rds.DescribeDBClusterSnapshots": 6, "rds.DescribeDBClusters": 10, "rds.DescribeDBInstances": 6,
    "rds.DescribeDBSubnetGroups": 1, "rds.DescribeOrderableDBInstanceOptions": 1, "rds.DescribeDBEngineVersions": 1,
    "rds.CopyDBClusterSnapshot": 1, "rds.DeleteDBInstance": 2, "rds.DeleteDBCluster": 2,
    "rds.RestoreDBClusterFromSnapshot": 1, "rds.CreateDBInstance": 2, "rds.ModifyDBCluster": 1, "rds.AddTagsToResource": 1,
    "rds.DeleteDBClusterSnapshot": 1, "rds.DescribeDBClusterEndpoints": 2,
    "rds.DescribeIntegrations": 2, "rds.DescribeBlueGreenDeployments": 2, "rds.DescribeDBShardGroups": 2,
    "rds.DescribeDBProxies": 2, "application-autoscaling.DescribeScalableTargets": 2,
    "rds.DescribeAccountAttributes": 1, "iam.SimulatePrincipalPolicy": 1, "sts.GetCallerIdentity": 3,
    "ec2.DescribeSecurityGroups": 1, "kms.DescribeKey": 1,
    "secretsmanager.DescribeSecret": 2, "secretsmanager.GetSecretValue": 7, "sns.GetTopicAttributes": 1, "sns.Publish": 1,
}  # fmt: skip
"""Every AWS operation of a restore, and how many calls a restore makes at least."""
ONLY_IN_A_SWAP = frozenset({"rds.StopDBCluster", "rds.StartDBCluster"})
"""The faults of a swap are at them (`injectors/swap.py`)."""
ONLY_AFTER_A_FAILURE = frozenset({"rds.DescribeEvents"})
"""Read to explain a failure: no plan has faults for it, because a restore that succeeds never calls it."""
