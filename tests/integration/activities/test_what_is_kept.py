"""What comes back is what was there: a target whose every setting is unusual, restored again and again."""

from __future__ import annotations

from typing import Any

import pytest

from errors import StepFailed
from models.checks import CHECKS_FACT, read_checks
from models.clusters import CheckRestoreOutcome
from models.configuration import ClusterSettings, OnDifference
from models.snapshots import SnapshotCheckOutcome
from tests.integration.activities.test_carried_over import BARE, bare_target, delete
from tests.rigs.activities import ActivityRig
from tests.rigs.rich_target import create_rich_target

DENIED = "User is missing the following permissions: rds:DeleteDBInstance"


def make_rich_target(rig: ActivityRig) -> None:
    """The rig's target, with every setting unusual."""
    create_rich_target(
        rig.rds(),
        rig.shared.owner("application-autoscaling"),
        rig.target.cluster,
        rig.source.arn,
        rig.shared.security_group,
        rig.shared.key_arn,
        rig.advance_clock,
    )


def check(rig: ActivityRig) -> SnapshotCheckOutcome:
    """snapshot-check of a request that names only the two clusters."""
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    source = rig.source.model_copy(update={"snapshot": selector})
    target = bare_target(rig).model_copy(update={"kms_key_id": None, "master_user_secret_id": None})
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source, target=target))


def restore(rig: ActivityRig, checked: SnapshotCheckOutcome, **changed: Any) -> CheckRestoreOutcome:
    """Delete the target and restore it from a copy of the snapshot, up to the comparison."""
    copy = rig.copy_of(checked.snapshot)
    if copy.identifier not in rig.copies():
        rig.make_copy(checked.snapshot)
    delete(rig, checked)
    target = rig.target.model_copy(update=BARE | {"kms_key_id": None, "master_user_secret_id": None})
    given = rig.restore_input(checked.snapshot, target=rig.target, snapshot_copy=copy)
    given = given.model_copy(update={"target": target, "configuration": checked.configuration})
    restored = rig.run(rig.clusters.restore_snapshot, given)
    waited = rig.check_restore_input(restored.cluster_resource_id)
    waited = waited.model_copy(update={"target": target, "configuration": checked.configuration, **changed})
    return rig.poll_until_done(rig.restored.check_restore_status, waited)


def test_a_rich_target_comes_back_as_it_was_three_times(rig: ActivityRig) -> None:
    """Every setting that can be kept is the same after one, two and three restores, and nothing is reported changed."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    before = check(rig).target_settings
    assert before is not None
    for _ in range(3):
        outcome = restore(rig, check(rig))
        assert outcome.differences == ()
        assert check(rig).target_settings == before
        rig.begin_next_operation()


def test_the_rich_target_says_something_in_every_setting(rig: ActivityRig) -> None:
    """A setting that this target leaves at None would be kept by nobody and noticed by nobody."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    settings = check(rig).target_settings
    assert settings is not None
    left_out = {name for name in ClusterSettings.model_fields if getattr(settings, name) is None}
    assert left_out == {"db_cluster_parameter_group_name", "backtrack_window_seconds"}


