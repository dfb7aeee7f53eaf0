"""What keeps a program from AWS or Temporal is a sentence with a cure, and never a traceback or an error of Rust's."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from audit.plugin import AuroraRestorePlugin
from clients.aws_problems import SETTINGS_ERRORS, describe_aws_problem
from clients.temporal import TemporalUnreachable, connect
from clients.temporal_problems import SET_ADDRESS, SET_TLS
from commands.exit_codes import MISTAKE, UNREACHABLE
from commands.failures import EXIT_CODES, describe, exit_code_for
from errors import TrailUnavailable

SET_CREDENTIALS = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
CHECK_NETWORK = "Check the network, the region and AWS_ENDPOINT_URL."
CHECK_KEY = "Check TEMPORAL_API_KEY, TEMPORAL_TLS_… or TEMPORAL_PROFILE."
NO_PROFILE = "AWS profile ops does not exist."
LOG_IN = "The AWS session has expired or does not exist. Log in again:\n    "
NO_MAPPING = "Namespace default has no mapping defined for search attribute X"


pytestmark = pytest.mark.usefixtures("isolated_environment")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            exceptions.ProfileNotFound(profile="ops"),
            f"{NO_PROFILE} Set AWS_PROFILE to one of those that this lists:\n    aws configure list-profiles",
        ),
        (
            exceptions.ConfigParseError(path="/config"),
            "Cannot read AWS's configuration file /config. Correct it, or set AWS_CONFIG_FILE.",
        ),
        (
            exceptions.ConfigNotFound(path="/config"),
            "Cannot read AWS's configuration file /config. Correct it, or set AWS_CONFIG_FILE.",
        ),
        (
            exceptions.InvalidConfigError(error_msg="No source."),
            "AWS's configuration is invalid: No source. Correct the file, or set AWS_PROFILE.",
        ),
        (exceptions.NoRegionError(), "No AWS region is set. Set AWS_REGION."),
        (
            exceptions.InvalidRegionError(region_name="a b"),
            "'a b' is not an AWS region; expected one such as eu-central-1.",
        ),
        (exceptions.NoCredentialsError(), f"No AWS credentials were found. {SET_CREDENTIALS}"),
        (
            exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            f"AWS credentials are incomplete: env has no AWS_SECRET_ACCESS_KEY. {SET_CREDENTIALS}",
        ),
        (
            exceptions.CredentialRetrievalError(provider="custom-process", error_msg=""),
            f"AWS credentials could not be retrieved from custom-process. {SET_CREDENTIALS}",
        ),
        (exceptions.UnauthorizedSSOTokenError(), f"{LOG_IN}aws sso login"),
        (exceptions.SSOTokenLoadError(error_msg="x"), f"{LOG_IN}aws sso login"),
        (exceptions.LoginError(), f"{LOG_IN}aws login"),
        (
            exceptions.EndpointConnectionError(endpoint_url="http://x"),
            f"Cannot reach AWS at http://x: no connection. {CHECK_NETWORK}",
        ),
        (
            exceptions.ConnectTimeoutError(endpoint_url="http://x"),
            f"Cannot reach AWS at http://x: no answer in time. {CHECK_NETWORK}",
        ),
        (
            exceptions.ReadTimeoutError(endpoint_url="http://x"),
            f"Cannot reach AWS at http://x: no answer in time. {CHECK_NETWORK}",
        ),
        (
            exceptions.ConnectionClosedError(endpoint_url="http://x"),
            f"Cannot reach AWS at http://x: the connection was closed. {CHECK_NETWORK}",
        ),
        (
            exceptions.SSLError(endpoint_url="https://x", error=OSError("bad")),
            f"Cannot reach AWS at https://x: the TLS connection failed, see AWS_CA_BUNDLE. {CHECK_NETWORK}",
        ),
        (
            exceptions.ProxyConnectionError(proxy_url="http://user:secret@x"),
            "Cannot reach AWS: the proxy does not answer. Check HTTPS_PROXY and NO_PROXY.",
        ),
        (
            exceptions.UnknownServiceError(service_name="x", known_service_names="y"),
            "AWS: Unknown service: 'x'. Valid service names are: y",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BotoCoreError) else "",
)
def test_an_error_of_botocore_is_a_sentence(error: BotoCoreError, sentence: str) -> None:
    """What is wrong and what to do; a wrong setting ends with exit code 2, everything else with 5."""
    assert describe(error) == describe_aws_problem(error) == sentence
    assert exit_code_for(error) == (MISTAKE if isinstance(error, SETTINGS_ERRORS) else UNREACHABLE)


def test_the_login_names_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command can be copied as it is."""
    monkeypatch.setenv("AWS_PROFILE", "ops")
    assert describe_aws_problem(exceptions.UnauthorizedSSOTokenError()).endswith("\n    aws sso login --profile ops")


