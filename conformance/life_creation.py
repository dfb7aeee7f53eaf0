"""The first steps of a run with --write: create a cluster and an instance, protect, manage the password, take a snapshot.

Each makes its calls through `OwnResources` and records answers by the names of `life_questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from conformance.anonymiser import Json
from conformance.engine_questions import ENGINE, default_version
from conformance.life import Life, note_change, presence
from conformance.life_questions import REFUSED_CREATIONS
from conformance.own_resources import CLUSTER, INSTANCE, SNAPSHOT

SETTINGS: dict[str, Any] = {
    "BackupRetentionPeriod": 2,
    "CopyTagsToSnapshot": True,
    "DatabaseName": "checked",
    "EnableIAMDatabaseAuthentication": True,
    "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
    "PreferredBackupWindow": "01:00-01:30",
    "PreferredMaintenanceWindow": "sun:03:00-sun:03:30",
    "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 1.0},
    "StorageType": "aurora-iopt1",
}
"""Other than RDS's defaults, so that it shows what a restore keeps. No log exports: their log groups would stay."""


def _created(life: Life) -> dict[str, Any]:
    """The parameters of every CreateDBCluster of a run."""
    return {
        "Engine": ENGINE, "EngineVersion": life.version, "MasterUsername": "aws_check", "MasterUserPassword": life.password,
        "Tags": life.tags, **life.network, **SETTINGS,
    }  # fmt: skip


def create_cluster(life: Life) -> None:
    """Calls that are refused, then a cluster that is not."""
    life.version = default_version(life.account)
    life.account.anonymiser.add_name(life.version, "version")
    parameters = _created(life)
    for question, changed in REFUSED_CREATIONS.items():
        name = life.name(f"-{question}" if question == "create-with-an-invalid-name" else question)
        changes = {key: filled(value, life) for key, value in changed.items()}
        tags = [*life.tags, *changes.pop("Tags", [])]
        call = {**parameters, **changes, "Tags": tags}
        life.attempt(question, partial(life.own.create_cluster, name, **call))
    created = life.insist(lambda: life.own.create_cluster(life.name("cluster"), **parameters))
    life.answer("answer-of-a-creation", new_cluster(life, created))
    life.attempt("create-under-a-taken-name", lambda: life.own.create_cluster(life.name("cluster"), **parameters))
    life.attempt(
        "snapshot-of-a-cluster-in-creation",
        lambda: life.own.create_snapshot(life.name("refused"), life.name("cluster"), life.tags),
    )
    life.answer("statuses-of-a-creation", life.statuses(CLUSTER, "cluster"))
    cluster = life.read(CLUSTER, "cluster")
    life.answer("encryption-of-a-new-cluster", encryption(cluster))


def filled(value: Any, life: Life) -> Any:
    """A parameter of a question, with the name that nothing has in its place."""
    return value.replace("ABSENT", life.account.absent) if isinstance(value, str) else value


def new_cluster(life: Life, cluster: Mapping[str, Any]) -> Json:
    """What a new cluster has in the answer of the call that makes it."""
    return {
        "Status": str(cluster.get("Status")),
        "Tags": life.tags_in(cluster),
        "DBClusterMembers": len(cluster.get("DBClusterMembers", [])),
        "EarliestRestorableTime": presence(cluster, "EarliestRestorableTime"),
    }


def encryption(answer: Mapping[str, Any]) -> Json:
    """How a cluster or a snapshot is encrypted, without the key's name."""
    key = str(answer.get("KmsKeyId"))
    return {
        "StorageEncrypted": bool(answer.get("StorageEncrypted")),
        "KmsKeyId": "the ARN of a key" if ":kms:" in key and ":key/" in key else presence(answer, "KmsKeyId"),
        "StorageEncryptionType": str(answer.get("StorageEncryptionType", "absent")),
    }


def create_instance(life: Life) -> None:
    """The writer, and what it keeps from happening to its cluster."""
    name, cluster = life.name("instance"), life.name("cluster")
    parameters: dict[str, Any] = {"Engine": ENGINE, "DBInstanceClass": "db.serverless", "Tags": life.tags}
    created = life.insist(lambda: life.own.create_instance(name, cluster, **parameters))
    life.answer(
        "answer-of-an-instance",
        {
            "DBInstanceStatus": str(created.get("DBInstanceStatus")),
            "Endpoint": presence(created, "Endpoint"),
            "InstanceCreateTime": presence(created, "InstanceCreateTime"),
            "Tags": life.tags_in(created),
        },
    )
    life.attempt("instance-under-a-taken-name", lambda: life.own.create_instance(name, cluster, **parameters))
    statuses, of_cluster = life.statuses_beside_cluster(INSTANCE, "instance")
    life.answer("statuses-of-an-instance", list(statuses))
    life.answer("cluster-during-an-instances-creation", list(of_cluster))
    life.wait_until_available("cluster")
    members = life.read(CLUSTER, "cluster").get("DBClusterMembers", [])
    life.answer("first-instance", ["writer" if each.get("IsClusterWriter") else "reader" for each in members])
    life.attempt("delete-a-cluster-with-an-instance", lambda: life.own.delete_cluster(cluster, SkipFinalSnapshot=True))
    life.attempt("delete-without-a-decision", lambda: life.own.delete_cluster(cluster))
    life.attempt(
        "delete-with-two-decisions",
        lambda: life.own.delete_cluster(
            cluster, SkipFinalSnapshot=True, FinalDBSnapshotIdentifier=life.name("refused")
        ),
    )


