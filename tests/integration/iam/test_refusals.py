"""The target's role tries the most harmful calls: IAM refuses each by the statement that is meant to refuse it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rigs.activity_resources import ENGINE
from tests.rigs.iam.deployments import SOURCE_CLUSTER, Deployment
from tests.rigs.iam.owners import OPT_IN
from tests.rigs.iam.refusals import (
    assert_denied_by,
    assert_not_allowed,
    create_cluster,
    create_snapshot,
    pipeline_tags,
    refusal_of,
    role_client,
)
from tests.rigs.iam.restores import AuthorizedRestore

pytestmark = pytest.mark.usefixtures("without_read_guard")


@pytest.fixture
def rds(restore: AuthorizedRestore) -> Any:
    """RDS, with the target's role."""
    return role_client(restore.deployment, "target", "rds")


@pytest.fixture
def source_arn(restore: AuthorizedRestore) -> str:
    """The source that a target's opt-in tag names."""
    return restore.request.source.arn


@pytest.mark.parametrize("opt_in", [{}, {"replaced_by": "arn:aws:rds:eu-west-1:610000000002:cluster:another"}])
def test_a_cluster_that_has_not_opted_in_is_neither_deleted_nor_modified(
    restore: AuthorizedRestore, rds: Any, opt_in: dict[str, str]
) -> None:
    """Not even under the target's name: without the tag, or with one that names another source."""
    cluster = restore.cluster
    create_cluster(restore, cluster, **opt_in)
    sid = "OnlyWhatOptedIn"
    assert_denied_by(sid, rds.delete_db_cluster, DBClusterIdentifier=cluster, SkipFinalSnapshot=True)
    assert_denied_by(sid, rds.modify_db_cluster, DBClusterIdentifier=cluster, DeletionProtection=False)


def test_only_the_targets_instances_are_deleted(restore: AuthorizedRestore, rds: Any) -> None:
    """An instance that neither opted in nor was created by the pipeline stays, whatever its name."""
    create_cluster(restore, restore.cluster)
    instance = f"{restore.cluster}-1"
    assert_not_allowed(rds.delete_db_instance, DBInstanceIdentifier=instance, SkipFinalSnapshot=True)
    other = f"arn:aws:rds:eu-central-1:{restore.deployment.layout.target}:db:elsewhere-1"
    assert_not_allowed(rds.add_tags_to_resource, ResourceName=other, Tags=pipeline_tags(operation="op-001"))


def test_a_cluster_outside_the_name_pattern_is_not_deleted(
    restore: AuthorizedRestore, rds: Any, source_arn: str
) -> None:
    """A cluster that opted in, but whose name the role's policy does not cover."""
    name = f"analytics-{restore.number}"
    create_cluster(restore, name, replaced_by=source_arn)
    assert_not_allowed(rds.delete_db_cluster, DBClusterIdentifier=name, SkipFinalSnapshot=True)


def test_the_source_is_never_changed(one_account: Deployment) -> None:
    """In one account, and with the opt-in tag on the source itself, every change of the source is denied."""
    rds = role_client(one_account, "target", "rds")
    arn = AuthorizedRestore(one_account).request.source.arn
    one_account.owner("rds").add_tags_to_resource(ResourceName=arn, Tags=pipeline_tags(replaced_by=arn))
    sid = "NeverTheSource"
    assert_denied_by(sid, rds.delete_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, SkipFinalSnapshot=True)
    assert_denied_by(sid, rds.modify_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, DeletionProtection=False)
    assert_denied_by(sid, rds.add_tags_to_resource, ResourceName=arn, Tags=pipeline_tags(replaced_by=arn))


def test_only_the_pipelines_copies_are_deleted(restore: AuthorizedRestore, rds: Any, source_arn: str) -> None:
    """Not another user's snapshot, one with a similar name, one for another target, or one with a copied tag."""
    target, number = restore.request.target.arn, restore.number
    for name, tags in (
        (f"keep-{number}", {}),
        (f"aurora-restore-{number}", {}),
        (f"aurora-restore-other-{number}", {"copy_for": source_arn}),
    ):
        create_snapshot(restore, name, **tags)
        assert_denied_by("OnlyOwnCopies", rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=name)
    with_copied_tag = f"mine-{number}"
    create_snapshot(restore, with_copied_tag, copy_for=target)
    assert_not_allowed(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=with_copied_tag)


def test_what_another_environment_made_is_not_deleted(restore: AuthorizedRestore, rds: Any, source_arn: str) -> None:
    """Neither its copy under a name like ours, nor the target if it restored that; both have every other tag of ours."""
    name, theirs = f"aurora-restore-{restore.number}", "reporting/op-001"
    create_snapshot(restore, name, copy_for=restore.request.target.arn, operation=theirs)
    assert_not_allowed(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=name)
    create_cluster(restore, restore.cluster, replaced_by=source_arn, operation=theirs)
    assert_not_allowed(rds.delete_db_cluster, DBClusterIdentifier=restore.cluster, SkipFinalSnapshot=True)
    instance = f"{restore.cluster}-1"
    arn = f"arn:aws:rds:eu-central-1:{restore.deployment.layout.target}:db:{instance}"
    restore.deployment.owner("rds").add_tags_to_resource(ResourceName=arn, Tags=pipeline_tags(operation=theirs))
    assert_not_allowed(rds.delete_db_instance, DBInstanceIdentifier=instance, SkipFinalSnapshot=True)


