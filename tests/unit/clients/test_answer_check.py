"""Each rule by which an answer of AWS is distinguished from any other, in a real client whose answers are made here."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.session import Session

from activities.rds.aws_errors import pipeline_error_for
from clients import answer_check
from clients.answer_check import NotAwsAnswer, refuse_foreign_answers
from clients.aws_problems import describe_aws_problem
from errors import AwsUnavailable

Call = Callable[[Any], Any]
Answer = tuple[int, dict[str, str], bytes]

MODELS = create_loader()
"""botocore's models, which are read from disk once for all clients."""
ATTEMPTS = 3
PAGE = b"<html><head><title>Sign in</title></head><body><p>Sign in</p></body></html>"
METADATA = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
CLUSTERS = (
    '<DescribeDBClustersResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/">'
    f"<DescribeDBClustersResult><DBClusters/></DescribeDBClustersResult>{METADATA}</DescribeDBClustersResponse>"
)
GROUPS = (
    "<DescribeSecurityGroupsResponse><requestId>r-1</requestId><securityGroupInfo/></DescribeSecurityGroupsResponse>"
)
JSON_HEADERS = {"x-amzn-RequestId": "r-1", "Content-Type": "application/x-amz-json-1.1"}
ROW = b'{"Item": {"operation_id": {"S": "op-001"}}}'


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here is about the wait between two attempts."""
    monkeypatch.setattr(answer_check, "FIRST_DELAY_SECONDS", 0)


def describe_clusters(clients: Clients) -> Any:
    return clients("rds").describe_db_clusters()


def describe_groups(clients: Clients) -> Any:
    return clients("ec2").describe_security_groups()


def remove_tags(clients: Clients) -> Any:
    return clients("rds").remove_tags_from_resource(ResourceName="arn", TagKeys=["a"])


def put_row(clients: Clients) -> Any:
    return clients("dynamodb").put_item(TableName="t", Item={"a": {"S": "b"}})


def get_row(clients: Clients) -> Any:
    return clients("dynamodb").get_item(TableName="t", Key={"a": {"S": "b"}})


def describe_key(clients: Clients) -> Any:
    return clients("kms").describe_key(KeyId="k")


def enable_key(clients: Clients) -> Any:
    return clients("kms").enable_key(KeyId="k")


class Clients:
    """Clients that all get the same answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.sent = 0
        self._answer = (status, headers, body)
        self._session = Session()
        self._session.register_component("data_loader", MODELS)
        self._session.set_credentials("a", "b")
        refuse_foreign_answers(self._session)

    def __call__(self, service: str) -> Any:
        config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS})
        client = self._session.create_client(service, region_name="eu-west-1", config=config)
        respond: Any = self._respond  # botocore's stubs do not know that a handler may answer
        client.meta.events.register("before-send", respond)
        return client

    def _respond(self, request: Any, **_: Any) -> Any:
        self.sent += 1
        status, headers, body = self._answer
        fields: Any = HeadersDict(headers)
        response: Any = AWSResponse(request.url, status, fields, None)
        response._content = body
        return response


def xml(text: str) -> Answer:
    return 200, {}, text.encode()


def json_answer(body: bytes, **headers: str) -> Answer:
    return 200, JSON_HEADERS | headers, body


def with_checksum(body: bytes, checksum_of: bytes) -> Answer:
    return 200, JSON_HEADERS | {"x-amz-crc32": str(zlib.crc32(checksum_of))}, body


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (describe_clusters, xml(CLUSTERS)),
        (describe_groups, xml(GROUPS)),
        (remove_tags, xml(f"<RemoveTagsFromResourceResponse>{METADATA}</RemoveTagsFromResourceResponse>")),
        (put_row, json_answer(b"{}")),
        (get_row, with_checksum(ROW, ROW)),
        (describe_key, json_answer(b'{"KeyMetadata": {"KeyId": "k"}}')),
        (enable_key, json_answer(b"")),
        (enable_key, json_answer(b"null")),
    ],
)
def test_an_answer_of_aws_is_believed(call: Call, answer: Answer) -> None:
    """Also one of an operation without output, and one without a checksum."""
    clients = Clients(*answer)
    assert call(clients)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert clients.sent == 1


def test_a_checksum_of_a_compressed_body_is_not_compared() -> None:
    """A proxy may compress what AWS sent plain. botocore repeats such a call for its checksum, then believes it."""
    headers = with_checksum(ROW, b"compressed")[1] | {"Content-Encoding": "gzip"}
    assert get_row(Clients(200, headers, ROW))["Item"] == {"operation_id": {"S": "op-001"}}


