"""A plan records what AWS refuses, skips what cannot be checked, and is not made at all while AWS is unavailable."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from activities.preflight import plan as planning
from activities.preflight import preflight
from activities.preflight.plan import plan_restore
from activities.rds import tags
from activities.rds.target import TargetCluster
from errors import StepFailed, TrailUnavailable, Transient
from models.clusters import LastDeletion
from models.configuration import ClusterSettings, Instance
from models.identifiers import masked_identifier
from models.plan import CheckStatus, Plan
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


class Rig:
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
        monkeypatch.setattr(TargetCluster, "list_custom_endpoints", lambda _: [])
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


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A source, its snapshot and a target that opted in."""
    return Rig(monkeypatch)


def rules(plan: Plan, status: CheckStatus) -> list[str]:
    """The rules whose checks ended so."""
    return [result.rule for result in plan.results if result.status is status]


def client_error(code: str, operation: str = "DescribeDBClusters") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "-"}}, operation)


def test_every_check_passes(rig: Rig) -> None:
    """The other tests of this module change one thing."""
    plan = rig.plan()
    assert rules(plan, CheckStatus.FAILED) == []
    # These scripted answers name no identity; tests/integration/iam/test_plan.py has every check passed.
    assert rules(plan, CheckStatus.SKIPPED) == ["target-permissions", "worker-permissions"]
    assert len(plan.results) == len({result.rule for result in plan.results})


def test_without_snapshot_and_source_the_checks_that_need_them_are_skipped(rig: Rig) -> None:
    """Neither engine nor encryption is known, so that nothing about them is right or wrong."""
    rig.aws.accounts.append(OTHER_ACCOUNT)
    rig.snapshot, rig.source = StepFailed("Snapshot not found", "-"), None
    plan = rig.plan(account_id=OTHER_ACCOUNT)
    assert set(rules(plan, CheckStatus.SKIPPED)) == {
        "snapshot-type",
        "snapshot-share",
        "snapshot-key",
        "parameter-group",
        "parameter-group-family",
        "instance-class",
        "serverless-scaling",
        "kms-key",
        "snapshot-key-state",
        "archive-key",
        "engine-version",
        "log-types",
        "version-settings",
        "sql-syntax",
        "engine-fields",
        "copy-source",
        "target-permissions",
        "worker-permissions",
    }


def test_without_a_snapshot_the_source_cluster_is_read_instead(rig: Rig) -> None:
    """Only the snapshot's own properties are skipped; the missing key is reported."""
    rig.aws.accounts.append(OTHER_ACCOUNT)
    rig.snapshot = StepFailed("Snapshot not found", "-")
    plan = rig.plan(account_id=OTHER_ACCOUNT, kms_key_id=None)
    assert rules(plan, CheckStatus.SKIPPED) == [
        "snapshot-type",
        "snapshot-share",
        "target-permissions",
        "worker-permissions",
        "copy-source",
    ]
    assert "kms-key" in rules(plan, CheckStatus.FAILED)


def test_a_masking_file_is_read_where_it_is(rig: Rig, tmp_path: Path) -> None:
    """A worker without files fails the check; the plan counts the tables and the columns by rule."""
    (tmp_path / "masking.toml").write_text(
        'shop.a.x = "keep"\nshop.a.y = "null"\nshop.b = "truncate"\nshop.c = "public"'
    )
    plan = rig.plan(tmp_path, {"file": "masking.toml"})
    assert plan.masking == (("shop", "1 tables by column, 1 truncate, 1 public; columns: 1 keep, 1 null"),)
    assert "masking-file" in rules(plan, CheckStatus.PASSED)
    assert "masking-file" in rules(rig.plan(None, {"file": "masking.toml"}), CheckStatus.FAILED)
    assert "masking-file" in rules(rig.plan(tmp_path, {"file": "other.toml"}), CheckStatus.FAILED)


def test_without_a_snapshot_its_copy_and_the_pruning_are_unknown(rig: Rig) -> None:
    """An empty list would mean that nothing is deleted."""
    rig.snapshot = StepFailed("Snapshot not found", "-")
    plan = rig.plan()
    assert (plan.snapshot_copy, plan.pruned) == (None, None)


@pytest.mark.parametrize("source", [SOURCE, None])
def test_the_target_may_be_neither_the_source_nor_the_snapshots_cluster(rig: Rig, source: Any) -> None:
    """The snapshot's cluster may be gone from its name and live under the target's."""
    rig.source, rig.target = source, {**TARGET, "DbClusterResourceId": "cluster-source"}
    assert rules(rig.plan(), CheckStatus.FAILED) == ["not-the-source"]


def test_a_source_that_was_recreated_since_the_snapshot_is_protected_too(rig: Rig) -> None:
    """Its resource id differs from the snapshot's."""
    rig.source = {**SOURCE, "DbClusterResourceId": "cluster-recreated"}
    rig.target = {**TARGET, "DbClusterResourceId": "cluster-recreated"}
    assert rules(rig.plan(), CheckStatus.FAILED) == ["not-the-source"]


def test_a_copy_of_another_snapshot_is_a_failed_check(rig: Rig) -> None:
    """copy-snapshot would refuse to adopt it."""
    rig.copy = {
        "DBClusterSnapshotArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster-snapshot:a-copy",
        "SourceDBClusterSnapshotArn": f"{SNAPSHOT.arn}-of-another-day",
        "Status": "available",
    }
    plan = rig.plan()
    assert (rules(plan, CheckStatus.FAILED), plan.copy_status) == (["copy-source"], "available")


