"""What the check makes, by name and by tag, and the only calls of it that change or delete anything.

Every call is for a resource whose name begins with `aws-check-` and the number of a run. Before a call that changes or
deletes, the resource is read, and the call is not sent unless the answer has the same name, an ARN of this account, and the
tag with that run's number. A name alone proves nothing: anyone may choose one. `clients.read_guard` also
holds back a deletion, a ModifyDBCluster, a CreateDBInstance or a restore whose read is older than ten seconds.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.account import Account

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import TagTypeDef

PREFIX = "aws-check-"
RUN_TAG, EXPIRY_TAG = "aurora-restore:aws-check", "aurora-restore:aws-check-expires"
LIFETIME = timedelta(hours=6)
"""How long after its start a run's resources are its own business; a later run removes them."""
_OWN_NAME = re.compile(rf"({PREFIX}[0-9a-f]{{12}})-[a-z-]+")


class NotOwn(Exception):
    """A resource is not, or not provably, one that the check has made; nothing was changed."""


class Kind(NamedTuple):
    """How RDS calls a kind of resource."""

    name: str
    operation: str
    key: str
    identifier: str
    arn: str
    status: str
    not_found: str


CLUSTER = Kind("cluster", "describe_db_clusters", "DBClusters", "DBClusterIdentifier", "DBClusterArn", "Status",
               "DBClusterNotFoundFault")  # fmt: skip
INSTANCE = Kind("instance", "describe_db_instances", "DBInstances", "DBInstanceIdentifier", "DBInstanceArn",
                "DBInstanceStatus", "DBInstanceNotFound")  # fmt: skip
SNAPSHOT = Kind("snapshot", "describe_db_cluster_snapshots", "DBClusterSnapshots", "DBClusterSnapshotIdentifier",
                "DBClusterSnapshotArn", "Status", "DBClusterSnapshotNotFoundFault")  # fmt: skip
KINDS = (INSTANCE, CLUSTER, SNAPSHOT)
"""In the order in which they are removed."""


class OwnResource(NamedTuple):
    """A resource that the check has made."""

    kind: Kind
    region: str
    name: str
    run: str
    expires: datetime
    status: str
    answer: Mapping[str, Any]


def new_run() -> str:
    """What the names of a run begin with."""
    return f"{PREFIX}{secrets.token_hex(6)}"


def own_resource(kind: Kind, region: str, account: str, answer: Mapping[str, Any]) -> OwnResource | None:
    """The resource of an answer of AWS, if its name, its ARN and both of its tags are the check's; else None."""
    name, arn = str(answer.get(kind.identifier)), str(answer.get(kind.arn)).split(":")
    tags = {tag.get("Key"): tag.get("Value") for tag in answer.get("TagList") or []}
    found, run = _OWN_NAME.fullmatch(name), tags.get(RUN_TAG)
    try:
        expires = datetime.fromisoformat(str(tags.get(EXPIRY_TAG)))
    except ValueError:
        return None
    if found is None or found[1] != run or expires.tzinfo is None or arn[3:5] != [region, account] or arn[-1] != name:
        return None
    return OwnResource(kind, region, name, run, expires, str(answer.get(kind.status)), answer)


def tags_of(run: str, now: datetime) -> list[TagTypeDef]:
    """The tags of everything that a run makes."""
    expires = (now + LIFETIME).astimezone(UTC).isoformat(timespec="seconds")
    return [{"Key": RUN_TAG, "Value": run}, {"Key": EXPIRY_TAG, "Value": expires}]


