"""Calls that a role must not be able to make, and the resources of other users to make them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from models.source import Location
from tests.rigs.activity_resources import ENGINE
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.restores import AuthorizedRestore

IMPLICIT_DENY = "no statement allows it"


def role_client(deployment: Deployment, role: str, service: str) -> Any:
    """A client with the credentials of a role, in the region in which it works."""
    layout = deployment.layout
    region = layout.region(role)
    create: Callable[..., Any] = getattr(deployment.clients(role), service)
    if service == "dynamodb":
        return create(region)
    return create(Location(account_id=layout.accounts[role], region=region), "none")


def refusal_of(call: Callable[..., Any], **parameters: Any) -> str:
    """The message with which IAM refuses the call; fails if IAM does not refuse it."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    code = refused.value.response["Error"]["Code"]
    assert code in ("AccessDenied", "AccessDeniedException")
    return str(refused.value)


def assert_denied_by(sid: str, call: Callable[..., Any], **parameters: Any) -> None:
    """IAM refuses the call because of this statement."""
    assert f"its statement {sid} denies it" in refusal_of(call, **parameters)


def assert_not_allowed(call: Callable[..., Any], **parameters: Any) -> None:
    """IAM refuses the call because no statement allows it."""
    assert IMPLICIT_DENY in refusal_of(call, **parameters)


def pipeline_tags(**values: str) -> list[dict[str, str]]:
    """The pipeline's tags, such as `replaced_by` for aurora-restore:replaced-by."""
    return [{"Key": f"aurora-restore:{name.replace('_', '-')}", "Value": value} for name, value in values.items()]


def create_cluster(restore: AuthorizedRestore, name: str, **tags: str) -> str:
    """An owner creates a cluster with an instance in the target's account and region; returns its ARN."""
    rds = restore.deployment.owner("rds")
    created = rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine=ENGINE,
        Tags=pipeline_tags(**tags),
        MasterUsername="boss",
        MasterUserPassword="long-enough",
    )
    restore.owners.advance_clock()
    rds.create_db_instance(
        DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass="db.r6g.large", Engine=ENGINE
    )
    restore.owners.advance_clock()
    return str(created["DBCluster"]["DBClusterArn"])


def create_snapshot(restore: AuthorizedRestore, name: str, **tags: str) -> str:
    """An owner creates a manual snapshot in the target's account and region; returns its ARN."""
    cluster = f"of-{name}"
    create_cluster(restore, cluster)
    created = restore.deployment.owner("rds").create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=name, DBClusterIdentifier=cluster, Tags=pipeline_tags(**tags)
    )
    restore.owners.advance_clock()
    return str(created["DBClusterSnapshot"]["DBClusterSnapshotArn"])
