"""Every member of every operation's input is modelled, without effect for a reason, or refused by name: never ignored.

botocore's shapes say which members there are, so that a newer botocore tells what AWS has added.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.serialize import create_serializer

from devstack.aws import Emulator, NoDatabases
from devstack.aws.rds import operations, protocol
from devstack.aws.rds.operations import MODELLED, OPERATIONS, WITHOUT_EFFECT
from devstack.aws.rds.state import Call
from tests.integration.emulator.rds_calls import REFUSED_BY_AWS, call_every_member
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, SOURCE, TARGET, EmulatedAws

SIGNED = f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20240320/{SOURCE}/rds/aws4_request, SignedHeaders=host, Signature=x"
SCALARS: dict[str, object] = {
    "boolean": True,
    "double": 1.0,
    "integer": 1,
    "long": 1,
    "string": "x",
    "timestamp": "2024-03-20T00:05:00Z",
}
EXAMPLES = files("awscli") / "examples" / "rds"
PLATFORM = "DBCluster.ServerlessV2PlatformVersion"
MEMBER = "DBCluster.DBClusterMembers"
PENDING = "PendingMaintenanceActions"
EXCUSED: dict[str, set[str]] = {
    # The emulator has no platforms of Serverless v2, and a new cluster has no members: the example shows a later state.
    "CreateDBCluster": {
        PLATFORM,
        *(
            f"{MEMBER}.{name}"
            for name in (
                "DBClusterParameterGroupStatus",
                "DBInstanceIdentifier",
                "IsClusterWriter",
                "PromotionTier",
            )
        ),
    },
    # The example is of RDS for MySQL, whose password is the instance's.
    "CreateDBInstance": {"DBInstance.PendingModifiedValues", "DBInstance.PendingModifiedValues.MasterUserPassword"},
    # The example has the output of `--query`.
    "DescribeDBClusters": {"DBClusterIdentifier", "Engine"},
    # The emulator has no maintenance.
    "DescribePendingMaintenanceActions": {
        f"{PENDING}.{name}"
        for name in (
            "PendingMaintenanceActionDetails",
            "PendingMaintenanceActionDetails.Action",
            "PendingMaintenanceActionDetails.Description",
            "ResourceIdentifier",
        )
    },
    # The example's global cluster has another member.
    "RemoveFromGlobalCluster": {
        f"GlobalCluster.GlobalClusterMembers.{name}"
        for name in (
            "DBClusterArn",
            "GlobalWriteForwardingStatus",
            "IsWriter",
            "Readers",
        )
    },
}
"""What AWS's examples have and the emulator's answers do not, with the reason."""
SERIALIZER: Any = create_serializer("query", include_validation=False)


class Walk(NamedTuple):
    """An emulator after calls that have every member, and the members of its answers by operation."""

    aws: EmulatedAws
    answers: dict[str, set[str]]


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    """One emulator for all operations."""
    answers: dict[str, set[str]] = {operation: set() for operation in OPERATIONS}

    def record(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
        answers[model.name] |= paths(parsed)

    with Emulator(NoDatabases(), durations=EMULATOR) as emulator:
        aws = EmulatedAws(emulator)
        for region in (SOURCE, TARGET):
            aws.client(region=region).meta.events.register("after-call.rds", record)
        call_every_member(aws)
        yield Walk(aws, answers)


def members(operation: str) -> dict[str, Shape]:
    shape = protocol.operation_model(operation).input_shape
    return dict(shape.members) if isinstance(shape, StructureShape) else {}


def example(shape: Shape) -> Any:
    """A value of a shape, with every member that it can have."""
    if isinstance(shape, StructureShape):
        return {name: example(member) for name, member in shape.members.items()}
    if isinstance(shape, MapShape):
        return {"x": "x"}
    return [example(shape.member)] if isinstance(shape, ListShape) else SCALARS[shape.type_name]


def refusal_of(aws: EmulatedAws, operation: str, parameters: dict[str, Any]) -> str:
    """The XML of the error that a call ends with."""
    body = SERIALIZER.serialize_to_request(parameters, protocol.operation_model(operation))["body"]
    request = urllib.request.Request(aws.emulator.endpoint_url, urlencode(body).encode(), {"Authorization": SIGNED})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    return refused.value.read().decode()


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_a_member_that_is_not_modelled_is_refused_by_name(walk: Walk, operation: str) -> None:
    """A call with a member that the operation does not model is refused over HTTP, and the error names the member."""
    shape = protocol.operation_model(operation).input_shape
    required = {name: example(members(operation)[name]) for name in getattr(shape, "required_members", [])}
    unknown = members(operation).keys() - MODELLED[operation] - WITHOUT_EFFECT.get(operation, {}).keys()
    for name in sorted(
        unknown - {"SourceRegion", "AdditionalEncryptionContext"}
    ):  # never sent; a map, which nothing parses
        error = refusal_of(walk.aws, operation, required | {name: example(members(operation)[name])})
        assert f"The emulator does not model {name} of {operation}." in error
        assert "<Code>InvalidParameterCombination</Code>" in error


def test_no_operation_reads_all_members_at_once() -> None:
    """Unpacked, every member would count as read, also one that the operation does nothing with."""
    sources = {path.name: path.read_text() for path in Path(operations.__file__).parent.glob("*.py")}
    unpacks = re.compile(
        r"\*\*\(?(?:call\.)?parameters\b|\bdict\((?:call\.)?parameters\)|parameters\.(?:items|values)\("
    )
    assert [name for name, source in sources.items() if unpacks.search(source)] == []


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_declares_only_members_that_its_input_has(operation: str) -> None:
    """What an operation models or accepts without effect is in botocore's shape, and nothing is in both sets."""
    without_effect = WITHOUT_EFFECT.get(operation, {})
    assert MODELLED[operation] | without_effect.keys() <= members(operation).keys()
    assert not MODELLED[operation] & without_effect.keys()
    assert all(reason.endswith(".") for reason in without_effect.values())