def test_the_oldest_copies_beyond_the_number_to_keep_are_pruned(rig: Rig) -> None:
    """This operation's copy counts as one of them, although it does not exist yet."""
    rig.copies = [
        {"DBClusterSnapshotArn": f"arn:copy-{day}", "Status": "available", "SnapshotCreateTime": NOW.replace(day=day)}
        for day in (17, 19, 18)
    ]
    assert rig.plan().pruned == ("arn:copy-18", "arn:copy-17")


def test_a_masked_archive_prunes_every_copy_and_the_oldest_masked_snapshots(rig: Rig) -> None:
    """This restore's own masked snapshot is one of those that stay."""
    rig.copies = [{"DBClusterSnapshotArn": "arn:copy", "Status": "available", "SnapshotCreateTime": NOW}]
    target_arn = f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster:staging"
    made_with = tags.tag_list(tags.masked_tags(target_arn, "aurora-restore/op-001"))
    names = [masked_identifier("aurora-restore", target_arn, f"cluster-{day}", NOW) for day in range(3)]
    rig.aws.responses["describe_db_cluster_snapshots"] = {
        "DBClusterSnapshots": [
            {
                "DBClusterSnapshotIdentifier": name,
                "DBClusterSnapshotArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster-snapshot:{name}",
                "Status": "available",
                "SnapshotCreateTime": NOW + timedelta(days=day),
                "TagList": made_with,
            }
            for day, name in enumerate(names)
        ]
    }
    pruned = rig.plan(None, {"file": "masking.toml"}, {"masked": True}).pruned
    assert pruned is not None
    assert [arn.rpartition(":")[2] for arn in pruned] == ["copy", names[1], names[0]]


def test_in_one_region_no_copy_is_pruned(rig: Rig) -> None:
    """archive-snapshot deletes nothing if the restore needed no copy."""
    rig.copies = [{"DBClusterSnapshotArn": "arn:copy", "Status": "available", "SnapshotCreateTime": NOW}] * 3
    rig.target = {**TARGET, "DBClusterArn": TARGET["DBClusterArn"].replace("eu-central-1", "eu-west-1")}
    plan = rig.plan(region="eu-west-1")
    assert (rules(plan, CheckStatus.FAILED), plan.pruned) == ([], ())
    assert plan.snapshot_copy is not None
    assert not plan.snapshot_copy.copied


def test_a_missing_target_is_not_blamed_for_missing_settings_as_well(rig: Rig) -> None:
    """With the right name its settings would be there."""
    rig.target = None
    assert rules(rig.plan(), CheckStatus.FAILED) == ["target-exists"]


def test_settings_of_a_deleted_target_come_from_the_trail(rig: Rig) -> None:
    """An earlier operation deleted the target and ended before its restore."""
    rig.target = None
    deleted = ClusterSettings(
        instances=(Instance(instance_class="db.x"),), db_subnet_group_name="staging", vpc_security_group_ids=("sg-1",)
    )
    rig.intents.last_deletion = LastDeletion(operation_id="op-001", declared_at=NOW, settings=deleted)
    plan = rig.plan(port=5433)
    assert rules(plan, CheckStatus.FAILED) == []
    origins = {setting.name: setting.origin for setting in plan.settings}
    assert origins["db_subnet_group_name"] == "from the trail's record of the deleted target"
    assert origins["port"] == "from the request"
    assert origins["tags"] == "RDS default"


@pytest.mark.parametrize("code", ["Throttling", "InternalFailure"])
def test_without_an_answer_of_aws_there_is_no_plan(rig: Rig, code: str) -> None:
    """A failed check would blame the request for it."""
    rig.target = client_error(code)
    with pytest.raises(Transient):
        rig.plan()


def test_a_refused_call_fails_its_check_only(rig: Rig) -> None:
    """The other checks run; the guards are skipped, because the target is unknown."""
    rig.target = client_error("AccessDenied")
    plan = rig.plan(db_subnet_group_name="staging", vpc_security_group_ids=["sg-12345678"])
    assert not plan.target_described
    assert "target-exists" in rules(plan, CheckStatus.FAILED)
    assert "target-exists" not in rules(plan, CheckStatus.PASSED)
    assert {"opt-in-tag", "not-the-source"} <= set(rules(plan, CheckStatus.SKIPPED))


def test_an_unavailable_trail_fails_its_check(rig: Rig) -> None:
    """Nothing is deleted without the trail, but the rest of the plan is valid."""
    rig.intents.error = TrailUnavailable("Trail unavailable", "run setup")
    plan = rig.plan()
    [failed] = plan.failed_checks
    assert (failed.rule, failed.message) == ("trail", "run setup")


def test_the_rules_that_need_a_snapshot_exist(rig: Rig) -> None:
    """A rule that is renamed in its check alone would no longer be skipped."""
    rig.aws.accounts.append(OTHER_ACCOUNT)
    plan = rig.plan(account_id=OTHER_ACCOUNT)
    assert planning.NEEDS_SNAPSHOT < planning.NEEDS_SNAPSHOT_OR_SOURCE < {result.rule for result in plan.results}
