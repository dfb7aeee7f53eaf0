"""Injected faults as a real client sees them."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.parsers import ResponseParserError

from devstack.aws.fault_injection import FOREIGN_ANSWERS, FaultInjector, ForeignAnswer, Kind
from tests.rigs.emulated_aws import ACCOUNT, MASTER, SOURCE, TARGET, EmulatedAws


def test_an_error_fault_fires_as_often_as_its_count(aws: EmulatedAws) -> None:
    """An error fault raises the operation's own exception, has no effect, and ends after its count."""
    rds = aws.client()
    aws.emulator.faults.add(
        "rds", "CreateDBCluster", "error", code="DBClusterQuotaExceededFault", message="no more", count=2
    )
    for _ in range(2):
        with pytest.raises(rds.exceptions.DBClusterQuotaExceededFault, match="no more") as fault:
            rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
        assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert rds.describe_db_clusters()["DBClusters"] == []
    rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)


def test_a_fault_skips_calls_and_applies_to_its_region_only(aws: EmulatedAws) -> None:
    """`skip` calls pass first, and a call to another region never fires the fault."""
    aws.emulator.faults.add("rds", "DescribeDBClusters", "error", code="DBClusterNotFoundFault", region=TARGET, skip=1)
    aws.client().describe_db_clusters()
    here = aws.client(region=TARGET)
    here.describe_db_clusters()
    with pytest.raises(here.exceptions.DBClusterNotFoundFault):
        here.describe_db_clusters()
    here.describe_db_clusters()


def test_a_fault_uses_the_protocol_of_its_service(aws: EmulatedAws) -> None:
    """DynamoDB, Secrets Manager, KMS, SNS and STS clients each raise their own exception classes."""
    faults = aws.emulator.faults
    faults.add("dynamodb", "PutItem", "error", code="ConditionalCheckFailedException")
    faults.add("secretsmanager", "GetSecretValue", "error", code="ResourceNotFoundException")
    faults.add("kms", "DescribeKey", "error", code="NotFoundException")
    faults.add("sns", "Publish", "error", code="NotFound")
    faults.add("sts", "GetCallerIdentity", "throttle")
    dynamodb, secrets, kms = aws.client("dynamodb"), aws.client("secretsmanager"), aws.client("kms")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(TableName="t", Item={"k": {"S": "v"}})
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="s")
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId="k")
    with pytest.raises(aws.client("sns").exceptions.NotFoundException) as missing:
        aws.client("sns").publish(TopicArn="arn:aws:sns:us-west-2:111111111111:t", Message="m")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError, match=r"Throttling.*Rate exceeded"):
        aws.client("sts").get_caller_identity()


def test_the_sdk_retries_throttling_and_internal_failures(aws: EmulatedAws) -> None:
    """A call succeeds by the SDK's own retries after throttling, HTTP 500 and a reset connection."""
    rds = aws.new_client("rds", SOURCE, ACCOUNT, attempts=4)
    for kind in ("throttle", "http500", "reset-before"):
        aws.emulator.faults.add("rds", "DescribeDBClusters", kind)
    assert rds.describe_db_clusters()["ResponseMetadata"]["RetryAttempts"] == 3
    outcomes = [call.outcome for call in aws.emulator.calls]
    assert outcomes == ["Throttling", "InternalFailure", "reset-before", "OK"]


def test_a_call_with_reset_before_has_no_effect(aws: EmulatedAws) -> None:
    """After reset-before nothing is created."""
    aws.emulator.faults.add("rds", "CreateDBCluster", "reset-before")
    with pytest.raises(ConnectionClosedError):
        aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    assert aws.client().describe_db_clusters()["DBClusters"] == []


def test_a_call_with_reset_after_has_its_effect(aws: EmulatedAws) -> None:
    """After reset-after the call has taken effect, and the client's retry collides with that effect."""
    aws.emulator.faults.add("rds", "CreateDBCluster", "reset-after")
    rds = aws.new_client("rds", SOURCE, ACCOUNT, attempts=2)
    with pytest.raises(rds.exceptions.DBClusterAlreadyExistsFault):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    assert len(rds.describe_db_clusters()["DBClusters"]) == 1


