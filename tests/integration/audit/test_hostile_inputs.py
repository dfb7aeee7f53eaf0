"""A hundred hostile inputs, as `temporal workflow start --input` sends them: none keeps a workflow running."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from audit.plugin import AuroraRestorePlugin
from devstack.temporal_server import TemporalServer
from limits import MAX_MESSAGE, MAX_REQUEST_BYTES, MAX_REQUEST_VALUES
from models.workflow_names import CLEANUP_WORKFLOW, RESTORE_WORKFLOW
from tests.integration.audit.test_bad_input import GOOD, PLANTED, FailedWorkflow, wait_for_failure
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

TEMPORAL_LIMIT = 2 * 1024 * 1024 - 10_000
"""Temporal refuses a payload of 2 MiB; the rest is for the start request's other fields."""
BELOW_OUR_BYTES, BELOW_OUR_VALUES = MAX_REQUEST_BYTES - 20_000, MAX_REQUEST_VALUES // 3
"""Room for the fields of the request besides the hostile one; an item is at most three values."""
GOOD_TEXT = json.dumps(GOOD)
JSON, NO_ENCODING = "json/plain", ""

WRONG_VALUES = {
    "null": "null",
    "true": "true",
    "number": "17",
    "float": "1e400",
    "not a number": "NaN",
    "infinity": "-Infinity",
    "a long number": "9" * 100_000,
    "NUL": json.dumps(f"{PLANTED}\x00"),
    "a half surrogate": r'"\ud800"',
    "text of 100 KB": json.dumps(PLANTED + "x" * 100_000),
    "list": json.dumps([PLANTED]),
    "10,000 lists": json.dumps([[]] * 10_000),
    "deep lists": "[" * 5_000 + "]" * 5_000,
    "deep objects": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "object": '{"unknown": 1}',
}
"""JSON texts that no field of a request accepts."""
FIELDS = ("source", "target.cluster", "target.instances")


def _with(path: str, value: str) -> str:
    """The good request with a JSON text as the value of a field."""
    changed = json.loads(GOOD_TEXT)
    *sections, name = path.split(".")
    section = changed
    for each in sections:
        section = section[each]
    section[name] = "@value@"
    return json.dumps(changed).replace('"@value@"', value)


