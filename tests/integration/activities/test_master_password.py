"""check-restore-status gives the restored cluster a master password of its own, and waits until it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from errors import StepFailed
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import UNUSABLE_SECRETS
from tests.rigs.restored_clusters import poll, poll_until_done, restore


def test_the_password_of_the_requests_secret_is_set_once(rig: ActivityRig) -> None:
    """It replaces the source's master password, once in an operation."""
    secret = rig.make_secret("master", '{"password": "correct-horse"}')
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    outcome = poll_until_done(rig, restore(rig))
    assert outcome.endpoint.master_user_secret_id == secret
    assert [call.parameters["MasterUserPassword"] for call in rig.calls("ModifyDBCluster")] == ["***"]
    cluster = rig.cluster()
    assert cluster is not None
    assert {"Key": "aurora-restore:master-password-set-by", "Value": rig.operation_tag} in cluster["TagList"]
    assert "MasterUserSecret" not in cluster


def test_a_password_that_another_operation_set_is_set_again(rig: ActivityRig) -> None:
    """The tag counts only for the operation that it names."""
    secret = rig.make_secret("master", '{"password": "correct-horse"}')
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    resource_id = restore(rig)
    tag = {"Key": "aurora-restore:master-password-set-by", "Value": "aurora-restore/op-000"}
    rig.rds().add_tags_to_resource(ResourceName=rig.target.arn, Tags=[tag])
    poll_until_done(rig, resource_id)
    assert len(rig.calls("ModifyDBCluster")) == 1


@pytest.mark.parametrize("value", UNUSABLE_SECRETS)
def test_an_unusable_master_secret_fails_the_step(rig: ActivityRig, value: str) -> None:
    """An operator must correct it, and the message quotes nothing of it."""
    secret = rig.make_secret("master", value)
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    with pytest.raises(StepFailed, match="Secret not usable") as failed:
        poll_until_done(rig, restore(rig))
    assert "12345678" not in str(failed.value)
    assert failed.value.__context__ is None


def test_a_managed_password_whose_answer_was_lost_is_not_asked_for_again(rig: ActivityRig) -> None:
    """The repeated call is refused, because the secret has its key by then; a refusal of the first one is the step's."""
    rig.target = rig.target.model_copy(update={"master_user_secret_kms_key_id": rig.target.kms_key_id})
    resource_id = restore(rig)
    rig.emulator.faults.add("rds", "ModifyDBCluster", "reset-after")
    assert poll_until_done(rig, resource_id).done
    assert len(rig.calls("ModifyDBCluster")) == 2
    cluster = rig.cluster()
    assert cluster is not None
    assert cluster["MasterUserSecret"]["SecretStatus"] == "active"


def test_a_password_that_rds_refuses_before_there_is_a_writer_is_set_with_it(rig: ActivityRig) -> None:
    """AWS documents nothing about a cluster without instances; a refusal that lasts fails the step once the writer is up."""
    resource_id = restore(rig)
    rig.emulator.faults.add("rds", "ModifyDBCluster", "error", code="InvalidParameterCombination", status=400)
    assert poll_until_done(rig, resource_id).done
    assert len(rig.calls("ModifyDBCluster")) == 2


def test_a_password_that_rds_refuses_for_good_fails_the_step(rig: ActivityRig) -> None:
    """The writer is available by then."""
    resource_id = restore(rig)
    rig.emulator.faults.add(
        "rds", "ModifyDBCluster", "error", code="InvalidParameterCombination", status=400, count=None
    )
    with pytest.raises(StepFailed, match="InvalidParameterCombination"):
        poll_until_done(rig, resource_id)
    assert {instance["DBInstanceStatus"] for instance in rig.rds().describe_db_instances()["DBInstances"]} == {
        "available"
    }


def test_access_that_is_denied_fails_the_step_at_once(rig: ActivityRig) -> None:
    """The writer would change nothing about it, and takes minutes."""
    resource_id = restore(rig)
    rig.emulator.faults.add("rds", "ModifyDBCluster", "error", code="AccessDenied", status=403)
    with pytest.raises(StepFailed, match="AccessDenied"):
        poll_until_done(rig, resource_id)
    assert len(rig.calls("ModifyDBCluster")) == 1


def change_answer(rig: ActivityRig, patch: pytest.MonkeyPatch, change: Callable[[Any], object]) -> None:
    """RDS describes the target with a change that only AWS can make."""
    rds = rig.aws.rds(rig.target, rig.operation_id)
    original: Any = rds.describe_db_clusters

    def describe_changed(**arguments: Any) -> Any:
        answer = original(**arguments)
        change(answer["DBClusters"][0])
        return answer

    patch.setattr(rds, "describe_db_clusters", describe_changed)


def test_an_impaired_master_secret_is_usable_with_a_warning(
    rig: ActivityRig, resource_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDS's model: it can be used to access the database, but it cannot be rotated."""
    poll_until_done(rig, resource_id)
    change_answer(rig, monkeypatch, lambda cluster: cluster["MasterUserSecret"].update(SecretStatus="impaired"))
    outcome = poll(rig, resource_id)
    assert outcome.done
    assert "is impaired: it can be used, but RDS cannot rotate it" in outcome.warnings[0]


PENDING = {"MasterUserPassword": "****"}


@pytest.mark.parametrize(
    ("change", "details"),
    [
        (lambda cluster: cluster["MasterUserSecret"].update(SecretStatus="creating"), "master secret creating"),
        (lambda cluster: cluster["MasterUserSecret"].update(SecretStatus="rotating"), "master secret rotating"),
        (lambda cluster: cluster.update(PendingModifiedValues=PENDING), "master password pending"),
        (lambda cluster: cluster.update(PendingModifiedValues={"EngineVersion": "16.8"}), "Restore completed"),
    ],
)
def test_only_the_master_password_is_waited_for(
    rig: ActivityRig,
    resource_id: str,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], object],
    details: str,
) -> None:
    """The secret may be active before the database has its password; an upgrade may stay pending for days."""
    poll_until_done(rig, resource_id)
    change_answer(rig, monkeypatch, change)
    assert poll(rig, resource_id).details == details
