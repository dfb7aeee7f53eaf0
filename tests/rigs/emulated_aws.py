"""An emulator on a frozen clock, and clients that check every response against botocore's model."""

from __future__ import annotations

import json
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import ListShape, OperationModel, Shape, StructureShape

from devstack.aws import Emulator
from devstack.aws.rds.errors import COMMON_CODES
from devstack.aws.rds.protocol import NAMESPACE, modelled_codes

START = datetime(2024, 3, 20, 0, 5, tzinfo=UTC)
SOURCE, TARGET = "us-west-2", "us-east-1"
ACCOUNT, OTHER_ACCOUNT = "111111111111", "222222222222"
ENGINE = "aurora-postgresql"
MASTER = {"Engine": ENGINE, "MasterUsername": "boss", "MasterUserPassword": "long-enough"}
"""What CreateDBCluster requires besides the identifier."""

Client = Any
Clients = Callable[..., Client]


class EmulatedAws:
    """An emulator on a frozen clock, with the actions that the tests share."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        emulator.clock.freeze(START)
        self._clients: dict[tuple[str, str, str], Client] = {}

    def client(self, service: str = "rds", region: str = SOURCE, account: str = ACCOUNT) -> Client:
        """A real boto3 client that makes one attempt per call."""
        key = (service, region, account)
        if key not in self._clients:
            self._clients[key] = self.new_client(service, region, account)
        return self._clients[key]

    def new_client(self, service: str, region: str, account: str, attempts: int = 1) -> Client:
        """A real boto3 client with its own number of attempts."""
        make: Any = boto3.client  # the stubs have an overload per literal name
        client = make(
            service,
            endpoint_url=self.emulator.endpoint_url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="-",
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, read_timeout=10),
        )
        client.meta.events.register("after-call.rds", check_conformance)
        return client

    def wait(self, seconds: float = 101) -> None:
        """Advance the clock; by default long enough for any one transition."""
        self.emulator.clock.freeze(self.emulator.clock.now() + timedelta(seconds=seconds))

    def create_cluster(self, name: str = "prod", region: str = SOURCE, **parameters: Any) -> dict[str, Any]:
        """Create a cluster without instances and wait until it is available."""
        self.client(region=region).create_db_cluster(DBClusterIdentifier=name, **(MASTER | parameters))
        self.wait()
        return self.describe_cluster(name, region)

    def describe_cluster(self, name: str = "prod", region: str = SOURCE) -> dict[str, Any]:
        """The cluster as it is now."""
        [cluster] = self.client(region=region).describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
        return dict(cluster)

    def control(self, path: str, **body: Any) -> Any:
        """POST to the control endpoint; returns its response."""
        request = urllib.request.Request(f"{self.emulator.endpoint_url}/_devstack/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def create_instance(self, name: str, cluster: str = "prod", region: str = SOURCE, **parameters: Any) -> None:
        """Create an instance and wait until it is available."""
        options = {"Engine": ENGINE, "DBInstanceClass": "db.r6g.large"} | parameters
        self.client(region=region).create_db_instance(DBInstanceIdentifier=name, DBClusterIdentifier=cluster, **options)
        self.wait()

    def create_snapshot(self, name: str = "nightly", cluster: str = "prod", **parameters: Any) -> dict[str, Any]:
        """Create a manual snapshot and wait until it is available."""
        rds = self.client()
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=cluster, **parameters)
        self.wait()
        [snapshot] = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"]
        return dict(snapshot)

    def copy_snapshot(
        self, source: str, target: str = "copy", region: str = TARGET, account: str = ACCOUNT, **parameters: Any
    ) -> dict[str, Any]:
        """Start a copy, by default in the target region."""
        response = self.client(region=region, account=account).copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=source, TargetDBClusterSnapshotIdentifier=target, **parameters
        )
        return dict(response["DBClusterSnapshot"])

    def create_key(self, region: str = TARGET, account: str = ACCOUNT) -> str:
        """Create a KMS key; returns its ARN."""
        return str(self.client("kms", region, account).create_key()["KeyMetadata"]["Arn"])


def snapshot_names(response: dict[str, Any]) -> list[str]:
    """The identifiers in a response of DescribeDBClusterSnapshots."""
    return [each["DBClusterSnapshotIdentifier"] for each in response["DBClusterSnapshots"]]


def check_conformance(http_response: Any, model: OperationModel, **_: Any) -> None:
    """Compare the raw XML of a response with botocore's model of the operation."""
    root = ET.fromstring(http_response.content)
    if http_response.status_code >= 400:
        code = root.findtext(f"{{{NAMESPACE}}}Error/{{{NAMESPACE}}}Code") or ""
        known = {**COMMON_CODES, **modelled_codes(model.name)}
        assert known.get(code) == http_response.status_code, f"{model.name} may not return {code}"
        return
    children = {_name(child): child for child in root}
    metadata = children.pop("ResponseMetadata")
    assert [_name(child) for child in metadata] == ["RequestId"]
    if model.output_shape is None:
        assert not children
        return
    wrapper = model.output_shape.serialization["resultWrapper"]
    assert list(children) == [wrapper]
    _check(children[wrapper], model.output_shape, model.name)


def _check(element: ET.Element, shape: Shape, path: str) -> None:
    if isinstance(shape, StructureShape):
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            assert _name(child) in names, f"{path} has no member {_name(child)}"
            _check(child, names[_name(child)], f"{path}.{_name(child)}")
    elif isinstance(shape, ListShape):
        for child in element:
            assert _name(child) == shape.member.serialization.get("name", "member"), path
            _check(child, shape.member, f"{path}[]")
    else:
        assert len(element) == 0, path
        SCALARS[shape.type_name](element.text or "")


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{NAMESPACE}}}")


SCALARS: dict[str, Callable[[str], object]] = {
    "string": str,
    "integer": int,
    "long": int,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "timestamp": datetime.fromisoformat,
}