def _large_texts(size: int, most_items: int) -> dict[str, str]:
    """Texts of about one size, or with that many items if this is smaller."""

    def _filled(beginning: str, item: str, end: str) -> str:
        return beginning + ",".join([item] * min(most_items, (size - len(beginning)) // (len(item) + 1))) + end

    keys = "{" + ",".join(f'"{number:x}":1' for number in range(min(most_items, size // 11))) + "}"
    user = json.dumps({"name": "app", "secret_id": "staging/app"})
    wrong_user = '{"name":1,"x":2}'
    users = GOOD_TEXT[:-1] + ', "users": ['
    return {
        "one key": json.dumps({"x" * size: 1}),
        "one text": json.dumps("x" * size),
        "keys": keys,
        "users": _filled(users, user, "]}"),
        "wrong users": _filled(users, wrong_user, "]}"),
        "wrong grants": _filled(users + '{"name": "a", "authentication": "iam", "grants": [', "1", "]}]}"),
        "wrong instances": _with("target.instances", _filled("[", '{"a":1}', "]")),
        "tags": _with("target.tags", keys),
        "expected rows": _filled(GOOD_TEXT[:-1] + ', "checks": [{"expected": [', "[{}]", "]}]}"),
        "expected values": _filled(GOOD_TEXT[:-1] + ', "checks": [{"expected": [[', "{}", "]]}]}"),
        "numbers": _filled("[", "1", "]"),
        "empty objects": _filled("[", "{}", "]"),
        "depth": "[" * (size // 2) + "]" * (size // 2),
        "digits": "9" * size,
        "spaces": " " * size + "{}",
        "escapes": json.dumps("\x01" * (size // 6)),
        "NUL bytes": "\x00" * size,
    }


def _twice(name: str, value: Any) -> str:
    return GOOD_TEXT[:-1] + f', "{name}": {json.dumps(value)}}}'


def hostile_inputs() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A name, and the payloads of one start: encoding and text of each."""
    for path in FIELDS:
        for name, value in WRONG_VALUES.items():
            if (path, name) != ("target.instances", "null"):
                yield f"{path}: {name}", [(JSON, _with(path, value))]
    for size, items in (
        (BELOW_OUR_BYTES, BELOW_OUR_VALUES),
        (BELOW_OUR_BYTES, sys.maxsize),
        (TEMPORAL_LIMIT, sys.maxsize),
    ):
        for name, text in _large_texts(size, items).items():
            yield f"{size:,} bytes, {items:,} items: {name}", [(JSON, text[:TEMPORAL_LIMIT])]
    yield "a target given twice", [(JSON, _twice("target", {**GOOD["target"], "cluster": "production"}))]
    yield "a cluster given twice", [(JSON, GOOD_TEXT.replace('"cluster":', '"cluster": "production", "cluster":', 1))]
    yield "cut", [(JSON, GOOD_TEXT[:-1])]
    yield "nothing", [(JSON, "")]
    yield "not UTF-8", [(JSON, "\udcff\udcfe")]
    yield "an encoding of 100 KB", [("x" * 100_000, "{}")]
    yield "an encoding that is not UTF-8", [("\udcff", "{}")]
    yield "two inputs, one unreadable", [(JSON, GOOD_TEXT), (JSON, PLANTED)]
    yield "two inputs of unknown encodings", [(PLANTED, "1"), (NO_ENCODING, "2")]
    yield "10,000 inputs", [(JSON, "1")] * 10_000
    yield "10,000 unreadable inputs", [(PLANTED, "1")] * 10_000


def _payload(encoding: str, text: str) -> RawValue:
    metadata = {"encoding": encoding.encode(errors="surrogateescape")} if encoding else {}
    return RawValue(Payload(metadata=metadata, data=text.encode(errors="surrogateescape")))


async def _start_all(
    temporal: TemporalServer, inputs: Mapping[str, list[tuple[str, str]]]
) -> dict[str, FailedWorkflow]:
    client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
    queue = uuid.uuid4().hex
    async with Worker(
        client,
        task_queue=queue,
        workflows=[AuroraRestoreWorkflow, AuroraCleanupWorkflow],
        max_cached_workflows=0,
        max_concurrent_workflow_tasks=1,  # the SDK's limit of 2 s is for a task that shares the process with no other
    ):

        async def start(name: str, workflow_type: str) -> FailedWorkflow:
            args = [_payload(*each) for each in inputs[name]]
            handle = await client.start_workflow(workflow_type, args=args, id=uuid.uuid4().hex, task_queue=queue)
            return await wait_for_failure(handle, 60)

        types = itertools.cycle((RESTORE_WORKFLOW, RESTORE_WORKFLOW, CLEANUP_WORKFLOW))
        return dict(zip(inputs, await asyncio.gather(*map(start, inputs, types)), strict=True))


def test_no_hostile_input_runs_on(temporal: TemporalServer) -> None:
    """Each workflow fails in its first task, with a sentence that has a limit and quotes no value."""
    inputs = dict(hostile_inputs())
    assert len(inputs) >= 100
    failures = asyncio.run(_start_all(temporal, inputs))
    wrong = {name: problem for name, failed in failures.items() if (problem := _problem(failed))}
    assert not wrong


def _problem(failed: FailedWorkflow) -> str | None:
    """What a failure has that it must not have; None if it is as it must be."""
    if not isinstance(failed.cause, ApplicationError) or failed.task_failures:
        return f"{failed.task_failures} failed tasks: {failed.failure_json[:300]}"
    if (failed.cause.type, failed.cause.non_retryable) != ("InvalidRequest", True):
        return str(failed.cause)[:300]
    if len(failed.cause.message) > MAX_MESSAGE + 100 or PLANTED in failed.failure_json:
        return f"{len(failed.cause.message)} characters: {failed.cause.message[:300]}"
    return None