def test_another_users_snapshot_is_not_tagged_as_a_copy(restore: AuthorizedRestore, rds: Any) -> None:
    """The role cannot turn a snapshot into one that it may delete."""
    arn = create_snapshot(restore, f"keep-{restore.number}")
    tags = pipeline_tags(copy_for=restore.request.target.arn)
    assert_not_allowed(rds.add_tags_to_resource, ResourceName=arn, Tags=tags)


@pytest.mark.parametrize("role", ["source", "target", "worker", "operator"])
def test_no_role_opts_an_existing_cluster_in(restore: AuthorizedRestore, role: str) -> None:
    """No role sets the opt-in tag, neither on a cluster of the target's name nor on another."""
    tags = pipeline_tags(replaced_by=restore.request.source.arn)
    rds, owner = role_client(restore.deployment, role, "rds"), restore.deployment.owner("rds")
    for name in (restore.cluster, f"analytics-{restore.number}"):
        arn = create_cluster(restore, name)
        refusal_of(rds.add_tags_to_resource, ResourceName=arn, Tags=tags)
        assert owner.list_tags_for_resource(ResourceName=arn)["TagList"] == []


def test_the_opt_in_tag_belongs_to_the_owner(restore: AuthorizedRestore, rds: Any, source_arn: str) -> None:
    """The role sets it only with a restore and only under the target's name, and never removes it."""
    arn = create_cluster(restore, restore.cluster)
    other = create_cluster(restore, f"analytics-{restore.number}")
    alone = pipeline_tags(replaced_by=source_arn)
    assert_denied_by("OptInComesWithTheRestore", rds.add_tags_to_resource, ResourceName=arn, Tags=alone)
    as_if_restored = pipeline_tags(replaced_by=source_arn, operation="op-001", restored_from="-")
    assert_denied_by("NobodyElseOptsIn", rds.add_tags_to_resource, ResourceName=other, Tags=as_if_restored)
    assert_denied_by("NoTagIsRemoved", rds.remove_tags_from_resource, ResourceName=arn, TagKeys=[OPT_IN])


def test_only_the_target_is_restored_from_a_copy(restore: AuthorizedRestore, rds: Any, source_arn: str) -> None:
    """No cluster of another name, none without the opt-in tag, none from another user's snapshot."""
    name = f"keep-{restore.number}"
    create_snapshot(restore, name)
    snapshot = {"SnapshotIdentifier": name, "Engine": ENGINE}
    opted_in = pipeline_tags(replaced_by=source_arn, operation="op-001", restored_from="-")
    for cluster, tags in ((restore.cluster, opted_in), (restore.cluster, []), ("analytics", opted_in)):
        refusal_of(rds.restore_db_cluster_from_snapshot, DBClusterIdentifier=cluster, Tags=tags, **snapshot)


def test_no_instance_is_public_or_in_another_cluster(restore: AuthorizedRestore, rds: Any, source_arn: str) -> None:
    """Not open to the internet, and not in a cluster that has not opted in."""
    create_cluster(restore, restore.cluster, replaced_by=source_arn)
    other = f"analytics-{restore.number}"
    create_cluster(restore, other)
    instance = {
        "DBInstanceIdentifier": f"{restore.cluster}-9",
        "DBInstanceClass": "db.r6g.large",
        "Engine": ENGINE,
        "Tags": pipeline_tags(operation="op-001"),
    }
    create = rds.create_db_instance
    assert_denied_by("NeverPublic", create, DBClusterIdentifier=restore.cluster, PubliclyAccessible=True, **instance)
    assert_not_allowed(create, DBClusterIdentifier=other, PubliclyAccessible=False, **instance)


def test_no_other_secret_is_read(restore: AuthorizedRestore) -> None:
    """Neither a secret of another name, nor the managed master password of another cluster."""
    secrets, owner = role_client(restore.deployment, "target", "secretsmanager"), restore.deployment.owner
    name = f"production/{restore.number}"
    owner("secretsmanager").create_secret(Name=name, SecretString=json.dumps({"password": "x"}))
    created = owner("rds").create_db_cluster(
        DBClusterIdentifier=f"analytics-{restore.number}",
        Engine=ENGINE,
        MasterUsername="boss",
        ManageMasterUserPassword=True,
    )
    for secret in (name, created["DBCluster"]["MasterUserSecret"]["SecretArn"]):
        assert_not_allowed(secrets.get_secret_value, SecretId=secret)


def test_a_call_that_is_not_modelled_is_refused(rds: Any) -> None:
    """The message names the files that a new call of the pipeline extends."""
    text = refusal_of(rds.failover_db_cluster, DBClusterIdentifier="orders")
    assert "rds:FailoverDBCluster is not modelled" in text
    assert "devstack/iam/authorization.py" in text
    assert "deploy/iam" in text