def test_autoscaled_readers_are_not_restored(rig: ActivityRig) -> None:
    """Application Auto Scaling adds readers by itself: a restore that made them again would have more after every restore."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    rig.rds().create_db_instance(
        DBInstanceIdentifier=f"application-autoscaling-{rig.number}",
        DBClusterIdentifier=rig.target.cluster,
        DBInstanceClass="db.r6g.large",
        Engine="aurora-postgresql",
    )
    rig.advance_clock()
    names = [instance.identifier for instance in check(rig).configuration.instances]
    assert names == [f"blue-{rig.target.cluster}-blue", f"blue-{rig.target.cluster}-green"]


def test_a_busy_cluster_gets_its_roles_and_endpoints_later(rig: ActivityRig) -> None:
    """RDS refuses a change while it makes another; the target is deleted by then, so the step must not fail."""
    checked = check_rich_target(rig)
    restore(rig, checked)
    cluster = rig.cluster()
    assert cluster is not None
    name, rds = rig.target.cluster, rig.rds()
    role = cluster["AssociatedRoles"][0]
    rds.remove_role_from_db_cluster(DBClusterIdentifier=name, RoleArn=role["RoleArn"], FeatureName=role["FeatureName"])
    rds.disable_http_endpoint(ResourceArn=rig.target.arn)
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=f"{name}-reports")
    busy = {
        "AddRoleToDBCluster": "InvalidDBClusterStateFault",
        "EnableHttpEndpoint": "InvalidResourceStateFault",
        "CreateDBClusterEndpoint": "InvalidDBClusterStateFault",
    }
    for operation, code in busy.items():
        rig.emulator.faults.add("rds", operation, "error", code=code)
    step_input = rig.check_restore_input(cluster["DbClusterResourceId"])
    target = rig.target.model_copy(update=BARE | {"kms_key_id": None})
    given = step_input.model_copy(update={"target": target, "configuration": checked.configuration})
    rig.clear_calls()
    assert rig.poll_until_done(rig.restored.check_restore_status, given).differences == ()
    assert [call.operation for call in rig.calls(*busy)] == [each for each in busy for _ in range(2)]


def test_an_endpoint_gets_those_of_its_members_that_come_back(rig: ActivityRig) -> None:
    """A reader of Auto Scaling does not come back: RDS would refuse its name, after the deletion. It is reported."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    name, reader = rig.target.cluster, f"application-autoscaling-{rig.number}"
    rig.rds().create_db_instance(
        DBInstanceIdentifier=reader,
        DBClusterIdentifier=name,
        DBInstanceClass="db.r6g.large",
        Engine="aurora-postgresql",
    )
    rig.advance_clock()
    for suffix, members in (("mixed", [f"blue-{name}-green", reader]), ("scaled", [reader])):
        rig.rds().create_db_cluster_endpoint(
            DBClusterIdentifier=name,
            DBClusterEndpointIdentifier=f"{name}-{suffix}",
            EndpointType="READER",
            StaticMembers=members,
        )
    rig.advance_clock()
    [difference] = restore(rig, check(rig)).differences
    assert difference.startswith("custom_endpoints is ")
    endpoints = rig.rds().describe_db_cluster_endpoints(DBClusterIdentifier=name)["DBClusterEndpoints"]
    members_of = {
        each["DBClusterEndpointIdentifier"]: each["StaticMembers"] for each in endpoints if "StaticMembers" in each
    }
    assert members_of == {f"{name}-reports": [f"blue-{name}-green"], f"{name}-mixed": [f"blue-{name}-green"]}


def check_rich_target(rig: ActivityRig) -> SnapshotCheckOutcome:
    """Make source, snapshot and rich target, and run snapshot-check."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    return check(rig)


def test_a_difference_from_the_configuration_is_reported(rig: ActivityRig) -> None:
    """A setting that RDS did not take is named with both values, in the outcome, its warnings and the trail's facts."""
    outcome = restore_with_a_difference(rig, OnDifference.WARN)
    expected = "tags is {'team': 'orders'}, expected {'team': 'payments'}"
    assert outcome.differences == (expected,)
    cluster = rig.cluster() or {}
    facts = dict(outcome.facts)
    checks = {check.name: check for check in read_checks({CHECKS_FACT: facts.pop(CHECKS_FACT)})}
    assert checks["tags"][1:] == ("{'team': 'payments'}", "{'team': 'orders'}", False)
    assert [name for name, check in checks.items() if not check.met] == ["tags"]
    assert len(checks) > 3
    assert facts == {
        "changed": expected,
        "cluster_resource_id": cluster["DbClusterResourceId"],
        "master_user_secret": cluster["MasterUserSecret"]["SecretArn"],
    }
    assert outcome.warnings == (f"Changed: {expected}",)


def test_a_request_may_want_a_difference_to_fail_the_step(rig: ActivityRig) -> None:
    """With on_difference fail the cluster stays as it is, and the step says what differs."""
    with pytest.raises(StepFailed, match="Restored cluster differs") as failed:
        restore_with_a_difference(rig, OnDifference.FAIL)
    assert "expected {'team': 'payments'}" in failed.value.message


