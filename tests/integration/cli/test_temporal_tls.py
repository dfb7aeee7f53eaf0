"""Temporal Cloud, as far as this machine has it: TLS with an API key and with a client's certificate, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from clients.temporal import TemporalUnreachable, connect
from clients.temporal_problems import CHECK_CERTIFICATE, SET_CLIENT_CERTIFICATE, SET_TLS, TRANSPORT_PROBLEMS
from commands.diagnosis import Level, _diagnose_temporal
from devstack.aws.certificates import CertificateAuthority
from devstack.pipeline import start_worker
from devstack.processes import Scratch
from devstack.temporal_server import TemporalServer
from settings import TrailSettings
from tests.rigs import warm
from tests.rigs.cli import WORKER
from tests.rigs.temporal_gateway import Gateway, temporal_gateway

KEY = "a-key-of-temporal-cloud"
ADDRESS = "TEMPORAL_ADDRESS"
CA, CERTIFICATE, PRIVATE = (f"TEMPORAL_TLS_{part}_PATH" for part in ("SERVER_CA_CERT", "CLIENT_CERT", "CLIENT_KEY"))
FREE = {
    "AURORA_RESTORE_AUDIT_REGION": "eu-central-1",
    "AURORA_RESTORE_DATABASE_TLS": "disable",
    "AWS_REGION": "eu-central-1",
}
EXPIRED = timedelta(hours=-1)


class Cloud(NamedTuple):
    """Gateways by what they demand, and certificates in a folder."""

    gateways: Mapping[str, Gateway]
    files: Path

    def variables(self, gateway: str, **changed: str) -> dict[str, str]:
        """The variables of a client of a gateway; the value of a path is a file's name, an empty value takes it away."""
        trusting = {ADDRESS: self.gateways[gateway].address, CA: "ca.pem", "TEMPORAL_CONFIG_FILE": os.devnull}
        given = {name: value for name, value in (trusting | changed).items() if value}
        return {name: str(self.files / value) if name.endswith("_PATH") else value for name, value in given.items()}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    files = tmp_path_factory.mktemp("certificates")
    ours, other = CertificateAuthority(), CertificateAuthority()
    certificate, expired = ours.issue(["localhost"]), ours.issue(["localhost"], EXPIRED)
    clients = {
        "client": ours.issue(["worker"]),
        "expired": ours.issue(["worker"], EXPIRED),
        "other": other.issue(["worker"]),
    }
    for name, pem in {"ca": ours.bundle, "other-ca": other.bundle, "empty": ""}.items():
        (files / f"{name}.pem").write_text(pem)
    for name, pem in clients.items():
        start = pem.index("-----BEGIN PRIVATE KEY")
        (files / f"{name}.pem").write_text(pem[:start])
        (files / f"{name}.key").write_text(pem[start:])
    with ExitStack() as running:
        temporal = running.enter_context(TemporalServer(headless=True)).address
        yield Cloud(
            {
                "key": running.enter_context(temporal_gateway(temporal, certificate, api_key=KEY)),
                "mtls": running.enter_context(temporal_gateway(temporal, certificate, client_ca=ours.bundle)),
                "expired": running.enter_context(temporal_gateway(temporal, expired)),
                "plain": Gateway(int(temporal.rpartition(":")[2]), None),
            },
            files,
        )


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without this machine's own settings of Temporal."""
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def client_of(name: str) -> dict[str, str]:
    """The variables of a client's certificate and its key."""
    return {CERTIFICATE: f"{name}.pem", PRIVATE: f"{name}.key"}


WAYS = {
    "TLS with an API key": ("key", {"TEMPORAL_API_KEY": f"{KEY}\n"}),
    "TLS with a client certificate": ("mtls", client_of("client")),
}


@pytest.mark.parametrize("security", WAYS)
def test_a_worker_polls_and_is_healthy(cloud: Cloud, security: str) -> None:
    """A worker starts and polls, and `worker.py check` finds it."""
    gateway, credentials = WAYS[security]
    queue = {"AURORA_RESTORE_TASK_QUEUE": f"polled-through-{gateway}"}
    environment = {"PATH": os.environ["PATH"], **FREE, **queue, **cloud.variables(gateway, **credentials)}
    with Scratch("temporal-tls") as scratch:
        start_worker(scratch, environment, command=warm.command(WORKER))
        assert any(is_healthy(environment) for _ in range(10))  # its first poll may still be on the way


