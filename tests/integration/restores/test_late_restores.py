"""A restore that comes too late, or while another one runs: it changes nothing, and it is reported."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from models.snapshots import STARTED_BY_FACT
from models.steps import Outcome, Step
from models.workflow_names import DUE_AT_MEMO, STARTED_BY_MEMO
from tests.rigs.ping_server import PingServer, ping_server
from tests.rigs.requests import every_wait, request, wait
from tests.rigs.restores import ERROR_NOTIFICATION_SENT, RestoreRig
from tests.rigs.resumed_restores import wait_for_failure
from workflows.due_time import SCHEDULED_START_TIME

CHANGING = ("Delete", "Restore", "Create", "Copy", "Modify", "Add")


def changes(rig: RestoreRig) -> list[str]:
    calls = rig.demo.emulator.calls
    return [call.operation for call in calls if call.service == "rds" and call.operation.startswith(CHANGING)]


@contextmanager
def pinged_monitor(rig: RestoreRig, *statuses: int) -> Iterator[tuple[PingServer, dict[str, str]]]:
    """A dead man's switch that answers with these statuses first, and the part of a request that names its secret."""
    with ping_server() as server:
        server.statuses = list(statuses)
        secret_id = f"ping-{server.url.rpartition(':')[2]}"
        rig.demo.client("secretsmanager").create_secret(Name=secret_id, SecretString=json.dumps({"url": server.url}))
        yield server, {"ping_secret_id": secret_id}


async def test_a_late_restore_is_skipped(rig: RestoreRig) -> None:
    """Two hours after its time: the target stays, the trail has one step, and the message says why."""
    due = rig.demo.emulator.clock.now() - timedelta(hours=2)
    with pinged_monitor(rig) as (server, notification):
        handle = await rig.start(request(users=[], notification=notification), memo={DUE_AT_MEMO: due.isoformat()})
        error = await wait_for_failure(handle)
    assert server.paths == ["/start", "/fail"]
    assert isinstance(error, ApplicationError)
    assert error.type == "Skipped"
    assert (await rig.state(handle)).outcome is Outcome.SKIPPED
    assert changes(rig) == []
    assert rig.trail() == [(Step.SNAPSHOT_CHECK, "FAILED", "Skipped: too late"), ERROR_NOTIFICATION_SENT]
    [message] = rig.demo.receive_notifications()
    assert message["Subject"] == "op-001 skipped at snapshot-check: restore of orders-staging"
    assert "was skipped" in message["Message"]


async def test_a_late_restore_within_the_request_s_time_begins(rig: RestoreRig) -> None:
    """With a longer `start_before`; the trail has who started it, in one line of at most 200 characters."""
    due = rig.demo.emulator.clock.now() - timedelta(hours=2)
    with pinged_monitor(rig, 404) as (server, notification):
        late = request(users=[], start_before="PT3H", notification=notification)
        allowed = await rig.start(
            late, memo={DUE_AT_MEMO: due.isoformat(), STARTED_BY_MEMO: f"ada@laptop\n{'x' * 999}"}
        )
        state = await allowed.result()
    assert (state.outcome, server.paths) == ("succeeded", ["/start", "/"])
    [said] = [row.facts[STARTED_BY_FACT] for row in rig.table.list_rows("op-001") if STARTED_BY_FACT in row.facts]
    assert (said.startswith("ada@laptop xxx"), len(said)) == (True, 200)
    [warning] = [warning for warning in state.warnings if "monitor" in warning]
    assert warning.startswith("The monitor was not pinged at the start: the monitor of the secret ping-")
    assert warning.endswith(" answered with the status 404; expected 200. Check the URL in the secret.")


async def test_a_scheduled_restore_beside_another_one_is_skipped(rig: RestoreRig) -> None:
    """Under a number of its own, while the other goes on; one that a person starts is refused at once, without a number.

    A memo of somebody else's making strands no restore.
    """
    memo = {DUE_AT_MEMO: "soon", STARTED_BY_MEMO: ["ada"]}
    first = await rig.start(request(users=[], waits=every_wait(wait("PT2H", "PT10M"))), memo=memo)
    while Step.SNAPSHOT_CHECK not in rig.hooks.ended:  # noqa: ASYNC110 - it watches another thread
        await asyncio.sleep(0.02)
    now = rig.demo.emulator.clock.now()
    scheduled = TypedSearchAttributes([SearchAttributePair(SCHEDULED_START_TIME, now)])
    second = await rig.start(request(users=[]), workflow_id="nightly", search_attributes=scheduled)
    error = await wait_for_failure(second)
    assert isinstance(error, ApplicationError)
    assert error.type == "Skipped"
    skipped = (Step.SNAPSHOT_CHECK, "FAILED", "Skipped: another restore is running")
    assert rig.trail("op-002") == [skipped, ERROR_NOTIFICATION_SENT]
    assert (await first.result()).outcome == "succeeded"
