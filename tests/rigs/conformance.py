"""`aws-check` against the emulator, and an emulator that answers otherwise in ten places."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from unittest.mock import patch

from botocore.session import Session

import devstack.aws.emulator
from conformance.account import Account
from conformance.check import ask_questions
from conformance.life import Life
from conformance.own_resources import OwnResources
from conformance.questions import Outcome, Verdict
from conformance.read_questions import READ_QUESTIONS
from conformance.removal import Pace
from conformance.write_check import remove_run, run_life
from devstack.aws.application import Application
from devstack.aws.databases import Address
from devstack.postgres_tls import TlsPort
from tests.rigs.activity_resources import session_of
from tests.rigs.emulated_aws import ACCOUNT, SOURCE, TARGET, EmulatedAws

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from devstack.aws.requests import AwsRequest

SECONDS_BETWEEN_POLLS = 10
"""On the emulator's clock, on which every change takes 100."""


@dataclass(frozen=True)
class Deviation:
    """One way in which an emulator answers otherwise, and the questions that must find it."""

    operation: str
    pattern: str
    replacement: str
    found_by: frozenset[str]
    status: int | None = None
    """Another HTTP status for a matching answer."""
    times: int | None = None
    """For how many matching answers; None: for all."""


def _deviation(operation: str, pattern: str, replacement: str, *found_by: str, **more: int) -> Deviation:
    return Deviation(operation, pattern, replacement, frozenset(found_by), **more)


DEVIATIONS: Mapping[str, Deviation] = {
    "another code": _deviation(
        "DescribeGlobalClusters", "GlobalClusterNotFoundFault", "GlobalClusterNotFound", "global-cluster-not-found"),
    "another text": _deviation("DescribeDBSubnetGroups", "does not exist", "was not found", "subnet-group-not-found"),
    "another HTTP status": _deviation(
        "DescribeDBParameterGroups", "<Error>", "<Error>", "parameter-group-not-found", status=400),
    "a member is left out": _deviation(
        "DescribeDBInstances", "<DbInstancePort>0</DbInstancePort>", "", "members-of-an-instance"),
    "a member more": _deviation(
        "DescribeDBClusterSnapshots", "(<SnapshotType>)", r"<StorageThroughput>0</StorageThroughput>\1",
        "members-of-a-snapshot"),
    "another status": _deviation(
        "DescribeDBClusterSnapshots", "<Status>copying<", "<Status>transferring<", "statuses-of-a-copy"),
    "a managed password that is ready late": _deviation(
        "DescribeDBClusters", "<SecretStatus>active<", "<SecretStatus>rotating<", "secret-when-nothing-is-pending",
        "statuses-of-a-managed-secret", times=3),
    "a rename that keeps the endpoint": _deviation(
        "DescribeDBClusters", "(<Endpoint>aws-check-[0-9a-f]+)-renamed", r"\1-cluster", "what-follows-a-rename"),
    "a restore that keeps more": _deviation(
        "DescribeDBClusters", "(<DBClusterIdentifier>aws-check-[0-9a-f]+-restored</DBClusterIdentifier>)",
        r"\1<EngineLifecycleSupport>open-source-rds-extended-support-disabled</EngineLifecycleSupport>",
        "what-a-restore-keeps"),
    "a restore that does not encrypt": _deviation(
        "DescribeDBClusters", "<StorageEncrypted>true</StorageEncrypted>.*?</KmsKeyId>",
        "<StorageEncrypted>false</StorageEncrypted>", "encryption-at-restore"),
}  # fmt: skip
"""Ten deliberate differences."""


class DeviatingApplication(Application):
    """The emulator's application, which changes its own answers on their way out."""

    fired: ClassVar[dict[str, int]]

    def _call(self, request: AwsRequest) -> Response:
        response = super()._call(request)
        for name, deviation in DEVIATIONS.items():
            if request.operation == deviation.operation and request.caller.service == "rds":
                self._deviate(response, name, deviation)
        return response

    def _deviate(self, response: Response, name: str, deviation: Deviation) -> None:
        text = response.get_data(as_text=True)
        if not re.search(deviation.pattern, text) or self.fired.get(name, 0) == deviation.times:
            return
        self.fired[name] = self.fired.get(name, 0) + 1
        response.set_data(re.sub(deviation.pattern, deviation.replacement, text))
        response.status_code = deviation.status or response.status_code


@contextmanager
def deviating() -> Iterator[dict[str, int]]:
    """Every emulator that is started in this context deviates; yields how often each deviation fired."""
    counts: dict[str, int] = {}

    class Deviating(DeviatingApplication):
        fired = counts

    with patch.object(devstack.aws.emulator, "Application", Deviating):
        yield counts