def is_healthy(environment: Mapping[str, str]) -> bool:
    """What `worker.py check` answers."""
    return subprocess.run(warm.command(WORKER, "check"), env=environment, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("security", WAYS)
async def test_doctor_says_how_the_connection_is_secured(
    cloud: Cloud, variables: pytest.MonkeyPatch, security: str
) -> None:
    """And neither key nor certificate."""
    gateway, credentials = WAYS[security]
    for name, value in (FREE | cloud.variables(gateway, **credentials)).items():
        variables.setenv(name, value)
    finding = (await _diagnose_temporal(TrailSettings(), []))[0]
    at = f"{cloud.gateways[gateway].address}, namespace default"
    assert finding == ("Temporal", Level.OK, f"{at}, {security}", None)


BY_KEY = {"TEMPORAL_API_KEY": KEY}
HERE = "Cannot reach Temporal at HOST, namespace default: "
NO_FILE = "FILES/missing.pem, which Temporal's configuration names: No such file or directory. Correct TEMPORAL_TLS_…_PATH, or"
REFUSED_CERTIFICATE = (
    f"{HERE}it closed the connection and does not accept the client's certificate. {CHECK_CERTIFICATE}"
)


def transport(fragment: str) -> str:
    """The sentence for an error of the transport."""
    problem = TRANSPORT_PROBLEMS[fragment]
    return f"{HERE}{problem.reason}. {problem.cure}"


PROBLEMS = {
    "another API key": (
        "key",
        {"TEMPORAL_API_KEY": "deleted"},
        f"{HERE}it refused the API key. Set TEMPORAL_API_KEY to a key that has not expired and may use namespace default.",
    ),
    "no API key": (
        "key",
        {},
        f"{HERE}it requires credentials. Set TEMPORAL_API_KEY. For mTLS: {SET_CLIENT_CERTIFICATE}",
    ),
    "an API key without TLS": (
        "key",
        {**BY_KEY, CA: "", ADDRESS: "temporal.example:7233", "TEMPORAL_TLS": "false"},
        "The API key would travel to temporal.example:7233 without TLS. Unset TEMPORAL_TLS, or set it to true.",
    ),
    "without TLS": ("mtls", {CA: ""}, f"{HERE}it closed the connection: it expects TLS, or is not Temporal. {SET_TLS}"),
    "TLS to a server without": ("plain", {}, f"{HERE}it does not speak TLS. {SET_TLS}"),
    "a CA that nobody knows": ("key", {**BY_KEY, CA: ""}, transport("InvalidCertificate")),
    "another CA": ("key", {**BY_KEY, CA: "other-ca.pem"}, transport("InvalidCertificate")),
    "a misspelt variable": (
        "key",
        {**BY_KEY, CA: "", "TEMPORAL_TLS_CA_CERT_PATH": "ca.pem"},
        f"{transport('InvalidCertificate')} Temporal's library does not read TEMPORAL_TLS_CA_CERT_PATH (did you mean {CA}?).",
    ),
    "another name": ("key", {**BY_KEY, ADDRESS: "127.0.0.1:PORT"}, transport("InvalidCertificate(NotValidForName")),
    "an expired certificate": ("expired", {}, transport("InvalidCertificate(Expired")),
    "no client certificate": (
        "mtls",
        {},
        f"{HERE}it closed the connection: it expects a client's certificate. {SET_CLIENT_CERTIFICATE}",
    ),
    "a client certificate of another CA": ("mtls", client_of("other"), REFUSED_CERTIFICATE),
    "an expired client certificate": ("mtls", client_of("expired"), REFUSED_CERTIFICATE),
    "another key": ("mtls", {**client_of("client"), PRIVATE: "other.key"}, transport("KeyMismatch")),
    "no private key in the file": (
        "mtls",
        {**client_of("client"), PRIVATE: "client.pem"},
        transport("PrivateKeyParseError"),
    ),
    "no private key": ("mtls", {CERTIFICATE: "client.pem"}, transport("both client cert and private key")),
    "a missing file": ("mtls", client_of("missing"), f"Cannot read {NO_FILE} the file's owner and mode."),
    "a missing configuration": (
        "key",
        {"TEMPORAL_CONFIG_FILE": "/nowhere/temporal.toml"},
        "There is no file /nowhere/temporal.toml. Set TEMPORAL_CONFIG_FILE to Temporal's configuration file.",
    ),
}


@pytest.mark.parametrize("problem", PROBLEMS)
async def test_what_is_wrong_is_one_line_with_its_cure(
    cloud: Cloud, variables: pytest.MonkeyPatch, problem: str
) -> None:
    """With the address and the variable to set, from real handshakes."""
    gateway, changed, sentence = PROBLEMS[problem]
    port = str(cloud.gateways[gateway].port)
    for name, value in cloud.variables(gateway, **changed).items():
        variables.setenv(name, value.replace("PORT", port))
    with pytest.raises(TemporalUnreachable) as unreachable:
        await connect()
    text = str(unreachable.value).replace(os.environ[ADDRESS], "HOST").replace(str(cloud.files), "FILES")
    assert text == sentence.replace("temporal.example:7233", "HOST")
    assert len(text.splitlines()) == 1
