"""deploy/iam/aws-check.json allows what aws-check does, and nothing to what is not its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from conformance.own_resources import RUN_TAG
from conformance.questions import Verdict
from devstack.iam.evaluation import as_list, statements
from tests.integration.conformance.conftest import kit_on_an_emulator
from tests.rigs.activity_resources import session_of
from tests.rigs.conformance import Kit, with_verdict
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, SOURCE, TARGET
from tests.rigs.iam.gateway import IamState, Role, install_gateway
from tests.rigs.iam.template import DEPLOY

POLICY = (DEPLOY / "iam" / "aws-check.json").read_text("utf-8")
ARN = f"arn:aws:iam::{ACCOUNT}:role/aurora-restore-aws-check"
OWN = "aws-check-0123456789ab"
MANAGED_LIMIT = 6_144
"""Characters of a managed policy without white space. Source: IAM User Guide, IAM and STS quotas."""


def filled() -> dict[str, Any]:
    """The policy with its placeholders replaced."""
    document: dict[str, Any] = json.loads(POLICY.replace("${AWS::Partition}", "aws").replace("${AccountId}", ACCOUNT))
    return document


@pytest.fixture(scope="module")
def iam() -> IamState:
    """The gateway's memory of roles, sessions and evaluations."""
    trust = ({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},)
    return IamState(roles={ARN: Role(ARN, tuple(statements(filled())), trust)})


@pytest.fixture(scope="module")
def owner(iam: IamState) -> Iterator[Kit]:
    """An emulator behind IAM; the owner of the account may do everything."""
    with ExitStack() as stack:
        stack.enter_context(install_gateway(iam))
        yield stack.enter_context(kit_on_an_emulator())


@pytest.fixture(scope="module")
def session(owner: Kit) -> Session:
    """Credentials of the role with the policy."""
    assumed = owner.aws.client("sts", TARGET).assume_role(RoleArn=ARN, RoleSessionName="test")["Credentials"]
    session = session_of(ACCOUNT)
    session.set_credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    return session


def test_it_allows_every_question_and_needs_every_statement(owner: Kit, session: Session, iam: IamState) -> None:
    """A whole run under the policy is asked and removed; each statement but that of KMS allowed something."""
    outcomes = Kit(owner.aws, session=session).run()
    assert iam.unknown_calls == []
    assert [str(evaluation) for evaluation in iam.evaluations if not evaluation.decision.allowed] == []
    assert with_verdict(outcomes, Verdict.FAILED) == {}
    assert with_verdict(outcomes, Verdict.DIFFERENT) == {}
    used = {evaluation.decision.sid for evaluation in iam.evaluations}
    # RDS asks KMS with the caller's permissions, which the emulator does not.
    assert {statement["Sid"] for statement in filled()["Statement"]} - used == {"DescribeTheKeys"}


DENIED: dict[str, Callable[[Any], Any]] = {
    "delete another cluster": lambda rds: rds.delete_db_cluster(DBClusterIdentifier="orders", SkipFinalSnapshot=True),
    "delete another instance": lambda rds: rds.delete_db_instance(DBInstanceIdentifier="orders-1"),
    "delete another snapshot": lambda rds: rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="orders"),
    "modify another cluster": lambda rds: rds.modify_db_cluster(DBClusterIdentifier="orders", DeletionProtection=False),
    "stop another cluster": lambda rds: rds.stop_db_cluster(DBClusterIdentifier="orders"),
    "delete what only has its name": lambda rds: rds.delete_db_cluster(
        DBClusterIdentifier=f"{OWN}-cluster", SkipFinalSnapshot=True
    ),
    "tag another cluster as its own": lambda rds: rds.add_tags_to_resource(
        ResourceName=f"arn:aws:rds:{TARGET}:{ACCOUNT}:cluster:orders", Tags=[{"Key": RUN_TAG, "Value": OWN}]
    ),
    "make a cluster under another name": lambda rds: rds.create_db_cluster(
        DBClusterIdentifier="orders-2", Engine=ENGINE, Tags=[{"Key": RUN_TAG, "Value": OWN}]
    ),
    "make a cluster without the tag": lambda rds: rds.create_db_cluster(
        DBClusterIdentifier=f"{OWN}-restored", Engine=ENGINE
    ),
    "copy another snapshot": lambda rds: rds.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=f"arn:aws:rds:{SOURCE}:{ACCOUNT}:cluster-snapshot:orders",
        TargetDBClusterSnapshotIdentifier=f"{OWN}-copy", Tags=[{"Key": RUN_TAG, "Value": OWN}],
    ),
    "snapshot another cluster": lambda rds: rds.create_db_cluster_snapshot(
        DBClusterIdentifier="orders", DBClusterSnapshotIdentifier=f"{OWN}-snapshot",
        Tags=[{"Key": RUN_TAG, "Value": OWN}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", DENIED)
def test_it_allows_nothing_else(owner: Kit, session: Session, call: str) -> None:
    """Neither other names, nor its names without its tag, nor its tag on what others have."""
    make: Any = boto3.Session(botocore_session=session).client
    with pytest.raises(ClientError) as refused:
        DENIED[call](make("rds", region_name=TARGET))
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_it_names_no_whole_service_and_is_explained() -> None:
    """Short enough for a managed policy; each statement is in docs/aws-check.md."""
    page = (DEPLOY.parent / "docs" / "aws-check.md").read_text("utf-8")
    for statement in filled()["Statement"]:
        assert f"`{statement['Sid']}`" in page
        assert not [action for action in as_list(statement["Action"]) if action.endswith(":*")]
    assert len(json.dumps(filled(), separators=(",", ":"))) <= MANAGED_LIMIT
