"""The emulator's control endpoint, how it starts and stops, and its clock."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from devstack.aws import Clock, Emulator, NoDatabases
from devstack.aws.http_server import Server
from tests.rigs.emulated_aws import ACCOUNT, MASTER, SOURCE, EmulatedAws


def control(aws: EmulatedAws, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{aws.emulator.endpoint_url}/_devstack/{path}",
        None if body is None else json.dumps(body).encode(),
        method=method,
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


# The control endpoint


def test_the_control_endpoint_adds_lists_and_clears_faults(aws: EmulatedAws) -> None:
    """Faults are added over HTTP, listed with their number of firings, and cleared."""
    control(aws, "POST", "faults", {"service": "rds", "operation": "DescribeDBClusters", "kind": "throttle"})
    with pytest.raises(ClientError, match="Throttling"):
        aws.client().describe_db_clusters()
    [fault] = control(aws, "GET", "faults")
    assert (fault["kind"], fault["fired"], fault["count"]) == ("throttle", 1, 1)
    control(aws, "DELETE", "faults")
    assert control(aws, "GET", "faults") == []
    with pytest.raises(urllib.error.HTTPError) as refused:
        control(aws, "POST", "faults", {"service": "rds", "operation": "DescribeDBClusters", "kind": "explode"})
    assert "explode" in json.load(refused.value)["error"]


def test_the_control_endpoint_sets_the_clock(aws: EmulatedAws) -> None:
    """The clock is read, set and frozen over HTTP, and the transitions that are due take place."""
    assert control(aws, "GET", "health") == {"status": "ok"}
    aws.client().create_db_cluster(DBClusterIdentifier="prod", **MASTER)
    control(aws, "POST", "clock", {"now": "2024-03-21T00:00:00+00:00", "frozen": True})
    assert control(aws, "GET", "clock") == {"now": "2024-03-21T00:00:00+00:00", "frozen": True}
    assert aws.describe_cluster()["Status"] == "available"
    with pytest.raises(urllib.error.HTTPError):
        control(aws, "POST", "clock", {"now": "2024-03-21T00:00:00"})


def test_the_journal_records_every_call_without_secrets(aws: EmulatedAws) -> None:
    """Each call is recorded with caller, parameters and outcome; passwords and secrets are not."""
    aws.create_cluster()
    aws.client("secretsmanager").create_secret(Name="s", SecretString="hidden-value")
    with pytest.raises(ClientError):
        aws.describe_cluster("none")
    calls = control(aws, "GET", "calls")
    assert [(call["service"], call["operation"], call["outcome"]) for call in calls] == [
        ("rds", "CreateDBCluster", "OK"),
        ("rds", "DescribeDBClusters", "OK"),
        ("secretsmanager", "CreateSecret", "OK"),
        ("rds", "DescribeDBClusters", "DBClusterNotFoundFault"),
    ]
    assert (calls[0]["account"], calls[0]["region"]) == (ACCOUNT, SOURCE)
    assert calls[0]["parameters"]["DBClusterIdentifier"] == "prod"
    assert "long-enough" not in json.dumps(calls)
    assert "hidden-value" not in json.dumps(calls)
    assert len(aws.emulator.calls.of("CreateDBCluster")) == 1
    control(aws, "DELETE", "calls")
    assert control(aws, "GET", "calls") == []


def test_the_control_endpoint_forces_a_status(aws: EmulatedAws) -> None:
    """A cluster is put into any status and stays in it."""
    arn = aws.create_cluster()["DBClusterArn"]
    control(aws, "POST", "rds/snapshot-status", {"arn": arn, "status": "incompatible-restore"})
    aws.wait()
    assert aws.describe_cluster()["Status"] == "incompatible-restore"


def test_the_control_endpoint_makes_a_cluster_unreachable(aws: EmulatedAws) -> None:
    """Connections to an unreachable cluster open and hang until the cluster is reachable again."""
    before = aws.create_cluster()
    control(aws, "POST", "rds/unreachable", {"arn": before["DBClusterArn"], "unreachable": True})
    now = aws.describe_cluster()
    with socket.create_connection(("127.0.0.1", now["Port"]), timeout=0.2) as connection:
        connection.sendall(b"hello")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        control(aws, "POST", "rds/unreachable", {"arn": before["DBClusterArn"], "unreachable": False})
        connection.settimeout(10)
        # This cluster has no server, so the connection that hung is reset.
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert aws.describe_cluster()["Port"] == before["Port"]


# Start and stop


def test_a_stopped_emulator_serves_no_open_connection() -> None:
    """After `stop` a client gets no response, not even on an open connection."""
    with Emulator(NoDatabases()) as emulator:
        rds = EmulatedAws(emulator).client()
        rds.describe_db_clusters()
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        rds.describe_db_clusters()


def test_a_connection_serves_many_requests(aws: EmulatedAws) -> None:
    """As AWS's endpoints do (RFC 9112, 9.3), unless the client wants it closed."""
    host, _, port = aws.emulator.endpoint_url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port))
    for headers in ({}, {}, {"Connection": "close"}):
        connection.request("GET", "/_devstack/faults", headers=headers)
        opened = connection.sock
        assert json.load(connection.getresponse()) == []
        assert connection.sock is (None if headers else opened)


def test_a_client_that_is_gone_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that stops leaves its long poll: the response to it cannot be sent."""
    reached, gone = threading.Event(), threading.Event()

    def application(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        reached.set()
        gone.wait(5)
        return [b"late"]

    server = Server(0, application)
    server.serve_in_background()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: emulator\r\n\r\n")
        assert reached.wait(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.set()
    server.shutdown()
    server.server_close()
    assert not capsys.readouterr().err


def test_starting_on_a_taken_port_raises_an_oserror(aws: EmulatedAws) -> None:
    """A port that is in use raises OSError and does not end the process."""
    port = int(aws.emulator.endpoint_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Emulator(NoDatabases(), port=port).start()


# The clock


def test_a_clock_continues_from_where_it_is_set() -> None:
    """`set` jumps and continues, `freeze` jumps and stops, and a time without a zone is refused."""
    clock, instant = Clock(), datetime(2030, 1, 1, tzinfo=UTC)
    clock.freeze(instant)
    assert clock.now() == clock.now() == instant
    clock.set(instant)
    assert instant <= clock.now() < clock.now()
    with pytest.raises(ValueError, match="no time zone"):
        clock.set(datetime(2030, 1, 1))  # noqa: DTZ001 - the test needs a time without a zone
