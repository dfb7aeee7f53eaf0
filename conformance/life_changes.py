"""The later steps of a run with --write: restore, copy, rename, stop and start, read the events, delete.

Each makes its calls through `OwnResources` and records answers by the names of `life_questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from conformance.account import refusal
from conformance.anonymiser import Json
from conformance.certificates import Unreachable, names_in_certificate
from conformance.engine_questions import ENGINE, earlier_version
from conformance.life import Life
from conformance.life_creation import SETTINGS, encryption, filled, new_cluster
from conformance.life_questions import REFUSED_RESTORES
from conformance.own_resources import CLUSTER, INSTANCE, SNAPSHOT

DEFAULT_KEY = "alias/aws/rds"
COMPARED = (*(name for name in SETTINGS if name != "EnableIAMDatabaseAuthentication"), "EngineVersion",
            "IAMDatabaseAuthenticationEnabled", "MasterUserSecret", "MasterUsername", "TagList")  # fmt: skip
"""The members in which a restored cluster is compared with the original."""
OF_THE_COPY = ("copy-under-a-taken-name", "statuses-of-a-copy", "source-of-a-copy")
"""The questions that need one."""


def restore(life: Life) -> None:
    """Calls that are refused, then a restore with a key; what it keeps and what it loses."""
    parameters: dict[str, Any] = {"Engine": ENGINE, "EngineVersion": life.version, "Tags": life.tags, **life.network}
    for question, changed in REFUSED_RESTORES.items():
        call = {**parameters, **{key: filled(value, life) for key, value in changed.items()}}
        snapshot = call.pop("Snapshot", life.name("snapshot"))
        name = life.name("cluster" if question == "restore-under-a-taken-name" else question)
        snapshot = life.name("copy") if snapshot == "missing" else snapshot
        life.attempt(question, partial(life.own.restore, name, snapshot, **call))
    _restore_with_an_earlier_version(life, parameters)
    name = life.name("restored")
    restored = life.insist(lambda: life.own.restore(name, life.name("snapshot"), KmsKeyId=DEFAULT_KEY, **parameters))
    life.answer("answer-of-a-restore", new_cluster(life, restored))
    life.answer("statuses-of-a-restore", life.statuses(CLUSTER, "restored"))
    original, after = life.read(CLUSTER, "cluster"), life.read(CLUSTER, "restored")
    life.answer("encryption-at-restore", encryption(after))
    life.answer("what-a-restore-keeps", {member: _fate(original, after, member) for member in COMPARED})
    life.answer("resource-id-of-a-restore", original.get("DbClusterResourceId") != after.get("DbClusterResourceId"))
    life.attempt(
        "serverless-instance-without-scaling",
        lambda: life.own.create_instance(
            life.name("refused"), name, Engine=ENGINE, DBInstanceClass="db.serverless", Tags=life.tags
        ),
    )


def _restore_with_an_earlier_version(life: Life, parameters: dict[str, Any]) -> None:
    earlier = earlier_version(life.account, life.version)
    if earlier is None:
        life.nothing_to_ask["restore-with-an-earlier-version"] = "No earlier minor version is offered."
        return
    life.account.anonymiser.add_name(earlier, "earlier-version")
    call = {**parameters, "EngineVersion": earlier}
    life.attempt(
        "restore-with-an-earlier-version", lambda: life.own.restore(life.name("refused"), life.name("snapshot"), **call)
    )


def _fate(original: Mapping[str, Any], restored: Mapping[str, Any], member: str) -> str:
    if restored.get(member) in (None, []):
        return "absent"
    return "kept" if restored.get(member) == original.get(member) else "another value"


def copy_snapshot(life: Life) -> None:
    """A copy, into the second region if there is one, where a snapshot without a key takes none, and one with a key needs one."""
    source = life.seen["snapshot"]
    arn, name = str(source.get("DBClusterSnapshotArn")), life.name("copy")
    where = {"SourceRegion": life.own.region} if life.target is not life.own else {}
    parameters: dict[str, Any] = {"Tags": life.tags, **where}
    life.attempt(
        "copy-of-an-unencrypted-snapshot-with-a-key",
        lambda: life.target.copy_snapshot(life.name("refused"), arn, KmsKeyId=DEFAULT_KEY, **parameters),
    )
    _copy_without_a_key(life, parameters)
    try:
        copied = life.insist(lambda: life.target.copy_snapshot(name, arn, **parameters))
    except ClientError as error:
        # No later step needs the copy.
        life.answer("answer-of-a-copy", dict(refusal(error, life.account.anonymiser)))
        life.nothing_to_ask |= dict.fromkeys(OF_THE_COPY, "AWS refused the copy.")
        return
    life.answer(
        "answer-of-a-copy",
        {
            "Status": str(copied.get("Status")),
            "SourceDBClusterSnapshotArn": life.which_name(copied.get("SourceDBClusterSnapshotArn")),
            "SnapshotCreateTime": _fate(source, copied, "SnapshotCreateTime"),
            "Tags": life.tags_in(copied),
        },
    )
    life.attempt("copy-under-a-taken-name", lambda: life.target.copy_snapshot(name, arn, **parameters))
    life.answer("statuses-of-a-copy", life.statuses(SNAPSHOT, "copy", own=life.target))
    found = life.find(SNAPSHOT, "copy", life.target) or {}
    life.answer("source-of-a-copy", life.which_name(found.get("SourceDBClusterSnapshotArn")))


def _copy_without_a_key(life: Life, parameters: dict[str, Any]) -> None:
    """Of a snapshot of the restored cluster, which has a key."""
    question, name = "copy-of-an-encrypted-snapshot-without-a-key", life.name("encrypted")
    if life.target is life.own:
        life.nothing_to_ask[question] = "No second region was given."
        return
    life.insist(lambda: life.own.create_snapshot(name, life.name("restored"), life.tags))
    life.statuses(SNAPSHOT, "encrypted")
    arn = str(life.read(SNAPSHOT, "encrypted").get("DBClusterSnapshotArn"))
    life.attempt(question, lambda: life.target.copy_snapshot(life.name("refused"), arn, **parameters))


def rename(life: Life) -> None:
    """A new name for the cluster with the instance: what follows it, and what its certificate says."""
    before = life.read(CLUSTER, "cluster")
    name, new = life.name("cluster"), life.name("renamed")
    life.attempt(
        "rename-to-a-taken-name", lambda: life.own.modify_cluster(name, NewDBClusterIdentifier=life.name("restored"))
    )
    changed = life.insist(lambda: life.own.modify_cluster(name, NewDBClusterIdentifier=new))
    life.answer(
        "answer-of-a-rename",
        {
            "DBClusterIdentifier": life.which_name(changed.get("DBClusterIdentifier")),
            "Status": str(changed.get("Status")),
            "PendingModifiedValues": sorted(changed.get("PendingModifiedValues") or {}),
        },
    )

    def observe() -> str:
        old, renamed = life.find_renamed("cluster"), life.find_renamed("renamed")
        status = (renamed or old or {}).get("Status", "in no answer")
        return f"{status} as {'<renamed>' if renamed else '<cluster>'}"

    life.answer("statuses-of-a-rename", life.watch("the rename", observe, "available as <renamed>"))
    life.wait_until_available("renamed")
    after = life.read(CLUSTER, "renamed")
    life.answer("what-follows-a-rename", _renamed(life, before, after))
    life.attempt("old-name-after-a-rename", lambda: life.own.prove(CLUSTER, name))
    snapshot = life.read(SNAPSHOT, "snapshot")
    life.answer("snapshot-after-a-rename", life.which_name(snapshot.get("DBClusterIdentifier")))
    _ask_certificate(life, "certificate-after-a-rename")


def _renamed(life: Life, before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    names = {member: life.which_name(after.get(member)) for member in ("DBClusterArn", "Endpoint", "ReaderEndpoint")}
    same = ("DbClusterResourceId", "TagList", "DBClusterMembers", "MasterUserSecret")
    return {**names, **{member: _fate(before, after, member) for member in same}}


def _ask_certificate(life: Life, question: str) -> None:
    """Which of the two names the certificate at the endpoint has; a TLS handshake, no login."""
    cluster = life.read(CLUSTER, "renamed")
    try:
        certified = names_in_certificate(str(cluster.get("Endpoint")), int(cluster.get("Port", 0)))
    except Unreachable as error:
        life.nothing_to_ask[question] = life.account.anonymiser.clean(str(error))
        return
    life.answer(question, sorted({life.which_name(each) for each in certified} & {"<cluster>", "<renamed>"}))


def stop_and_start(life: Life) -> None:
    """After which the certificate has the new name."""
    name = life.name("renamed")
    life.attempt("start-of-a-running-cluster", lambda: life.own.start_cluster(name))
    life.answer("answer-of-a-stop", str(life.insist(lambda: life.own.stop_cluster(name)).get("Status")))
    life.answer("statuses-of-a-stop", life.statuses(CLUSTER, "renamed", "stopped"))
    life.answer("answer-of-a-start", str(life.insist(lambda: life.own.start_cluster(name)).get("Status")))
    life.answer("statuses-of-a-start", life.statuses(CLUSTER, "renamed"))
    life.wait_until_available("renamed")
    _ask_certificate(life, "certificate-after-a-start")


def read_events(life: Life) -> None:
    """What DescribeEvents says of the run."""
    for question, source_type, roles in (
        ("events-of-a-cluster", "db-cluster", ("cluster", "renamed")),
        ("events-of-an-instance", "db-instance", ("instance",)),
        ("events-of-a-snapshot", "db-cluster-snapshot", ("snapshot",)),
    ):
        messages = [message for role in roles for message in _messages(life, source_type, life.name(role))]
        life.answer(question, sorted(set(messages)))


def _messages(life: Life, source_type: str, name: str) -> list[str]:
    asked = {"SourceType": source_type, "SourceIdentifier": name, "Duration": 24 * 60}
    return [str(event.get("Message")) for event in life.account.ask("describe_events", asked)["Events"]]


def delete_everything(life: Life) -> None:
    """In the order of the pipeline: instance, cluster, snapshot; and what the answers say."""
    instance = life.insist(lambda: life.own.delete_instance(life.name("instance")))
    life.answer("answer-of-an-instances-deletion", str(instance.get("DBInstanceStatus")))
    life.attempt(
        "delete-a-cluster-whose-instance-is-deleting",
        lambda: life.own.delete_cluster(life.name("renamed"), SkipFinalSnapshot=True),
        once=True,
    )
    life.answer("statuses-of-an-instances-deletion", life.statuses(INSTANCE, "instance", "gone"))
    restored = life.insist(lambda: life.own.delete_cluster(life.name("restored"), SkipFinalSnapshot=True))
    life.answer("answer-of-a-clusters-deletion", str(restored.get("Status")))
    life.answer("statuses-of-a-deletion", life.statuses(CLUSTER, "restored", "gone"))
    snapshot = life.own.delete_snapshot(life.name("snapshot"))
    life.answer("answer-of-a-snapshots-deletion", str(snapshot.get("Status")))
    life.answer("statuses-of-a-snapshots-deletion", life.statuses(SNAPSHOT, "snapshot", "gone"))
