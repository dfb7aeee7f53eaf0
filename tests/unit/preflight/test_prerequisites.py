"""The prerequisites of a restore, checked against responses of AWS that are written out here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.preflight.context import RestoreContext
from activities.preflight.guards import find_violations
from activities.preflight.prerequisites import prerequisite_checks
from activities.preflight.quotas import Freed
from activities.preflight.sharing import Sharing
from models.archive import Archive, Notification
from models.configuration import ClusterSettings, Instance, merge_settings
from models.request import Target
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.source import Source
from tests.rigs.scripted_aws import ScriptedAws

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
NOW = datetime(2024, 3, 20, 22, tzinfo=UTC)
SNAPSHOT = SourceSnapshot(
    arn=f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster-snapshot:nightly",
    identifier="nightly",
    created_at=NOW,
    engine="aurora-postgresql",
    engine_version="16.6",
    encrypted=True,
    kms_key_id="the-key",
)


def step_input(archive: Archive | None = None, **target: Any) -> SnapshotCheckInput:
    location = {"account_id": ACCOUNT, "region": "eu-central-1", "cluster": "staging"}
    return SnapshotCheckInput(
        operation_id="op-001",
        step_started_at=NOW,
        source=Source(account_id=ACCOUNT, region="eu-west-1", cluster="orders"),
        target=Target.model_validate({**location, "kms_key_id": "alias/staging", **target}),
        users=(),
        notification=Notification(topic_arn=f"arn:aws:sns:eu-central-1:{ACCOUNT}:restores"),
        copy_needed=True,
        archive=archive or Archive(),
    )


def violations(aws: ScriptedAws, settings: ClusterSettings | None = None, **target: Any) -> list[tuple[str, str]]:
    """The rules and the messages of every violated prerequisite."""
    clients: Any = aws
    asked = step_input(**target)
    context = RestoreContext(clients, clients, asked, SNAPSHOT, merge_settings(asked.target, settings))
    found = find_violations(prerequisite_checks(context, Freed(clusters=1, instances=1)))
    return [(violation.rule, violation.message) for violation in found]


def instances(*groups: str | None, instance_class: str = "db.r6g.large") -> ClusterSettings:
    return ClusterSettings(
        instances=tuple(Instance(instance_class=instance_class, db_parameter_group_name=group) for group in groups)
    )


def test_existing_resources_pass() -> None:
    """The other tests of this module change one thing."""
    assert violations(ScriptedAws(ACCOUNT)) == []


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "PendingImport", "Unavailable"])
def test_a_key_must_be_enabled(state: str) -> None:
    """In every other state AWS refuses to use it."""
    aws = ScriptedAws(ACCOUNT, describe_key={"KeyMetadata": {"KeyId": "-", "KeyState": state}})
    found = violations(aws)
    assert [rule for rule, _ in found] == ["kms-key", "snapshot-key-state"]
    assert all(f"is {state}, expected Enabled" in message for _, message in found)


def test_one_key_for_both_is_one_violation() -> None:
    """In one region the target has the snapshot's key most often."""
    metadata = {"KeyId": "-", "Arn": SNAPSHOT.kms_key_id, "KeyState": "Disabled"}
    aws = ScriptedAws(ACCOUNT, describe_key={"KeyMetadata": metadata})
    assert [rule for rule, _ in violations(aws)] == ["kms-key"]


@pytest.mark.parametrize(
    ("manager", "accounts", "rules"),
    [("AWS", (OTHER_ACCOUNT,), ["archive-key"]), ("AWS", (), []), ("CUSTOMER", (OTHER_ACCOUNT,), [])],
)
def test_a_snapshot_of_a_key_that_aws_manages_is_not_shared(
    manager: str, accounts: tuple[str, ...], rules: list[str]
) -> None:
    """RDS would refuse it after hours, at the end of the restore."""
    aws = ScriptedAws(ACCOUNT, describe_key={"KeyMetadata": {"KeyId": "-", "KeyManager": manager}})
    found = violations(aws, archive=Archive(masked=True, share_with=accounts))
    assert [rule for rule, _ in found] == rules
    assert all(f"archive.share_with names {OTHER_ACCOUNT}" in message for _, message in found)