def test_a_reset_fault_sends_rst(aws: EmulatedAws) -> None:
    """The connection ends with RST, not with an orderly end of stream."""
    aws.emulator.faults.add("rds", "DescribeDBClusters", "reset-before")
    scope = f"{ACCOUNT}/20240320/{SOURCE}/rds/aws4_request"
    head = f"Host: aws\r\nAuthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=-"
    port = int(aws.emulator.endpoint_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET /?Action=DescribeDBClusters HTTP/1.1\r\n{head}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_call_with_late_response_takes_effect_at_once(aws: EmulatedAws) -> None:
    """The effect and the journal's entry come at once, the response later."""
    aws.emulator.faults.add("rds", "CreateDBCluster", "late-response", seconds=0.5)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        response = thread.submit(aws.client().create_db_cluster, DBClusterIdentifier="prod", **MASTER)
        while not aws.emulator.calls.of("CreateDBCluster"):
            time.sleep(0.01)
        assert aws.client().describe_db_clusters()["DBClusters"]
        assert time.monotonic() - began < 0.5
        assert response.result()["DBCluster"]["DBClusterIdentifier"] == "prod"
    assert time.monotonic() - began >= 0.5
    assert [call.carried_out for call in aws.emulator.calls.of("CreateDBCluster")] == [True]


def test_a_call_with_no_response_has_no_effect(aws: EmulatedAws) -> None:
    """The client waits until the connection is reset, and nothing is created."""
    aws.emulator.faults.add("rds", "CreateDBCluster", "no-response", seconds=0.3)
    began = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    assert time.monotonic() - began >= 0.3
    assert aws.client().describe_db_clusters()["DBClusters"] == []


@pytest.mark.parametrize("kind", FOREIGN_ANSWERS)
def test_a_foreign_answer_takes_the_place_of_the_services(aws: EmulatedAws, kind: ForeignAnswer) -> None:
    """With status 200 and a Content-Length that is right for its own body; -after has its effect, -before has none."""
    aws.emulator.faults.add("rds", "CreateDBCluster", kind)
    rds = aws.new_client("rds", SOURCE, ACCOUNT)
    raw: list[Any] = []
    rds.meta.events.register("before-parse", lambda response_dict, **_: raw.append(response_dict))
    # botocore alone believes the page, or fails with a parser's error that is no BotoCoreError.
    with suppress(ResponseParserError, KeyError):
        rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    [answer] = raw
    assert (answer["status_code"], int(answer["headers"]["Content-Length"])) == (200, len(answer["body"]))
    page, is_empty = b"Sign in" in answer["body"], answer["body"] == b""
    assert (page, is_empty) == (kind.startswith("html"), kind.startswith("empty"))
    assert ("x-amzn-requestid" in answer["headers"]) != page
    exists = bool(aws.client().describe_db_clusters()["DBClusters"])
    assert exists == kind.endswith("-after")
    [call] = aws.emulator.calls.of("CreateDBCluster")
    assert (call.outcome, call.carried_out) == (kind, exists)


def test_an_answer_that_is_cut_short_is_half_of_the_services(aws: EmulatedAws) -> None:
    """In the service's own protocol, moto's services included."""
    client = aws.new_client("dynamodb", SOURCE, ACCOUNT)
    raw: list[Any] = []
    client.meta.events.register("before-parse", lambda response_dict, **_: raw.append(response_dict["body"]))
    client.list_tables()
    aws.emulator.faults.add("dynamodb", "ListTables", "truncated-body-after")
    client.list_tables()
    whole, half = raw
    assert half == whole[: len(whole) // 2] != b""


def test_a_share_of_the_calls_fails_by_chance() -> None:
    """In the same way for the same seed."""
    injector = FaultInjector()
    injector.add("*", "*", "html-page-before", count=None, share=0.2)

    def fired(seed: int) -> list[bool]:
        injector.seed(seed)
        return [bool(injector.fire("rds", "DescribeDBClusters", SOURCE)) for _ in range(200)]

    assert fired(1) == fired(1) != fired(2)
    assert 20 <= sum(fired(1)) <= 60


def test_a_fault_of_every_service_has_a_form_that_every_service_has() -> None:
    """An error, throttling and an internal failure are each service's own."""
    injector = FaultInjector()
    kinds: tuple[Kind, ...] = ("error", "throttle", "http500")
    for kind in kinds:
        with pytest.raises(ValueError, match="needs a service"):
            injector.add("*", "*", kind, code="X")


def test_the_journal_records_which_calls_took_effect(aws: EmulatedAws) -> None:
    """A lost response may have been an error: the journal records that such a call had no effect."""
    for _ in range(2):
        aws.emulator.faults.add("rds", "CreateDBCluster", "reset-after")
        with pytest.raises(ConnectionClosedError):
            aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    aws.emulator.faults.add("rds", "CreateDBCluster", "throttle")
    with pytest.raises(ClientError):
        aws.client().create_db_cluster(DBClusterIdentifier="other", **MASTER)
    assert [(call.outcome, call.carried_out) for call in aws.emulator.calls.of("CreateDBCluster")] == [
        ("reset-after", True), ("reset-after", False), ("Throttling", False),
    ]  # fmt: skip


def test_latency_delays_a_call_that_succeeds(aws: EmulatedAws) -> None:
    """A latency fault delays a call by real seconds, and the call succeeds."""
    rds = aws.client()
    rds.describe_db_clusters()
    aws.emulator.faults.add("rds", "*", "latency", seconds=0.3)
    began = time.monotonic()
    rds.describe_db_clusters()
    assert 0.3 <= time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("service", "operation", "kind", "code", "message"),
    [
        ("rds", "DescribeDBClusters", "explode", "", "kinds are"),
        ("rds", "DescribeDBClusters", "error", "", "needs a code"),
        ("rds", "DescribeDBClusters", "error", "DBClusterNotFound", "does not list it"),
        ("rds", "MakeCoffee", "error", "DBClusterNotFoundFault", "no operation MakeCoffee"),
    ],
)
def test_a_fault_that_aws_cannot_return_is_refused(
    aws: EmulatedAws, service: str, operation: str, kind: Any, code: str, message: str
) -> None:
    """A fault must be of a known kind, and its code one that the service model lists for the operation."""
    with pytest.raises(ValueError, match=message):
        aws.emulator.faults.add(service, operation, kind, code=code)