def test_a_trail_that_cannot_be_reached_says_why() -> None:
    """The cause on this machine is the news, not that the trail is unavailable."""
    error = TrailUnavailable("Audit trail unavailable", "DynamoDB table x: …")
    error.__cause__ = exceptions.ProfileNotFound(profile="ops")
    assert describe(error).startswith("AWS profile ops does not exist.")
    assert exit_code_for(error) == MISTAKE


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredTokenException", "Credentials expired: Query answered ExpiredTokenException: as AWS says it."),
        ("UnrecognizedClientException", "Credentials not valid: Query answered UnrecognizedClientException: as AWS"),
        (
            "InvalidSignatureException",
            "Credentials not valid: Query answered InvalidSignatureException: as AWS says it.",
        ),
        ("AccessDeniedException", "Access denied: Query answered AccessDeniedException: as AWS says it."),
        ("UnheardOf", "Query refused: Query answered UnheardOf: as AWS says it."),
    ],
)
def test_a_refusal_of_aws_is_the_fault_tables_sentence(code: str, sentence: str) -> None:
    """The same words as in the trail and in the notification, with their cure."""
    error = ClientError({"Error": {"Code": code, "Message": "as AWS says it"}}, "Query")
    assert describe(error).startswith(sentence)
    assert exit_code_for(error) == UNREACHABLE


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            (RPCStatusCode.UNAVAILABLE, "tcp connect error"),
            "Temporal is unavailable: tcp connect error. Repeat the command.",
        ),
        (
            (RPCStatusCode.PERMISSION_DENIED, "Request unauthorized."),
            f"Temporal refused the credentials: Request unauthorized. {CHECK_KEY}",
        ),
        ((RPCStatusCode.UNAUTHENTICATED, "no key"), f"Temporal refused the credentials: no key. {CHECK_KEY}"),
        (
            (RPCStatusCode.NOT_FOUND, "Namespace x is not found."),
            "Temporal refused the request: Namespace x is not found. Check TEMPORAL_NAMESPACE.",
        ),
        (
            (RPCStatusCode.INVALID_ARGUMENT, NO_MAPPING),
            f"Temporal refused the request: {NO_MAPPING}. Register the search attributes first:\n    python starter.py setup",
        ),
        ((RPCStatusCode.INTERNAL, "oh"), "Temporal refused the request: oh."),
    ],
)
def test_a_refusal_of_temporal_is_a_sentence(error: tuple[RPCStatusCode, str], sentence: str) -> None:
    """Exit code 5, what Temporal says, and which variable or command helps."""
    status, message = error
    assert describe(RPCError(message, status, b"")) == sentence
    assert exit_code_for(RPCError(message, status, b"")) == UNREACHABLE


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(RuntimeError("something new"), "something new"), (TimeoutError(), "no answer within 10 s")],
)
async def test_no_connection_to_temporal_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, reason: str
) -> None:
    """The address, the namespace, the reason and the variables to set, also for an error that is not known here."""

    async def refuse(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(Client, "connect", refuse)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    with pytest.raises(TemporalUnreachable) as unreachable:
        await connect(AuroraRestorePlugin())
    assert str(unreachable.value) == (
        f"Cannot reach Temporal at temporal.example:7233, namespace default: {reason}. {SET_ADDRESS}"
    )


@pytest.fixture
def closing_port() -> Iterator[int]:
    """Something listens there, and it is not Temporal."""
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_every_connection() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    connection.recv(1000)
                    connection.close()
                except OSError:
                    return

        threading.Thread(target=close_every_connection, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "tls", "sentence"),
    [
        ("127.0.0.1:1", "false", "connection refused, nothing listens there. {SET_ADDRESS}"),
        ("no-such-host.invalid:7233", "false", "its host name cannot be resolved. {SET_ADDRESS}"),
        ("127.0.0.1:99999", "false", "its port is not a number from 1 to 65535. {SET_ADDRESS}"),
        ("127.0.0.1:PORT", "true", "it does not speak TLS. {SET_TLS}"),
        ("127.0.0.1:PORT", "false", "it closed the connection: it expects TLS, or is not Temporal. {SET_TLS}"),
    ],
)
async def test_the_sdk_still_words_it_so(
    monkeypatch: pytest.MonkeyPatch, closing_port: int, address: str, tls: str, sentence: str
) -> None:
    """The fragments are those of the SDK that is installed: these are real connections."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address.replace("PORT", str(closing_port)))
    monkeypatch.setenv("TEMPORAL_TLS", tls)
    with pytest.raises(TemporalUnreachable) as unreachable:
        await connect(AuroraRestorePlugin())
    assert str(unreachable.value).endswith(f": {sentence.format(SET_ADDRESS=SET_ADDRESS, SET_TLS=SET_TLS)}")


def test_the_errors_are_known_by_the_names_that_they_have() -> None:
    """A class that was renamed or moved would get a traceback instead of its exit code."""
    names = frozenset().union(*EXIT_CODES.values())
    for name in names:
        module, _, qualified = name.rpartition(".")
        error = getattr(importlib.import_module(module), qualified)
        assert f"{error.__module__}.{error.__qualname__}" == name
    assert {f"{error.__module__}.{error.__qualname__}" for error in SETTINGS_ERRORS} < EXIT_CODES[MISTAKE]
