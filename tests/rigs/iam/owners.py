"""What the owners of source and target do for one restore; IAM allows them everything."""

from __future__ import annotations

import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

from models.quarantine import Quarantine
from tests.rigs.activity_resources import ENGINE, ENGINE_VERSION, LONGER_THAN_ANY_CHANGE
from tests.rigs.iam.deployments import SECRET_PREFIX, SOURCE_CLUSTER, Deployment
from tests.rigs.rich_target import ROLE, create_rich_target

OPT_IN = "aurora-restore:replaced-by"


def advance_clock(deployment: Deployment, by: timedelta = LONGER_THAN_ANY_CHANGE) -> None:
    """Let time pass, by default enough for any one transition of the emulator."""
    clock = deployment.emulator.clock
    clock.freeze(clock.now() + by)


def create_source(deployment: Deployment) -> Deployment:
    """Create the source cluster, encrypted with the source's key; returns the deployment."""
    deployment.owner("rds", "source").create_db_cluster(
        DBClusterIdentifier=SOURCE_CLUSTER,
        Engine=ENGINE,
        EngineVersion=ENGINE_VERSION,
        MasterUsername="boss",
        MasterUserPassword="long-enough",
        StorageEncrypted=True,
        KmsKeyId=deployment.keys["source"],
    )
    advance_clock(deployment)
    return deployment


class Owners:
    """The owners of one target and of the source, with names that contain the target's number."""

    def __init__(self, deployment: Deployment, number: int, name_length: int = 0) -> None:
        """The target is called `staging-NUMBER`, with as many x as `name_length` needs."""
        self.cluster = f"staging-{number}".ljust(name_length, "x")
        self.snapshot_prefix = f"daily-{number}"
        self._deployment = deployment
        self._number = number
        layout = deployment.layout
        self._source_arn = f"arn:aws:rds:{layout.source_region}:{layout.source}:cluster:{SOURCE_CLUSTER}"

    @property
    def now(self) -> datetime:
        """The time of the emulator's clock."""
        return self._deployment.emulator.clock.now()

    def advance_clock(self, by: timedelta = LONGER_THAN_ANY_CHANGE) -> None:
        """Let time pass."""
        advance_clock(self._deployment, by)

    def create_target(self, *, instances_opt_in: bool = True, **options: Any) -> str:
        """Create the target with one instance, both opted in by default; returns its resource id."""
        rds = self._deployment.owner("rds")
        opt_in = [{"Key": OPT_IN, "Value": self._source_arn}]
        created = rds.create_db_cluster(
            DBClusterIdentifier=self.cluster,
            Engine=ENGINE,
            EngineVersion=ENGINE_VERSION,
            MasterUsername="boss",
            MasterUserPassword="long-enough",
            **{"Tags": opt_in, **options},
        )
        self.advance_clock()
        rds.create_db_instance(
            DBInstanceIdentifier=f"made-by-hand-{self._number}",
            DBClusterIdentifier=self.cluster,
            DBInstanceClass="db.r6g.large",
            Engine=ENGINE,
            Tags=opt_in if instances_opt_in else [],
        )
        self.advance_clock()
        return str(created["DBCluster"]["DbClusterResourceId"])

    def opt_in_and(self, **owners: str) -> list[dict[str, str]]:
        """The opt-in tag, and tags of the owner."""
        return [{"Key": key, "Value": value} for key, value in {OPT_IN: self._source_arn, **owners}.items()]

    def create_rich_target(self) -> None:
        """Create the target with every setting unusual, and a reader that Application Auto Scaling added."""
        deployment = self._deployment
        rds = deployment.owner("rds")
        create_rich_target(
            rds,
            deployment.owner("application-autoscaling"),
            self.cluster,
            self._source_arn,
            deployment.security_group,
            deployment.keys["target"],
            self.advance_clock,
        )
        rds.create_db_instance(
            DBInstanceIdentifier=f"application-autoscaling-{self._number}",
            DBClusterIdentifier=self.cluster,
            DBInstanceClass="db.r6g.large",
            Engine=ENGINE,
            Tags=[{"Key": "application-autoscaling:resourceId", "Value": f"cluster:{self.cluster}"}],
        )
        self.advance_clock()

    def remove_role(self) -> None:
        """Take the role for S3 away from the target."""
        self._deployment.owner("rds").remove_role_from_db_cluster(
            DBClusterIdentifier=self.cluster,
            RoleArn=ROLE.format(self._deployment.layout.target, "rds-import"),
            FeatureName="s3Import",
        )

    def delete_target(self) -> None:
        """Delete the target and its instance."""
        rds = self._deployment.owner("rds")
        rds.delete_db_instance(DBInstanceIdentifier=f"made-by-hand-{self._number}", SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=self.cluster, SkipFinalSnapshot=True)
        self.advance_clock()

    def create_snapshot(self) -> str:
        """Create the source's snapshot of the day and share it with the target's account; returns its identifier."""
        rds, layout = self._deployment.owner("rds", "source"), self._deployment.layout
        name = f"{self.snapshot_prefix}-{self.now.date()}-{self.now:%H%M%S}"
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=SOURCE_CLUSTER)
        self.advance_clock()
        if layout.source != layout.target:
            rds.modify_db_cluster_snapshot_attribute(
                DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=[layout.target]
            )
        return name

    def create_quarantine(self) -> Quarantine:
        """Create a security group that lets nothing out and one address in, and a parameter group."""
        ec2, rds = self._deployment.owner("ec2"), self._deployment.owner("rds")
        group = ec2.create_security_group(GroupName=f"quarantine-{self._number}", Description="-")["GroupId"]
        everything: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[everything])
        parameters = f"quarantine-{self._number}"
        rds.create_db_cluster_parameter_group(
            DBClusterParameterGroupName=parameters, DBParameterGroupFamily="aurora-postgresql16", Description="-"
        )
        return Quarantine(vpc_security_group_ids=(group,), db_cluster_parameter_group_name=parameters)

    def create_secret(self, name: str, password: str) -> str:
        """Create a secret with a password, under the prefix that the target's role may read; returns its name."""
        secret = f"{SECRET_PREFIX}{name}-{self._number}"
        value = json.dumps({"password": password})
        self._deployment.owner("secretsmanager").create_secret(Name=secret, SecretString=value)
        return secret

    def set_status(self, arn: str, status: str) -> None:
        """Set a resource's status, which only AWS itself can do."""
        body = json.dumps({"arn": arn, "status": status}).encode()
        url = f"{self._deployment.emulator.endpoint_url}/_devstack/rds/status"
        urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).close()
