"""The fault table says nothing that AWS could not answer, and each answer is understood by its wire code."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from temporalio.exceptions import ApplicationError, ServerError, TimeoutError  # noqa: A004 - Temporal's

from activities.rds.aws_errors import ANY, ENDS_A_STEP, TABLE, Action, FaultRule, pipeline_error_for, rule_for
from activities.rds.statuses import Meaning, cluster_meaning, instance_meaning, snapshot_meaning
from clients.aws import WrongEndpoint
from errors import AwsUnavailable, Refused, ResourceBusy, StepFailed, fault_of

SERVICES = ("rds", "sns", "secretsmanager", "kms", "ec2")

UNMODELLED = {
    # EC2's model lists no errors at all. Source: EC2 API Reference, "Error codes".
    ("DescribeSecurityGroups", "InvalidGroup.NotFound"),
    ("DescribeSecurityGroups", "InvalidGroupId.Malformed"),
    # RDS answers these to any operation that has such a parameter. Source: RDS API Reference, "Common Errors".
    ("DeleteDBCluster", "InvalidParameterCombination"),
    # A cluster snapshot's own code; the model lists only that of instance snapshots.
    ("AddTagsToResource", "DBClusterSnapshotNotFoundFault"),
}

COMMON = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "UnrecognizedClientException",
}
"""Codes that any service may answer to any operation, and that no model lists for RDS."""


@cache
def modelled(operation: str) -> frozenset[str] | None:
    """The wire codes that the service with this operation lists for it; None if there is no such operation."""
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        if operation in model.operation_names:
            shapes = model.operation_model(operation).error_shapes
            return frozenset(shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes)
    return None


def answer(operation: str, code: str, message: str = "", status: int = 400) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RequestId": "r-1", "HostId": "", "HTTPHeaders": {}, "RetryAttempts": 0}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: f"{rule.operation}-{rule.code}")
def test_a_rule_is_about_something_that_aws_answers(rule: FaultRule) -> None:
    """Each row's code is one that botocore's model lists for its operation, or a known unmodelled one."""
    if rule.operation == ANY:
        assert rule.code in COMMON
        return
    codes = modelled(rule.operation)
    assert codes is not None, f"there is no operation {rule.operation}"
    assert rule.code in codes or (rule.operation, rule.code) in UNMODELLED


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: f"{rule.operation}-{rule.code}")
def test_a_rule_that_ends_a_step_says_what_to_do(rule: FaultRule) -> None:
    """A rule that fails or refuses has one cure, printed after AWS's own message."""
    assert rule.advice or rule.action not in ENDS_A_STEP
    if rule.advice:
        error = pipeline_error_for(answer(rule.operation, rule.code, f"AWS says: {rule.fragment}."))
        assert error.fault.message.endswith(f". {rule.advice}")


def test_every_rule_can_be_reached() -> None:
    """No row stands behind one that takes all of its answers."""
    for rule in TABLE:
        assert rule_for(answer(rule.operation, rule.code, f"… {rule.fragment} …")) is rule


@pytest.mark.parametrize(
    ("operation", "code", "message", "action"),
    [
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot copy more than 5 snapshots across regions", "wait"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot copy more than 5 snapshots to regions", "wait"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots", "prune"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot create more than 500 manual snapshots", "prune"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "it still contains DB instances", "wait"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "This cluster is a part of a Global Cluster", "refuse"),
        ("DeleteDBCluster", "InvalidParameterCombination", "Cannot delete protected Cluster", "refuse"),
        ("DeleteDBCluster", "InvalidParameterCombination", "something else", "fail"),
        (
            "DeleteDBInstance",
            "InvalidDBClusterStateFault",
            "Cannot delete the last instance of the master cluster",
            "refuse",
        ),
        ("DeleteDBInstance", "InvalidDBInstanceState", "", "wait"),
        ("DescribeDBClusters", "Throttling", "Rate exceeded", "retry"),
        ("Publish", "KMSThrottling", "Rate exceeded", "retry"),
        ("DescribeDBClusters", "SomethingNew", "", "fail"),
    ],
)
def test_one_code_may_mean_several_things(operation: str, code: str, message: str, action: str) -> None:
    """The message decides where the code does not."""
    assert rule_for(answer(operation, code, message)).action is Action(action)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_unknown_fault_of_aws_itself_is_retried(status: int) -> None:
    """HTTP says that AWS is at fault."""
    error = pipeline_error_for(answer("DescribeDBClusters", "NeverHeardOf", status=status))
    assert isinstance(error, AwsUnavailable)
    assert not error.non_retryable