class CertificateHost:
    """A host of databases that has none: each cluster's server only shows its certificate."""

    def __init__(self, folder: Path) -> None:
        """The folder gets the certificates."""
        self._folder = folder
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ports: dict[str, TlsPort] = {}

    def create(
        self, cluster: str, master_username: str, master_password: str, database_name: str | None, certificate: str
    ) -> Address:
        """Show the certificate."""
        path = self._write(cluster, certificate)
        self._ports[cluster] = TlsPort(lambda: ("127.0.0.1", self._listening.getsockname()[1]), path)
        return self.address(cluster)

    def restore(self, backup: str, cluster: str, certificate: str) -> Address:
        """As a new one."""
        return self.create(cluster, "", "", None, certificate)

    def show_certificate(self, cluster: str, certificate: str) -> None:
        """Show another one."""
        self._ports[cluster].show(self._write(cluster, certificate))

    def address(self, cluster: str) -> Address:
        """Where it is shown."""
        return Address("127.0.0.1", self._ports[cluster].port)

    def _write(self, cluster: str, certificate: str) -> Path:
        path = self._folder / cluster
        path.write_text(certificate, "utf-8")
        return path

    def back_up(self, cluster: str, backup: str) -> None:
        """Nothing."""

    def set_master_password(self, cluster: str, username: str, password: str) -> None:
        """Nothing."""

    def process_ids(self, cluster: str) -> set[int]:
        """None."""
        return set()

    def destroy(self, cluster: str) -> None:
        """Show nothing any more."""
        port = self._ports.pop(cluster, None)
        if port is not None:
            port.close()

    def discard(self, backup: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Close what is left."""
        for cluster in list(self._ports):
            self.destroy(cluster)
        self._listening.close()


@dataclass
class Kit:
    """The check as a program runs it, with a clock that a poll advances."""

    aws: EmulatedAws
    number: str = ACCOUNT
    session: Session | None = None
    """The credentials; default: those of the account's owner."""
    account: Account = field(init=False)
    own: OwnResources = field(init=False)
    target: OwnResources = field(init=False)

    def __post_init__(self) -> None:
        self.account = Account(TARGET, SOURCE, session=self.session or session_of(self.number))
        self.account.identity()
        self.own = OwnResources(self.account, self.number, TARGET)
        self.target = OwnResources(self.account, self.number, SOURCE)

    @property
    def pace(self) -> Pace:
        """Polls that advance the emulator's clock."""
        return Pace(SECONDS_BETWEEN_POLLS, self.aws.wait)

    def life(self) -> Life:
        """A new run with --write, which copies into the second region."""
        return Life(self.account, self.own, self.target, self.pace)

    def make_something_to_ask_about(self) -> None:
        """A cluster with an instance, an automated snapshot, a proxy and auto scaling, which are the account's owner's."""
        self.aws.create_cluster("orders", region=TARGET)
        self.aws.create_instance("orders-1", "orders", region=TARGET)
        self.aws.control("rds/automated-snapshot", account=self.number, region=TARGET, cluster="orders")
        self.aws.wait()
        rds, scaling = self.aws.client("rds", TARGET), self.aws.client("application-autoscaling", TARGET)
        role = f"arn:aws:iam::{self.number}:role/proxy"
        rds.create_db_proxy(DBProxyName="front", EngineFamily="POSTGRESQL", RoleArn=role, VpcSubnetIds=["subnet-1"])
        rds.register_db_proxy_targets(DBProxyName="front", DBClusterIdentifiers=["orders"])
        scaling.register_scalable_target(
            ServiceNamespace="rds", ResourceId="cluster:orders", ScalableDimension="rds:cluster:ReadReplicaCount",
            MinCapacity=1, MaxCapacity=2,
        )  # fmt: skip

    def run(self) -> list[Outcome]:
        """Every question, and the removal of what it has made."""
        outcomes = ask_questions(self.account, READ_QUESTIONS, lambda _: None)
        life = self.life()
        outcomes += run_life(life)
        assert remove_run(life) == []
        return outcomes


def with_verdict(outcomes: list[Outcome], verdict: Verdict) -> dict[str, tuple[str, ...]]:
    """The names of the questions with a verdict, and their notes."""
    return {outcome.question.name: outcome.notes for outcome in outcomes if outcome.verdict is verdict}


def everything_in(aws: EmulatedAws) -> set[str]:
    """The names of all clusters, instances and snapshots in both regions."""
    names = set()
    for region in (SOURCE, TARGET):
        rds = aws.client(region=region)
        names |= {each["DBClusterIdentifier"] for each in rds.describe_db_clusters()["DBClusters"]}
        names |= {each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]}
        snapshots = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"]
        names |= {each["DBClusterSnapshotIdentifier"] for each in snapshots}
    return names
