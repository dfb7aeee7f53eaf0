"""ping-monitor: a dead man's switch is pinged, and nothing that goes wrong with it fails a restore."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from activities.notifications.pings import PingActivities
from models.pings import Ping, PingInput
from tests.rigs.activities import ActivityRig
from tests.rigs.ping_server import PingServer, ping_server

UUID = "5f1b9d7e-secret"


@pytest.fixture
def server() -> Iterator[PingServer]:
    """The monitor."""
    with ping_server() as server:
        yield server


def ping(rig: ActivityRig, secret_id: str, what: Ping = Ping.SUCCESS) -> str | None:
    ping_input = PingInput(operation_id="op-001", secret_id=secret_id, owner=rig.target.location, ping=what)
    return rig.run(PingActivities(rig.aws).ping_monitor, ping_input).problem


def secret(rig: ActivityRig, url: str) -> str:
    return rig.make_secret("ping", json.dumps({"url": url}))


def test_the_three_pings(rig: ActivityRig, server: PingServer) -> None:
    """By healthchecks.io's convention."""
    secret_id = secret(rig, f"{server.url}/{UUID}/")
    assert [ping(rig, secret_id, what) for what in Ping] == [None, None, None]
    assert server.paths == [f"/{UUID}/start", f"/{UUID}", f"/{UUID}/fail"]


def test_a_busy_monitor_is_asked_again(rig: ActivityRig, server: PingServer) -> None:
    """Twice; a third refusal is reported."""
    secret_id = secret(rig, f"{server.url}/{UUID}")
    server.statuses = [503, 429]
    assert ping(rig, secret_id) is None
    server.statuses = [503, 503, 503]
    assert ping(rig, secret_id) == (
        f"the monitor of the secret {secret_id} answered with the status 503; expected 200. Check the URL in the secret"
    )
    assert len(server.paths) == 6


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (404, "answered with the status 404; expected 200"),
        (302, "answered with a redirection (302), which is not followed"),
    ],
)
def test_what_is_no_success_is_reported_without_the_url(
    rig: ActivityRig, server: PingServer, status: int, problem: str
) -> None:
    """A redirection is not followed: the URL would be known elsewhere."""
    server.statuses = [status]
    text = ping(rig, secret(rig, f"{server.url}/{UUID}")) or ""
    assert (problem in text, UUID in text, len(server.paths)) == (True, False, 1)


def test_a_monitor_that_does_not_answer(rig: ActivityRig, caplog: pytest.LogCaptureFixture) -> None:
    """The text says of which kind the failure is, because that of the library has the URL; the log has it neither."""
    caplog.set_level(logging.INFO)
    text = ping(rig, secret(rig, f"http://127.0.0.1:1/{UUID}")) or ""
    assert (
        text.endswith("did not answer (NewConnectionError). Check that the worker reaches it"),
        UUID in text + caplog.text,
    ) == (
        True,
        False,
    )


@pytest.mark.parametrize(
    "url",
    [
        f"http://hc-ping.com/{UUID}",
        f"ftp://127.0.0.1/{UUID}",
        f"https:///{UUID}",
        f"https://hc-ping.com/{UUID}?x=1",
        f"https://[hc-ping.com/{UUID}",
        f"https://hc-ping.com/{UUID} ",
        f"https://hc-ping.com/{UUID}" + "x" * 2_000,
        "",
    ],
)
def test_only_https_is_pinged(rig: ActivityRig, url: str) -> None:
    """Or http on this machine, for tests; the refusal does not quote the secret."""
    secret_id = secret(rig, url)
    assert ping(rig, secret_id) == (
        f'the secret {secret_id} is not JSON with an https URL under "url". Correct the secret'
    )


def test_a_secret_that_cannot_be_read(rig: ActivityRig) -> None:
    """It does not exist, or it is no JSON."""
    assert (ping(rig, "missing") or "").startswith("the secret missing cannot be read: ")
    assert "is not JSON" in (ping(rig, rig.make_secret("plain", f"https://hc-ping.com/{UUID}")) or "")