class OwnResources:
    """The resources of the check in one region of an account."""

    def __init__(self, account: Account, number: str, region: str) -> None:
        """`number` is the account's, by STS."""
        self.region = region
        self._number = number
        self._rds: RDSClient = account.rds(region)

    def list_all(self) -> list[OwnResource]:
        """Everything that any run has left, instances first."""
        found = []
        for kind in KINDS:
            pages = self._rds.get_paginator(kind.operation).paginate()  # type: ignore[call-overload]
            for page in pages:
                owned = [own_resource(kind, self.region, self._number, answer) for answer in page[kind.key]]
                found += [resource for resource in owned if resource is not None]
        return found

    def prove(self, kind: Kind, name: str) -> OwnResource:
        """The resource of this name, read now. Raises `NotOwn` if it is not provably ours, and AWS's NotFound if there is none."""
        answers = getattr(self._rds, kind.operation)(**{kind.identifier: name})[kind.key]
        owned = [own_resource(kind, self.region, self._number, answer) for answer in answers]
        if len(owned) != 1 or owned[0] is None or owned[0].name != name:
            raise NotOwn(
                f"The {kind.name} {name} is not provably of aws-check: expected a name with the prefix {PREFIX}, an ARN of "
                f"this account and region, and the tags {RUN_TAG} and {EXPIRY_TAG} of its run. Nothing was changed."
            )
        return owned[0]

    def delete_cluster(self, name: str, **parameters: Any) -> dict[str, Any]:
        """DeleteDBCluster."""
        self.prove(CLUSTER, name)
        return dict(self._rds.delete_db_cluster(DBClusterIdentifier=name, **parameters)["DBCluster"])

    def delete_instance(self, name: str) -> dict[str, Any]:
        """DeleteDBInstance, of an own instance in an own cluster."""
        instance = self.prove(INSTANCE, name)
        self.prove(CLUSTER, str(instance.answer.get("DBClusterIdentifier")))
        return dict(self._rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)["DBInstance"])

    def delete_snapshot(self, name: str) -> dict[str, Any]:
        """DeleteDBClusterSnapshot."""
        self.prove(SNAPSHOT, name)
        return dict(self._rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)["DBClusterSnapshot"])

    def modify_cluster(self, name: str, **changes: Any) -> dict[str, Any]:
        """ModifyDBCluster, at once. A new name must be an own one too."""
        self.prove(CLUSTER, name)
        _require_own_name(str(changes.get("NewDBClusterIdentifier", name)))
        answer = self._rds.modify_db_cluster(DBClusterIdentifier=name, ApplyImmediately=True, **changes)
        return dict(answer["DBCluster"])

    def stop_cluster(self, name: str) -> dict[str, Any]:
        """StopDBCluster."""
        self.prove(CLUSTER, name)
        return dict(self._rds.stop_db_cluster(DBClusterIdentifier=name)["DBCluster"])

    def start_cluster(self, name: str) -> dict[str, Any]:
        """StartDBCluster."""
        self.prove(CLUSTER, name)
        return dict(self._rds.start_db_cluster(DBClusterIdentifier=name)["DBCluster"])

    def create_cluster(self, name: str, **parameters: Any) -> dict[str, Any]:
        """CreateDBCluster, with the tags in the call."""
        _require_own_name(name)
        return dict(self._rds.create_db_cluster(DBClusterIdentifier=name, **parameters)["DBCluster"])

    def create_instance(self, name: str, cluster: str, **parameters: Any) -> dict[str, Any]:
        """CreateDBInstance in an own cluster; not publicly accessible."""
        _require_own_name(name)
        self.prove(CLUSTER, cluster)
        answer = self._rds.create_db_instance(
            DBInstanceIdentifier=name, DBClusterIdentifier=cluster, PubliclyAccessible=False, **parameters
        )
        return dict(answer["DBInstance"])

    def create_snapshot(self, name: str, cluster: str, tags: list[TagTypeDef]) -> dict[str, Any]:
        """CreateDBClusterSnapshot of an own cluster."""
        _require_own_name(name)
        self.prove(CLUSTER, cluster)
        answer = self._rds.create_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=name, DBClusterIdentifier=cluster, Tags=tags
        )
        return dict(answer["DBClusterSnapshot"])

    def copy_snapshot(self, name: str, source_arn: str, **parameters: Any) -> dict[str, Any]:
        """CopyDBClusterSnapshot of an own snapshot, named by its ARN, into this region."""
        _require_own_name(name)
        _require_own_name(source_arn.rpartition(":")[2])
        answer = self._rds.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=source_arn, TargetDBClusterSnapshotIdentifier=name, **parameters
        )
        return dict(answer["DBClusterSnapshot"])

    def restore(self, name: str, snapshot: str, **parameters: Any) -> dict[str, Any]:
        """RestoreDBClusterFromSnapshot of an own snapshot, or of a name that nothing has."""
        _require_own_name(name)
        _require_own_name(snapshot)
        # The read that clients.read_guard requires.
        self._rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": [name]}])
        answer = self._rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier=name, SnapshotIdentifier=snapshot, **parameters
        )
        return dict(answer["DBCluster"])


def _require_own_name(name: str) -> None:
    if not _OWN_NAME.fullmatch(name):
        raise NotOwn(f"{name} is no name of aws-check, whose names begin with {PREFIX} and the number of a run.")
