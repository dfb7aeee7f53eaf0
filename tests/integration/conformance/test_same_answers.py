"""The emulator answers as aws-check claims, to an identity with deploy/iam/aws-check.json; which allows nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from conformance.own_resources import RUN_TAG
from conformance.questions import Outcome, Verdict
from conformance.report import Report
from devstack.iam.evaluation import as_list, statements
from tests.integration.conformance.conftest import kit_on_an_emulator
from tests.rigs.activity_resources import session_of
from tests.rigs.conformance import CertificateHost, Kit, everything_in, with_verdict
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
def owner(iam: IamState, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """An emulator behind IAM; the owner of the account may do everything."""
    with ExitStack() as stack:
        host = stack.enter_context(closing(CertificateHost(tmp_path_factory.mktemp("certificates"))))
        stack.enter_context(install_gateway(iam))
        yield stack.enter_context(kit_on_an_emulator(host))


@pytest.fixture(scope="module")
def session(owner: Kit) -> Session:
    """Credentials of the role with the policy."""
    assumed = owner.aws.client("sts", TARGET).assume_role(RoleArn=ARN, RoleSessionName="test")["Credentials"]
    session = session_of(ACCOUNT)
    session.set_credentials(assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
    return session


@pytest.fixture(scope="module")
def outcomes(owner: Kit, session: Session) -> list[Outcome]:
    """The outcomes of one whole run, which has removed what it has made."""
    return Kit(owner.aws, session=session).run()


def test_the_emulator_answers_as_claimed(outcomes: list[Outcome]) -> None:
    """No difference, and every question is asked."""
    for verdict in (Verdict.DIFFERENT, Verdict.FAILED, Verdict.NOTHING_TO_ASK):
        assert with_verdict(outcomes, verdict) == {}


def test_a_run_leaves_nothing_of_its_own(owner: Kit, outcomes: list[Outcome]) -> None:
    """In both regions, and the owner's resources are still there."""
    assert outcomes
    assert {name for name in everything_in(owner.aws) if not name.startswith("rds:orders-")} == {"orders", "orders-1"}


def test_the_report_names_nobody(outcomes: list[Outcome]) -> None:
    """No account number, no name of the owner's, no ARN, no endpoint, no name of the run."""
    report = Report(outcomes, TARGET, SOURCE, writes=True, day="2026-11-27")
    for text in (report.as_markdown(), str(report.as_json())):
        assert not [part for part in (ACCOUNT, "orders", "arn:aws", "rds.localhost", "aws-check-") if part in text]


def test_the_policy_allows_the_run_and_has_no_statement_too_many(iam: IamState, outcomes: list[Outcome]) -> None:
    """No call of the run is denied; each statement but that of KMS allowed something."""
    assert outcomes
    assert iam.unknown_calls == []
    assert [str(evaluation) for evaluation in iam.evaluations if not evaluation.decision.allowed] == []
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