def protect(life: Life) -> None:
    """Deletion protection on, a deletion that it refuses, and off again; and a change that changes nothing."""
    name = life.name("cluster")
    protected = life.insist(lambda: life.own.modify_cluster(name, DeletionProtection=True))
    life.answer("protection-in-the-answer", protected.get("DeletionProtection") is True)
    life.wait_until_available("cluster")
    life.attempt("delete-a-protected-cluster", lambda: life.own.delete_cluster(name, SkipFinalSnapshot=True))
    life.insist(lambda: life.own.modify_cluster(name, DeletionProtection=False))
    life.wait_until_available("cluster")
    life.attempt("modify-nothing", lambda: life.own.modify_cluster(name))
    life.attempt("modify-a-short-password", lambda: life.own.modify_cluster(name, MasterUserPassword="short"))
    life.attempt("modify-to-an-unknown-version", lambda: life.own.modify_cluster(name, EngineVersion="1.1"))


def manage_password(life: Life) -> None:
    """From a password of ours to a managed one, and when that is ready."""
    name = life.name("cluster")
    changed = life.insist(lambda: life.own.modify_cluster(name, ManageMasterUserPassword=True))
    life.answer(
        "answer-of-a-managed-password",
        {
            "Status": str(changed.get("Status")),
            "PendingModifiedValues": sorted(changed.get("PendingModifiedValues") or {}),
            "SecretStatus": _secret_status(changed),
        },
    )
    statuses, secrets, at_return = [str(changed.get("Status"))], [_secret_status(changed)], ["not seen"]

    def observe() -> str:
        cluster = life.read(CLUSTER, "cluster")
        status, secret = str(cluster.get("Status")), _secret_status(cluster)
        note_change(statuses, status)
        note_change(secrets, secret)
        pending = (cluster.get("PendingModifiedValues") or {}).get("MasterUserPassword")
        if status == "available" and not pending and at_return == ["not seen"]:
            at_return[0] = secret
        return "ready" if (status, pending, secret) == ("available", None, "active") else "not ready"

    life.watch("the managed password", observe, "ready")
    life.answer("statuses-of-a-managed-password", list(statuses))
    life.answer("statuses-of-a-managed-secret", list(secrets))
    life.answer("secret-when-nothing-is-pending", at_return[0])
    life.attempt(
        "own-password-while-one-is-managed", lambda: life.own.modify_cluster(name, MasterUserPassword=life.password)
    )


def _secret_status(cluster: Mapping[str, Any]) -> str:
    return str((cluster.get("MasterUserSecret") or {}).get("SecretStatus", "absent"))


def take_snapshot(life: Life) -> None:
    """A manual snapshot; what may not be done with it before it is available."""
    name, cluster = life.name("snapshot"), life.name("cluster")
    taken = life.insist(lambda: life.own.create_snapshot(name, cluster, life.tags))
    life.answer(
        "answer-of-a-snapshot",
        {
            "Status": str(taken.get("Status")),
            "SnapshotType": str(taken.get("SnapshotType")),
            "PercentProgress": int(taken.get("PercentProgress", -1)),
            "Tags": life.tags_in(taken),
        },
    )
    life.attempt("snapshot-under-a-taken-name", lambda: life.own.create_snapshot(name, cluster, life.tags))
    life.attempt(
        "restore-of-an-unfinished-snapshot",
        lambda: life.own.restore(life.name("refused"), name, Engine=ENGINE, EngineVersion=life.version, Tags=life.tags),
    )
    statuses, of_cluster = life.statuses_beside_cluster(SNAPSHOT, "snapshot")
    life.answer("statuses-of-a-snapshot", list(statuses))
    life.answer("cluster-during-a-snapshot", list(of_cluster))
    life.wait_until_available("cluster")
    life.seen["snapshot"] = snapshot = life.read(SNAPSHOT, "snapshot")
    life.answer("encryption-of-a-snapshot", encryption(snapshot))