@pytest.mark.parametrize(
    ("operation", "code", "message", "kind"),
    [
        ("DeleteDBCluster", "InvalidParameterCombination", "protected", Refused),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "busy", ResourceBusy),
        ("CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault", "", StepFailed),
        ("Publish", "AuthorizationError", "", StepFailed),
    ],
)
def test_an_answer_becomes_an_error_of_ours(operation: str, code: str, message: str, kind: type[Exception]) -> None:
    """With the code, the request id for the support case, and RDS's own words."""
    error = pipeline_error_for(answer(operation, code, message))
    assert type(error) is kind
    assert (error.fault.code, error.fault.request_id) == (code, "r-1")
    assert message in error.fault.message


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://x"),
        ConnectTimeoutError(endpoint_url="http://x"),
        NoCredentialsError(),
        WrongEndpoint(variable="AWS_ENDPOINT_URL", reason="Invalid endpoint: x"),
    ],
)
def test_an_aws_that_cannot_be_reached_is_waited_for(error: Exception) -> None:
    """No answer at all is weather."""
    assert isinstance(pipeline_error_for(error), AwsUnavailable)  # type: ignore[arg-type]  # each is a BotoCoreError


def test_an_error_that_says_more_is_the_same_otherwise() -> None:
    """Class, code, request id and whether it is tried again."""
    error = AwsUnavailable("Throttled", "Slow down.", code="Throttling", request_id="r-1")
    more = error.with_more("And this.")
    assert more.fault == error.fault.model_copy(update={"message": "Slow down. And this."})
    assert (type(more), more.non_retryable) == (AwsUnavailable, False)


def test_an_error_that_was_too_long_for_temporal_is_found_behind_the_servers() -> None:
    """What is tried again is kept up to 4 KiB; of a longer one the server keeps the type and the message, as a cause."""
    kept = ApplicationError("AWS unavailable: Throttled.", type="AwsUnavailable")
    kept_by, ended = ServerError("Failure exceeds size limit."), TimeoutError("-", type=None, last_heartbeat_details=[])
    kept_by.__cause__, ended.__cause__ = kept, kept_by
    told = fault_of(ended)
    assert (told.type, told.message) == ("AwsUnavailable", "AWS unavailable: Throttled.")


def test_a_request_that_botocore_refuses_quotes_no_value() -> None:
    """Botocore's report quotes the value, which can be a password."""
    client: Any = botocore.session.get_session().create_client(
        "rds", region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-"
    )
    with pytest.raises(ParamValidationError, match="31337") as refused:
        client.modify_db_cluster(DBClusterIdentifier="x", MasterUserPassword=31337)
    error = pipeline_error_for(refused.value)
    assert isinstance(error, StepFailed)
    assert "MasterUserPassword" in error.fault.message
    assert "31337" not in str(error)


def test_a_status_means_one_thing() -> None:
    """No status is waited for and terminal at once, and none but available is ready."""
    for meaning, (status, kind) in itertools.product(
        (cluster_meaning, instance_meaning), (("available", Meaning.READY),)
    ):
        assert meaning(status) is kind
    assert snapshot_meaning("available") is Meaning.READY
    assert snapshot_meaning("AVAILABLE") is Meaning.UNKNOWN
    assert instance_meaning("configuring-enhanced-monitoring") is Meaning.WAIT
