"""A plan for which AWS and the trail have what a test writes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.preflight import preflight
from activities.preflight.plan import plan_restore
from activities.rds import tags
from activities.rds.target import TargetCluster
from models.clusters import LastDeletion
from models.plan import Plan
from models.request import RestoreRequest
from models.snapshots import SourceSnapshot
from models.trail_tables import TrailTables
from tests.rigs.scripted_aws import ScriptedAws

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"


NOW = datetime(2024, 3, 20, 22, tzinfo=UTC)


SOURCE_ARN = f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster:orders"


REQUEST: dict[str, Any] = {
    "source": {
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "cluster": "orders",
        "snapshot": {"identifier": "nightly"},
    },
    "target": {"account_id": ACCOUNT, "region": "eu-central-1", "cluster": "staging"},
    "notification": {"topic_arn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:restores"},
}


SNAPSHOT = SourceSnapshot(
    arn=f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster-snapshot:nightly",
    identifier="nightly",
    created_at=NOW,
    engine="aurora-postgresql",
    engine_version="16.6",
    encrypted=True,
    kms_key_id="the-key",
    cluster_resource_id="cluster-source",
)


SOURCE: dict[str, Any] = {
    "DBClusterArn": SOURCE_ARN,
    "DbClusterResourceId": "cluster-source",
    "Engine": "aurora-postgresql",
    "EngineVersion": "16.6",
    "StorageEncrypted": True,
    "KmsKeyId": "the-key",
}


TARGET: dict[str, Any] = {
    "DBClusterIdentifier": "staging",
    "DBClusterArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster:staging",
    "DbClusterResourceId": "cluster-target",
    "Status": "available",
    "TagList": [{"Key": tags.REPLACED_BY, "Value": SOURCE_ARN}],
    "DBSubnetGroup": "staging",
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
}


INSTANCE = {"DBInstanceIdentifier": "staging-1", "DBInstanceClass": "db.r6g.large", "DBInstanceStatus": "available"}


class ScriptedIntents:
    """The trail, as far as a plan reads it."""

    def __init__(self) -> None:
        self.last_deletion: LastDeletion | None = None
        self.error: Exception | None = None

    @property
    def tables(self) -> TrailTables:
        return TrailTables("eu-central-1", ("audit", "operations"))

    def has_intent(self, step: object, operation_id: str) -> bool:
        if self.error:
            raise self.error
        return False

    def find_last_deletion(self, *_: object) -> LastDeletion | None:
        return self.last_deletion


class ScriptedPlan:
    """What AWS and the trail have; None means that it does not exist, an exception that it is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.snapshot: Any = SNAPSHOT
        self.source: Any = SOURCE
        self.target: Any = TARGET
        self.copy: Any = None
        self.copies: list[Any] = []
        self.aws = ScriptedAws(ACCOUNT)
        self.intents = ScriptedIntents()
        monkeypatch.setattr(preflight, "select_snapshot", lambda *_: self._give(self.snapshot))
        monkeypatch.setattr(preflight, "find_cluster", lambda *_: self._give(self.source))
        monkeypatch.setattr(TargetCluster, "find", lambda _: self._give(self.target))
        monkeypatch.setattr(TargetCluster, "list_instances", lambda _: [INSTANCE])
        monkeypatch.setattr("clients.rds.list_custom_endpoints", lambda *_: [])
        monkeypatch.setattr(TargetCluster, "find_instances", lambda *_: [])
        monkeypatch.setattr(TargetCluster, "find_snapshot", lambda *_: self._give(self.copy))
        monkeypatch.setattr(TargetCluster, "list_own_copies", lambda _: self.copies)

    @staticmethod
    def _give(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    def plan(
        self,
        sql_directory: Path | None = None,
        masking: dict[str, Any] | None = None,
        archive: dict[str, Any] | None = None,
        **target: Any,
    ) -> Plan:
        """The plan of the request with these values for its target."""
        request = {**REQUEST, "target": {**REQUEST["target"], "kms_key_id": "alias/staging", **target}}
        request |= {"masking": masking} if masking else {}
        request |= {"archive": archive} if archive else {}
        aws: Any = self.aws
        intents: Any = self.intents
        return plan_restore(aws, intents, RestoreRequest.model_validate_json(json.dumps(request)), NOW, sql_directory)
