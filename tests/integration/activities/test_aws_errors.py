"""The fault table has only faults that AWS can answer, and identifies each by its wire code."""

from __future__ import annotations

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
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from temporalio.exceptions import ApplicationError, ServerError, TimeoutError  # noqa: A004 - Temporal's

from activities.rds import statuses
from activities.rds.aws_errors import pipeline_error_for, rule_for
from activities.rds.fault_table import ANY, ENDS_A_STEP, TABLE, Action, FaultRule
from activities.rds.statuses import Meaning, cluster_meaning, instance_meaning, snapshot_meaning
from clients.aws import WrongEndpoint
from errors import AwsUnavailable, Refused, ResourceBusy, StepFailed, fault_of

SERVICES = ("rds", "application-autoscaling", "sns", "secretsmanager", "kms", "ec2")

KINDS_OF_SOME_REGIONS = ("BlueGreenDeployments", "DBProxies", "DBShardGroups", "Integrations")

UNMODELLED = {
    # EC2's model lists no errors at all. Source: EC2 API Reference, "Error codes".
    ("DescribeSecurityGroups", "InvalidGroup.NotFound"),
    ("DescribeSecurityGroups", "InvalidGroupId.Malformed"),
    # RDS answers these to any operation that has such a parameter. Source: RDS API Reference, "Common Errors".
    ("DeleteDBCluster", "InvalidParameterCombination"),
    *((f"Describe{kind}", "InvalidAction") for kind in KINDS_OF_SOME_REGIONS),
    # A cluster snapshot's own code; the model lists only that of instance snapshots.
    ("AddTagsToResource", "DBClusterSnapshotNotFoundFault"),
}

RETRIED_BY_BOTOCORE: frozenset[str] = frozenset(
    (
        *vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"],
        *vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"],
    )
)
COMMON = {
    *RETRIED_BY_BOTOCORE,
    "AccessDenied",
    "AccessDeniedException",
    "ClientUnavailable",
    "ConcurrentUpdateException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "InternalServiceException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "NotAuthorized",
    "RequestExpired",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}
"""Codes that any service may answer to any operation, and that no model lists for RDS."""
NOT_RETRIED = {
    "LimitExceededException": "KMS and Secrets Manager mean a quota that is used up",
    "ProvisionedThroughputExceededException": "DynamoDB's own",
    "TransactionInProgressException": "DynamoDB's own",
}
"""What botocore retries and the table does not."""


@cache
def codes_in_model(operation: str) -> frozenset[str] | None:
    """The wire codes that botocore's model lists for this operation; None if no service has the operation."""
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        if operation in model.operation_names:
            shapes = model.operation_model(operation).error_shapes
            return frozenset(shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes)
    return None


def client_error(operation: str, code: str, message: str = "", status: int = 400) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RequestId": "r-1", "HostId": "", "HTTPHeaders": {}, "RetryAttempts": 0}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: f"{rule.operation}-{rule.code}")
def test_each_rule_has_an_operation_and_a_code_of_botocores_model(rule: FaultRule) -> None:
    """Or a known code that no model lists."""
    if rule.operation == ANY:
        assert rule.code in COMMON
        return
    codes = codes_in_model(rule.operation)
    assert codes is not None, f"there is no operation {rule.operation}"
    assert rule.code in codes or (rule.operation, rule.code) in UNMODELLED


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: f"{rule.operation}-{rule.code}")
def test_a_rule_that_ends_a_step_has_an_advice(rule: FaultRule) -> None:
    """The error has the rule's short text, and prints the advice after AWS's own message."""
    assert rule.advice or rule.action not in ENDS_A_STEP
    if rule.action in ENDS_A_STEP:
        error = pipeline_error_for(client_error(rule.operation, rule.code, rule.fragment))
        assert (error.fault.short, error.non_retryable) == (rule.short, True)
    if rule.advice:
        error = pipeline_error_for(client_error(rule.operation, rule.code, f"AWS says: {rule.fragment}."))
        assert error.fault.message.endswith(f". {rule.advice}")


def test_what_botocore_retries_is_retried() -> None:
    """A code that the next botocore adds to its lists fails here."""
    for code in RETRIED_BY_BOTOCORE - NOT_RETRIED.keys():
        assert rule_for(client_error("DescribeDBClusters", code)).action is Action.RETRY, code