def restore_with_a_difference(rig: ActivityRig, on_difference: OnDifference) -> CheckRestoreOutcome:
    """Restore, and let check-restore-status expect a tag that the restore was not asked for."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    checked = check(rig)
    other = checked.configuration.model_copy(update={"tags": {"team": "payments"}})
    return restore(rig, checked, configuration=other, on_difference=on_difference)


def test_an_unencrypted_snapshot_is_restored_with_the_targets_key(rig: ActivityRig) -> None:
    """A target that was encrypted is never restored unencrypted: Aurora encrypts at restore, if it is given the key."""
    rig.make_source(StorageEncrypted=False)
    rig.make_snapshot()
    make_rich_target(rig)
    checked = check(rig)
    assert not checked.snapshot.encrypted
    assert restore(rig, checked).differences == ()
    cluster = rig.cluster()
    assert cluster is not None
    assert (cluster["StorageEncrypted"], cluster["KmsKeyId"]) == (True, rig.shared.key_arn)


def test_what_aws_refuses_to_put_back_is_reported_and_the_step_goes_on(rig: ActivityRig) -> None:
    """The restored cluster is complete without a proxy and without scaling; its users are not set up yet."""
    checked = check_rich_target(rig)
    rig.rds().delete_db_proxy(DBProxyName=f"{rig.target.cluster}-pool")
    rig.emulator.faults.add(
        "application-autoscaling",
        "RegisterScalableTarget",
        "error",
        code="ValidationException",
        message=DENIED,
        count=None,
    )
    outcome = restore(rig, checked)
    rig.emulator.faults.clear()
    assert outcome.differences == (
        f"proxy_targets is nothing, expected {checked.configuration.proxy_targets}",
        "scalable_target is absent, expected present",
    )
    proxy, scaling, *changed = outcome.warnings
    assert proxy.endswith("the restored cluster is complete without it.")
    assert DENIED in scaling
    assert changed == [f"Changed: {difference}" for difference in outcome.differences]


def test_a_scalable_target_that_is_still_there_is_adopted_and_corrected(rig: ActivityRig) -> None:
    """AWS does not say that it goes with the cluster. Tags are refused for one that exists."""
    checked = check_rich_target(rig)
    before = rig.shared.owner("application-autoscaling")
    restore(rig, checked)
    place = {
        "ServiceNamespace": "rds",
        "ResourceId": f"cluster:{rig.target.cluster}",
        "ScalableDimension": "rds:cluster:ReadReplicaCount",
    }
    before.register_scalable_target(**place, MinCapacity=1, MaxCapacity=15)
    before.delete_scaling_policy(**place, PolicyName="busy")
    cluster = rig.cluster()
    assert cluster is not None
    given = rig.check_restore_input(cluster["DbClusterResourceId"])
    target = rig.target.model_copy(update=BARE | {"kms_key_id": None})
    given = given.model_copy(update={"target": target, "configuration": checked.configuration})
    rig.clear_calls()
    assert rig.poll_until_done(rig.restored.check_restore_status, given).differences == ()
    changes = rig.calls("RegisterScalableTarget", "PutScalingPolicy", "PutScheduledAction")
    assert [call.operation for call in changes] == ["RegisterScalableTarget", "PutScalingPolicy"]


def test_a_busy_proxy_is_waited_for(rig: ActivityRig) -> None:
    """RDS refuses while it changes the cluster, an instance or the proxy, and says so if the target is there already."""
    checked = check_rich_target(rig)
    codes = ("InvalidDBClusterStateFault", "InvalidDBInstanceState", "InvalidDBProxyStateFault")
    for code in (*codes, "DBProxyTargetAlreadyRegisteredFault"):
        rig.emulator.faults.add("rds", "RegisterDBProxyTargets", "error", code=code)
    assert restore(rig, checked).differences == ()
    assert len(rig.calls("RegisterDBProxyTargets")) >= len(codes) + 2
