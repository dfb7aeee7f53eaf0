"""AWS's own variables, wrong or missing: every verb prints a sentence, and none a traceback."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from botocore.exceptions import NoCredentialsError

from clients.aws import AwsClients, WrongEndpoint
from devstack.pipeline import own_environment
from devstack.stack import Stack
from models.source import Location
from tests.rigs import warm
from tests.rigs.cli import WORKER, CommandResult

Operator = Callable[..., CommandResult]
ROLE = "arn:aws:iam::111122223333:role/aurora-restore"
WITH_A_ROLE = Location(account_id="111122223333", region="eu-central-1", role_arn=ROLE)
VERBS = (["setup"], ["audit"], ["audit", "verify"], ["list"])
"""Those that call AWS themselves, and end with the codes of every verb."""


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("address", ["127.0.0.1:4566", "http://127.0.0.1:45x6"], ids=["no-scheme", "no-port"])
def test_an_invalid_endpoint_is_a_mistake_in_the_settings(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, verb: list[str], address: str
) -> None:
    """Exit code 2, and the variable's name; botocore raises a bare ValueError, at once or at the first call."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    result = operator(*verb)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-2] == "The settings are wrong:"
    assert result.err.splitlines()[-1].startswith("AWS_ENDPOINT_URL: ")
    assert result.err.endswith("expected an address with its scheme, such as http://127.0.0.1:4566\n")


@pytest.mark.parametrize("service", ["RDS", "STS"])
@pytest.mark.usefixtures("operator")
def test_the_variable_of_a_single_service_is_named(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """It goes before the general one, as in botocore; so does that of STS, which only a role needs."""
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "localhost:4566")
    with pytest.raises(WrongEndpoint, match=f"^AWS_ENDPOINT_URL_{service}: Invalid endpoint: localhost:4566; "):
        AwsClients().rds(WITH_A_ROLE, "op-001").describe_db_clusters()


def test_a_worker_does_not_start_with_an_invalid_endpoint(set_up: Stack) -> None:
    """Exit code 2 and the sentence, as for every wrong setting."""
    variables = own_environment(set_up.environment) | {"AWS_ENDPOINT_URL": "127.0.0.1:4566"}
    done = subprocess.run(warm.command(WORKER), env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "The settings are wrong:\nAWS_ENDPOINT_URL: Invalid endpoint: 127.0.0.1:4566; " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_endpoint_in_the_configuration_file_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No variable is named that is not set."""
    (tmp_path / "config").write_text("[default]\nendpoint_url = localhost:4566\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(WrongEndpoint, match="^endpoint_url in AWS's configuration file: Invalid endpoint"):
        AwsClients().dynamodb("eu-central-1")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_reports_missing_credentials(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    """The same sentence and exit code 5, with a role to assume and without, and not as a problem of the trail."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    result = operator(*verb)
    assert result.code == 5
    assert result.err.splitlines()[-1] == (
        "No AWS credentials were found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


class SignInPage(BaseHTTPRequestHandler):
    """A proxy that answers every call with its own page."""

    def do_POST(self) -> None:
        """As a captive portal does: status 200, and well-formed XML."""
        self.rfile.read(int(self.headers["Content-Length"]))
        page = b"<html><head><title>Sign in</title></head></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Print nothing among the command's results."""


@pytest.fixture
def proxy(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS's endpoint is a proxy's page, for the operator too."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SignInPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.usefixtures("proxy")
def test_every_verb_reports_that_a_proxy_answers(operator: Operator, verb: list[str]) -> None:
    """One sentence that names the call and the cure, and exit code 5; nothing is believed, and there is no traceback."""
    result = operator(*verb)
    assert (result.code, result.out) == (5, "")
    sentence = result.err.splitlines()[-1]
    assert re.match(r"Cannot reach AWS: \w+ got HTTP 200 with .*, expected ", sentence)
    assert sentence.endswith("Check the proxy and the network.")
    assert "Sign in" not in result.err


def test_credentials_are_found_once_they_exist(set_up: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose credentials were missing for a moment assumes its roles afterwards."""
    for name, value in set_up.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    aws = AwsClients()
    with pytest.raises(NoCredentialsError):
        aws.rds(WITH_A_ROLE, "op-001")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", set_up.environment["AWS_ACCESS_KEY_ID"])
    assert aws.rds(WITH_A_ROLE, "op-001").describe_db_clusters()["DBClusters"]