@pytest.mark.parametrize("kind", ["cluster", "instance"])
def test_a_parameter_group_must_be_of_the_snapshots_family(kind: str) -> None:
    """RDS would refuse the restore after hours of copying; the message names the family that fits."""
    old = [{"DBParameterGroupFamily": "aurora-postgresql15"}]
    if kind == "cluster":
        aws = ScriptedAws(ACCOUNT, describe_db_cluster_parameter_groups={"DBClusterParameterGroups": old})
        settings = ClusterSettings(db_cluster_parameter_group_name="tuned")
    else:
        aws = ScriptedAws(ACCOUNT, describe_db_parameter_groups={"DBParameterGroups": old})
        settings = instances("tuned")
    [(rule, message)] = violations(aws, settings)
    assert rule == "parameter-group-family"
    assert "is of the family aurora-postgresql15" in message
    assert "needs aurora-postgresql16" in message


def test_an_engine_version_that_rds_does_not_offer_is_one_violation() -> None:
    """Without the version its family is unknown, so that the parameter group is not blamed as well."""
    aws = ScriptedAws(
        ACCOUNT,
        describe_db_engine_versions={"DBEngineVersions": []},
        describe_db_cluster_parameter_groups={"DBClusterParameterGroups": [{"DBParameterGroupFamily": "any"}]},
    )
    assert [rule for rule, _ in violations(aws, ClusterSettings(db_cluster_parameter_group_name="tuned"))] == [
        "engine-version"
    ]


def test_every_instances_parameter_group_is_checked_once() -> None:
    """Two instances that share a missing group are one violation."""
    aws = ScriptedAws(ACCOUNT, describe_db_parameter_groups={"DBParameterGroups": []})
    found = violations(aws, instances(None, "tuned", "tuned", "other"))
    assert [rule for rule, _ in found] == ["parameter-group", "parameter-group"]
    assert "tuned does not exist" in found[0][1]
    assert "other does not exist" in found[1][1]


def test_a_class_that_rds_does_not_offer_is_named_with_engine_and_region() -> None:
    """The operator chooses another class in the request."""
    aws = ScriptedAws(ACCOUNT, describe_orderable_db_instance_options={"OrderableDBInstanceOptions": []})
    [(rule, message)] = violations(aws, instances(None, instance_class="db.x1"))
    assert rule == "instance-class"
    assert message.startswith("RDS does not offer db.x1 for aurora-postgresql 16.6 in eu-central-1.")


def test_a_serverless_instance_needs_scaling() -> None:
    """RDS refuses to create the instance without it."""
    [(rule, message)] = violations(ScriptedAws(ACCOUNT), instances(None, instance_class="db.serverless"))
    assert rule == "serverless-scaling"
    assert "target.serverless_v2_scaling" in message


def test_the_name_of_the_last_instance_is_checked_too() -> None:
    """The restored cluster has as many instances as its settings say."""
    aws = ScriptedAws(ACCOUNT)
    aws.instances = [
        {
            "DBInstanceIdentifier": f"staging-{number}",
            "DBInstanceArn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:staging-{number}",
            "DBClusterIdentifier": "kept",
            "DBInstanceStatus": "available",
        }
        for number in (2, 3)
    ]
    [(rule, message)] = violations(aws, instances(None, None))
    assert rule == "instance-name"
    assert "db:staging-2 belongs to kept" in message


def sharing_violations(attributes: list[dict[str, Any]], **snapshot: Any) -> list[str]:
    aws: Any = ScriptedAws(
        ACCOUNT,
        describe_db_cluster_snapshot_attributes={
            "DBClusterSnapshotAttributesResult": {"DBClusterSnapshotAttributes": attributes}
        },
    )
    checks = Sharing(aws, step_input(account_id=OTHER_ACCOUNT), SNAPSHOT.model_copy(update=snapshot)).checks()
    return [violation.rule for violation in find_violations(checks)]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([{"AttributeName": "restore", "AttributeValues": [OTHER_ACCOUNT]}], []),
        ([{"AttributeName": "restore", "AttributeValues": ["all"]}], []),
        ([{"AttributeName": "restore", "AttributeValues": ["777788889999"]}], ["snapshot-share"]),
        ([{"AttributeName": "another", "AttributeValues": [OTHER_ACCOUNT]}], ["snapshot-share"]),
        ([], ["snapshot-share"]),
    ],
)
def test_a_snapshot_is_shared_with_the_targets_account_or_with_everyone(
    attributes: list[dict[str, Any]], expected: list[str]
) -> None:
    """Only the attribute `restore` shares it. Source: RDS API Reference, DBClusterSnapshotAttribute."""
    assert sharing_violations(attributes) == expected


def test_an_automated_snapshot_is_one_violation() -> None:
    """It cannot be shared at all, so that its missing share is not reported as well."""
    assert sharing_violations([], type="automated") == ["snapshot-type"]
