"""A plan records what AWS refuses, skips what cannot be checked, and is not made at all while AWS is unavailable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from activities.preflight import plan as planning
from activities.rds import tags
from errors import StepFailed, TrailUnavailable, Transient
from models.clusters import LastDeletion
from models.configuration import ClusterSettings, Instance
from models.identifiers import masked_identifier
from models.plan import CheckStatus, Plan
from tests.rigs.scripted_plan import (
    ACCOUNT,
    NOW,
    OTHER_ACCOUNT,
    SNAPSHOT,
    SOURCE,
    TARGET,
    ScriptedPlan,
)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> ScriptedPlan:
    """A source, its snapshot and a target that opted in."""
    return ScriptedPlan(monkeypatch)


def rules(plan: Plan, status: CheckStatus) -> list[str]:
    """The rules whose checks ended so."""
    return [result.rule for result in plan.results if result.status is status]


def client_error(code: str, operation: str = "DescribeDBClusters") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "-"}}, operation)


def test_every_check_passes(rig: ScriptedPlan) -> None:
    """The other tests of this module change one thing."""
    plan = rig.plan()
    assert rules(plan, CheckStatus.FAILED) == []
    # These scripted answers name no identity; tests/integration/iam/test_plan.py has every check passed.
    assert rules(plan, CheckStatus.SKIPPED) == ["target-permissions", "worker-permissions"]
    assert len(plan.results) == len({result.rule for result in plan.results})


def test_without_snapshot_and_source_the_checks_that_need_them_are_skipped(rig: ScriptedPlan) -> None:
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


def test_without_a_snapshot_the_source_cluster_is_read_instead(rig: ScriptedPlan) -> None:
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


def test_a_masking_file_is_read_where_it_is(rig: ScriptedPlan, tmp_path: Path) -> None:
    """A worker without files fails the check; the plan counts the tables and the columns by rule."""
    (tmp_path / "masking.toml").write_text(
        'shop.a.x = "keep"\nshop.a.y = "null"\nshop.b = "truncate"\nshop.c = "public"'
    )
    plan = rig.plan(tmp_path, {"file": "masking.toml"})
    assert plan.masking == (("shop", "1 tables by column, 1 truncate, 1 public; columns: 1 keep, 1 null"),)
    assert "masking-file" in rules(plan, CheckStatus.PASSED)
    assert "masking-file" in rules(rig.plan(None, {"file": "masking.toml"}), CheckStatus.FAILED)
    assert "masking-file" in rules(rig.plan(tmp_path, {"file": "other.toml"}), CheckStatus.FAILED)


def test_without_a_snapshot_its_copy_and_the_pruning_are_unknown(rig: ScriptedPlan) -> None:
    """An empty list would mean that nothing is deleted."""
    rig.snapshot = StepFailed("Snapshot not found", "-")
    plan = rig.plan()
    assert (plan.snapshot_copy, plan.pruned) == (None, None)


@pytest.mark.parametrize("source", [SOURCE, None])
def test_the_target_may_be_neither_the_source_nor_the_snapshots_cluster(rig: ScriptedPlan, source: Any) -> None:
    """The snapshot's cluster may be gone from its name and live under the target's."""
    rig.source, rig.target = source, {**TARGET, "DbClusterResourceId": "cluster-source"}
    assert rules(rig.plan(), CheckStatus.FAILED) == ["not-the-source"]


def test_a_source_that_was_recreated_since_the_snapshot_is_protected_too(rig: ScriptedPlan) -> None:
    """Its resource id differs from the snapshot's."""
    rig.source = {**SOURCE, "DbClusterResourceId": "cluster-recreated"}
    rig.target = {**TARGET, "DbClusterResourceId": "cluster-recreated"}
    assert rules(rig.plan(), CheckStatus.FAILED) == ["not-the-source"]


def test_a_copy_of_another_snapshot_is_a_failed_check(rig: ScriptedPlan) -> None:
    """copy-snapshot would refuse to adopt it."""
    rig.copy = {
        "DBClusterSnapshotArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster-snapshot:a-copy",
        "SourceDBClusterSnapshotArn": f"{SNAPSHOT.arn}-of-another-day",
        "Status": "available",
    }
    plan = rig.plan()
    assert (rules(plan, CheckStatus.FAILED), plan.copy_status) == (["copy-source"], "available")


def test_the_oldest_copies_beyond_the_number_to_keep_are_pruned(rig: ScriptedPlan) -> None:
    """This operation's copy counts as one of them, although it does not exist yet."""
    rig.copies = [
        {"DBClusterSnapshotArn": f"arn:copy-{day}", "Status": "available", "SnapshotCreateTime": NOW.replace(day=day)}
        for day in (17, 19, 18)
    ]
    assert rig.plan().pruned == ("arn:copy-18", "arn:copy-17")


def test_a_masked_archive_prunes_every_copy_and_the_oldest_masked_snapshots(rig: ScriptedPlan) -> None:
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


def test_in_one_region_no_copy_is_pruned(rig: ScriptedPlan) -> None:
    """archive-snapshot deletes nothing if the restore needed no copy."""
    rig.copies = [{"DBClusterSnapshotArn": "arn:copy", "Status": "available", "SnapshotCreateTime": NOW}] * 3
    rig.target = {**TARGET, "DBClusterArn": TARGET["DBClusterArn"].replace("eu-central-1", "eu-west-1")}
    plan = rig.plan(region="eu-west-1")
    assert (rules(plan, CheckStatus.FAILED), plan.pruned) == ([], ())
    assert plan.snapshot_copy is not None
    assert not plan.snapshot_copy.copied


def test_a_missing_target_is_not_blamed_for_missing_settings_as_well(rig: ScriptedPlan) -> None:
    """With the right name its settings would be there."""
    rig.target = None
    assert rules(rig.plan(), CheckStatus.FAILED) == ["target-exists"]


def test_settings_of_a_deleted_target_come_from_the_trail(rig: ScriptedPlan) -> None:
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
def test_without_an_answer_of_aws_there_is_no_plan(rig: ScriptedPlan, code: str) -> None:
    """A failed check would blame the request for it."""
    rig.target = client_error(code)
    with pytest.raises(Transient):
        rig.plan()


def test_a_refused_call_fails_its_check_only(rig: ScriptedPlan) -> None:
    """The other checks run; the guards are skipped, because the target is unknown."""
    rig.target = client_error("AccessDenied")
    plan = rig.plan(db_subnet_group_name="staging", vpc_security_group_ids=["sg-12345678"])
    assert not plan.target_described
    assert "target-exists" in rules(plan, CheckStatus.FAILED)
    assert "target-exists" not in rules(plan, CheckStatus.PASSED)
    assert {"opt-in-tag", "not-the-source"} <= set(rules(plan, CheckStatus.SKIPPED))


def test_an_unavailable_trail_fails_its_check(rig: ScriptedPlan) -> None:
    """Nothing is deleted without the trail, but the rest of the plan is valid."""
    rig.intents.error = TrailUnavailable("Trail unavailable", "run setup")
    plan = rig.plan()
    [failed] = plan.failed_checks
    assert (failed.rule, failed.message) == ("trail", "run setup")


def test_the_rules_that_need_a_snapshot_exist(rig: ScriptedPlan) -> None:
    """A rule that is renamed in its check alone would no longer be skipped."""
    rig.aws.accounts.append(OTHER_ACCOUNT)
    plan = rig.plan(account_id=OTHER_ACCOUNT)
    assert planning.NEEDS_SNAPSHOT < planning.NEEDS_SNAPSHOT_OR_SOURCE < {result.rule for result in plan.results}