def test_no_rule_is_hidden_by_an_earlier_one() -> None:
    """Each rule is the first one that matches its own fault."""
    for rule in TABLE:
        assert rule_for(client_error(rule.operation, rule.code, f"… {rule.fragment} …")) is rule


@pytest.mark.parametrize(
    ("operation", "code", "message", "action"),
    [
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot copy more than 5 snapshots across regions", "wait"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot copy more than 20 snapshots across regions", "wait"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot copy more than 5 snapshots to regions", "wait"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot create more than 100 manual snapshots", "prune"),
        ("CopyDBClusterSnapshot", "SnapshotQuotaExceeded", "Cannot create more than 500 manual snapshots", "prune"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "it still contains DB instances", "wait"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "DbCluster staging is in modifying state", "wait"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "not available with status modifying", "wait"),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "a reason that AWS has added", "refuse"),
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
def test_the_message_decides_between_meanings_of_one_code(operation: str, code: str, message: str, action: str) -> None:
    """SnapshotQuotaExceeded, for example, is a queue or a quota that is used up."""
    assert rule_for(client_error(operation, code, message)).action is Action(action)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_unknown_fault_with_a_server_status_is_retried(status: int) -> None:
    """HTTP 5xx and 429 say that AWS is at fault."""
    error = pipeline_error_for(client_error("DescribeDBClusters", "NeverHeardOf", status=status))
    assert isinstance(error, AwsUnavailable)
    assert not error.non_retryable


@pytest.mark.parametrize(
    ("operation", "code", "message", "kind"),
    [
        ("DeleteDBCluster", "InvalidParameterCombination", "protected", Refused),
        ("DeleteDBCluster", "InvalidDBClusterStateFault", "is in modifying state", ResourceBusy),
        ("CopyDBClusterSnapshot", "KMSKeyNotAccessibleFault", "", StepFailed),
        ("Publish", "AuthorizationError", "", StepFailed),
    ],
)
def test_a_fault_becomes_a_pipeline_error(operation: str, code: str, message: str, kind: type[Exception]) -> None:
    """With its code, AWS's message, and the request id for a support case."""
    error = pipeline_error_for(client_error(operation, code, message))
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
def test_an_aws_that_cannot_be_reached_is_transient(error: Exception) -> None:
    """No response at all is an outage, not a refusal."""
    assert isinstance(pipeline_error_for(error), AwsUnavailable)  # type: ignore[arg-type]  # each is a BotoCoreError


def test_an_error_with_more_text_keeps_everything_else() -> None:
    """Class, code, request id and whether it is retried."""
    error = AwsUnavailable("Throttled", "Slow down.", code="Throttling", request_id="r-1")
    longer = error.with_more("And this.")
    assert longer.fault == error.fault.model_copy(update={"message": "Slow down. And this."})
    assert (type(longer), longer.non_retryable) == (AwsUnavailable, False)


def test_an_error_that_was_too_long_for_temporal_is_found_in_the_causes() -> None:
    """Temporal keeps 4 KiB of a retried failure; of a longer one it keeps type and message, as a cause of its own error."""
    stored = ApplicationError("AWS unavailable: Throttled.", type="AwsUnavailable")
    server_error, timeout = (
        ServerError("Failure exceeds size limit."),
        TimeoutError("-", type=None, last_heartbeat_details=[]),
    )
    server_error.__cause__, timeout.__cause__ = stored, server_error
    fault = fault_of(timeout)
    assert (fault.type, fault.message) == ("AwsUnavailable", "AWS unavailable: Throttled.")


def test_a_request_that_botocore_refuses_is_reported_without_values() -> None:
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


def test_each_status_has_one_meaning() -> None:
    """No status is both waited for and terminal, and only available and storage-optimization are ready."""
    assert not statuses.CLUSTER_WAIT & statuses.CLUSTER_TERMINAL
    assert not statuses.INSTANCE_WAIT & statuses.INSTANCE_TERMINAL
    assert not statuses.SNAPSHOT_WAIT & statuses.SNAPSHOT_TERMINAL
    for meaning in (cluster_meaning, instance_meaning, snapshot_meaning):
        assert meaning("available") is Meaning.READY
    assert cluster_meaning("storage-optimization") is instance_meaning("storage-optimization") is Meaning.READY
    assert cluster_meaning("backtracking") is instance_meaning("delete-precheck") is Meaning.WAIT
    assert snapshot_meaning("AVAILABLE") is Meaning.UNKNOWN
    assert instance_meaning("configuring-enhanced-monitoring") is Meaning.WAIT