def test_every_modelled_member_is_read(walk: Walk) -> None:
    """Every declared member, also each nested one, is in a call that succeeds; one that nothing reads fails the call."""
    sent: dict[str, set[str]] = {}
    for call in walk.aws.emulator.calls:
        if call.service == "rds" and call.outcome == "OK":
            sent.setdefault(call.operation, set()).update(paths(call.parameters))
    assert sent.keys() == OPERATIONS.keys()
    expected = {
        operation: {
            path
            for name in MODELLED[operation] - REFUSED_BY_AWS.get(operation, {}).keys()
            for path in paths({name: example(members(operation)[name])})
        }
        for operation in OPERATIONS
    }
    missing = {operation: expected[operation] - sent[operation] for operation in OPERATIONS}
    assert {operation: sorted(paths) for operation, paths in missing.items() if paths} == {}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_answer_has_every_member_of_awss_own_example(walk: Walk, operation: str) -> None:
    """The AWS CLI documents its commands with answers of AWS: what they have of Aurora, the emulator's answers have."""
    document = EXAMPLES / f"{xform_name(operation, '-')}.rst"
    text = document.read_text() if document.is_file() else ""
    for example in map(_json, re.findall(r"Output::\n\n((?: {4}.*\n|\n)+)", text)):
        if operation == "CreateDBShardGroup" and example.keys() & {"DBCluster", "DBInstance"}:
            continue  # its page begins with the commands that make the cluster and the instance
        assert paths(example) - walk.answers[operation] - EXCUSED.get(operation, set()) == set()


def _json(text: str) -> Any:
    """An example; nothing if it is not whole, as some are."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


@pytest.mark.parametrize(
    ("operation", "member"), [(operation, name) for operation in REFUSED_BY_AWS for name in REFUSED_BY_AWS[operation]]
)
def test_a_member_that_aws_refuses_is_refused_in_its_words(aws: EmulatedAws, operation: str, member: str) -> None:
    """What belongs to the cluster is refused for an instance: the operation models the member by its refusal."""
    assert member in MODELLED[operation]
    aws.create_cluster()
    aws.create_instance("one")
    instance = {"DBInstanceIdentifier": "one" if operation == "DeleteDBInstance" else "two"}
    if operation == "CreateDBInstance":
        instance |= {"DBClusterIdentifier": "prod", "DBInstanceClass": "db.r6g.large", "Engine": ENGINE}
    error = refusal_of(aws, operation, instance | {member: REFUSED_BY_AWS[operation][member]})
    assert "<Code>InvalidParameterCombination</Code>" in error
    assert "The emulator does not model" not in error


def paths(parameters: Any, prefix: str = "") -> set[str]:
    """The names of the members in a structure, nested ones by their path."""
    if isinstance(parameters, list):
        return {path for each in parameters for path in paths(each, prefix)}
    if not isinstance(parameters, dict):
        return set()
    return {f"{prefix}{name}" for name in parameters} | {
        path for name, value in parameters.items() for path in paths(value, f"{prefix}{name}.")
    }


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("DescribeDBClusters", "Marker", "b25l"),
        ("CreateDBSubnetGroup", "Tags", [{"Key": "team", "Value": "orders"}]),
    ],
)
def test_a_declared_member_that_nothing_reads_is_a_defect(
    aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, name: str, member: str, value: Any
) -> None:
    """A successful call with a member whose value, or whose nested value, nothing has read is an internal failure."""

    def ignore(call: Call) -> dict[str, Any]:
        for tag in call.parameters.get("Tags", []):
            assert tag["Key"]
        return {}

    monkeypatch.setitem(OPERATIONS, name, ignore)
    required = {"DBSubnetGroupName": "x", "DBSubnetGroupDescription": "x", "SubnetIds": ["x"]}
    error = refusal_of(aws, name, {member: value} | (required if name == "CreateDBSubnetGroup" else {}))
    assert "<Code>InternalFailure</Code>" in error
    aws.emulator.calls.clear()


@pytest.mark.parametrize("form", ["Colour=blue", "Filters.Filter.2.Name=engine", "MaxRecords.1=20"])
def test_a_parameter_that_the_model_does_not_have_is_refused(aws: EmulatedAws, form: str) -> None:
    """A parameter of another API version, and a list with a gap, are refused by name."""
    request = urllib.request.Request(
        aws.emulator.endpoint_url,
        f"Action=DescribeDBClusters&Version=2014-10-31&{form}".encode(),
        {"Authorization": SIGNED},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert f"Unknown parameter {form.partition('=')[0]}:" in refused.value.read().decode()


def test_a_refused_member_changes_nothing(aws: EmulatedAws) -> None:
    """Of a call with one member too many, nothing takes effect."""
    aws.create_cluster()
    with pytest.raises(ClientError, match="The emulator does not model AllocatedStorage, OptionGroupName of Modify"):
        aws.client().modify_db_cluster(
            DBClusterIdentifier="prod", DeletionProtection=True, OptionGroupName="x", AllocatedStorage=1
        )
    assert not aws.describe_cluster()["DeletionProtection"]