WRONG: list[tuple[Call, Answer, str]] = [
    (describe_clusters, (200, {}, PAGE), "the root element html, expected DescribeDBClustersResponse in XML"),
    (describe_clusters, (200, {}, b"<!DOCTYPE html><br>" + PAGE), "an HTML page of 94 bytes, expected"),
    (describe_clusters, (200, {}, b""), "an empty body, expected DescribeDBClustersResponse in XML"),
    (describe_clusters, (200, {}, b'{"clusters": []}'), "a body of 16 bytes, expected"),
    (describe_clusters, xml(CLUSTERS[:-1]), "a body of"),
    (describe_clusters, xml(CLUSTERS.replace("DescribeDBClustersR", "DescribeDBInstancesR")), "the root element Desc"),
    (describe_clusters, xml(CLUSTERS.replace(METADATA, "")), "no request id, expected AWS's request id"),
    (describe_clusters, xml(CLUSTERS.replace("r-1", "")), "no request id, expected AWS's request id"),
    (describe_clusters, xml(f"<DescribeDBClustersResponse>{METADATA}</DescribeDBClustersResponse>"), "no element Descr"),
    (describe_clusters, xml(f"<{'x' * 999}/>"), f"the root element {'x' * 60}, expected"),
    (describe_clusters, xml(CLUSTERS.replace("<DBClusters/>", "<DBClusters><DBCluster><Port>x</Port></DBCluster></DBClusters>")),
     "values that the model does not have"),
    (describe_groups, xml(GROUPS.replace("requestId", "id")), "no request id, expected AWS's request id"),
    (put_row, (200, {"Content-Type": "text/html"}, PAGE), "an HTML page of 75 bytes and no request id, expected"),
    (put_row, (200, {}, b'{"status": "ok"}'), "a body of 16 bytes and no request id, expected"),
    (put_row, json_answer(PAGE), "an HTML page of 75 bytes, expected a JSON object"),
    (put_row, json_answer(b""), "an empty body, expected a JSON object"),
    (put_row, json_answer(b"[]"), "a body of 2 bytes, expected a JSON object"),
    (put_row, json_answer(b"null"), "a body of 4 bytes, expected a JSON object"),
    (get_row, json_answer(ROW[:-1]), "a body of 42 bytes, expected a JSON object"),
    (get_row, with_checksum(b"{}", ROW), "a body of 2 bytes that does not have the checksum of x-amz-crc32"),
    (describe_key, json_answer(b'{"KeyMetadata": 1}'), "values that the model does not have"),
    (describe_clusters, (502, {}, b"<!DOCTYPE html><br>" + PAGE), "an HTML page of 94 bytes, expected an error of AWS"),
    (describe_clusters, (403, {}, PAGE), "an HTML page of 75 bytes, expected an error of AWS"),
    (put_row, (403, {}, PAGE), "an HTML page of 75 bytes, expected an error of AWS"),
    (put_row, (302, {"Location": "/"}, b""), "an empty body, expected an error of AWS"),
    (put_row, (400, {}, b"[]"), "a body of 2 bytes, expected an error of AWS"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "answer", "text"), WRONG)
def test_an_answer_that_is_not_aws_s_is_refused(call: Call, answer: Answer, text: str) -> None:
    """After as many attempts as the client makes when a connection breaks; the message quotes nothing of the body."""
    clients = Clients(*answer)
    with pytest.raises(NotAwsAnswer) as refused:
        call(clients)
    assert f"got HTTP {answer[0]} with {text}" in str(refused.value)
    assert "Sign in" not in str(refused.value)
    assert len(str(refused.value)) < 500
    assert clients.sent == ATTEMPTS


@pytest.mark.parametrize(
    ("call", "answer", "code"),
    [
        (put_row, (400, JSON_HEADERS, b'{"__type": "x#ResourceNotFoundException"}'), "ResourceNotFoundException"),
        (put_row, (413, JSON_HEADERS, b""), "413"),
        (put_row, (502, {}, b"<html><b>Bad gateway</b></html>"), "502"),
        (describe_clusters, (404, {}, b"<ErrorResponse><Error><Code>DBClusterNotFoundFault</Code></Error></ErrorResponse>"),
         "DBClusterNotFoundFault"),
        (describe_groups, (400, {}, b"<Response><Errors><Error><Code>InvalidGroup.NotFound</Code></Error></Errors></Response>"),
         "InvalidGroup.NotFound"),
    ],
)  # fmt: skip
def test_an_error_of_aws_stays_what_it_is(call: Call, answer: Answer, code: str) -> None:
    """Also a server error without a body, which the fault table reads by its status."""
    with pytest.raises(ClientError) as error:
        call(Clients(*answer))
    assert error.value.response["Error"]["Code"] == code


def test_it_is_a_transient_fault_with_a_cure() -> None:
    """For an activity and for an operator at the terminal."""
    with pytest.raises(NotAwsAnswer) as refused:
        put_row(Clients(200, {}, PAGE))
    error = pipeline_error_for(refused.value)
    assert (type(error), error.fault.short, error.non_retryable) == (AwsUnavailable, "Answer is not from AWS", False)
    assert error.fault.message.endswith("Check the proxy and the network.")
    assert describe_aws_problem(refused.value) == f"Cannot reach AWS: {error.fault.message}"


def test_each_client_of_a_session_is_checked_once() -> None:
    """Two users of one session do not double its attempts."""
    clients = Clients(200, {}, PAGE)
    refuse_foreign_answers(clients._session)
    with pytest.raises(NotAwsAnswer):
        put_row(clients)
    assert clients.sent == ATTEMPTS
