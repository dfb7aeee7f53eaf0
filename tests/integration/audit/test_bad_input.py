"""An invalid input of the restore workflow: the workflow fails at once, and its failure lists everything that is wrong."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from audit.plugin import AuroraRestorePlugin
from devstack.temporal_server import TemporalServer
from models.request import RestoreRequest
from models.workflow_names import RESTORE_WORKFLOW
from tests.rigs.requests import request_json
from workflows.aurora_restore import AuroraRestoreWorkflow

PLANTED = "hunter2-planted-secret"
GOOD = request_json(users=None)


def _with(section: str, **changes: Any) -> dict[str, Any]:
    return {**GOOD, section: {**GOOD[section], **changes}}


def _without(section: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != section}


def _raw(text: str, encoding: str) -> RawValue:
    metadata = {"encoding": encoding.encode()} if encoding else {}
    return RawValue(Payload(metadata=metadata, data=text.encode()))


INPUTS: dict[str, tuple[list[Any], list[str]]] = {
    "no input": ([], ["no input was given", "source: is required", "target: is required", "notification"]),
    "null": ([None], ["no input was given", "source: is required"]),
    "empty": ([{}], ["source: is required", "target: is required", "notification: is required"]),
    "list": ([[PLANTED]], ["request: must be an object"]),
    "string": ([PLANTED], ["request: must be an object"]),
    "number": ([17], ["request: must be an object"]),
    "bytes": ([PLANTED.encode()], ["encoding binary/plain; expected JSON"]),
    "unknown encoding": ([_raw(PLANTED, "json/secret")], ["encoding json/secret; expected JSON"]),
    "no encoding": ([_raw(PLANTED, "")], ["encoding none; expected JSON"]),
    "protobuf": ([_raw(PLANTED, "json/protobuf")], ["encoding json/protobuf; expected JSON"]),
    "not JSON": ([_raw(PLANTED, "json/plain")], ["request: is not valid JSON"]),
    "missing section": ([_without("notification")], ["notification: is required"]),
    "wrong type": ([_with("source", cluster=[PLANTED])], ["source.cluster: must be a string"]),
    "wrong value": ([_with("target", kms_key_id=PLANTED + "?")], ["target.kms_key_id: "]),
    "unknown field": ([_with("source", password=PLANTED)], ["source.password: unknown field"]),
    "number for text": ([_with("source", account_id=111122223333)], ["source.account_id: must be a string"]),
    "text for number": ([_with("target", port=PLANTED)], ["target.port: must be a whole number"]),
    "bad duration": ([{**GOOD, "waits": {"delete_rds": {"deadline": PLANTED}}}], ["waits.delete_rds.deadline: "]),
    "bad date": ([_with("source", snapshot={"prefix": "daily", "date": PLANTED})], ["source.snapshot.date: "]),
    "bad choice": ([_with("target", missing=PLANTED)], ["target.missing: must be 'fail' or 'create'"]),
    "secret instead of its id": (
        [{**GOOD, "users": [{"name": "app", "secret_id": f"{PLANTED} {PLANTED}"}]}],
        ["users.0.secret_id: "],
    ),
    "several errors": (
        [{**_without("notification"), "source": {"cluster": 1}, "pasword": PLANTED}],
        [
            "source.account_id: is required",
            "source.region: is required",
            "source.cluster: must be a string",
            "notification: is required",
            "pasword: unknown field",
        ],
    ),
    "source is target": ([_with("target", region="eu-west-1", cluster="orders")], ["are the same cluster"]),
    "two inputs": ([GOOD, GOOD], ["The workflow has 2 inputs; expected one"]),
    "three invalid inputs": ([PLANTED, None, 3], ["The workflow has 3 inputs; expected one"]),
}


class FailedWorkflow:
    """A workflow that closed because of its input."""

    def __init__(self, cause: BaseException | None, failure_json: str, task_failures: int) -> None:
        self.cause = cause
        self.failure_json = failure_json
        self.task_failures = task_failures


async def wait_for_failure(handle: WorkflowHandle[Any, Any], seconds: float = 10) -> FailedWorkflow:
    """Wait until a workflow fails; one that still runs after these seconds has no cause."""
    try:
        async with asyncio.timeout(seconds):
            await handle.result()
    except WorkflowFailureError as error:
        events = (await handle.fetch_history()).events
        failure = events[-1].workflow_execution_failed_event_attributes.failure
        task_failures = sum(event.HasField("workflow_task_failed_event_attributes") for event in events)
        return FailedWorkflow(error.cause, MessageToJson(failure), task_failures)
    except TimeoutError:
        return FailedWorkflow(None, "still running", -1)
    raise AssertionError("the workflow accepted an invalid input")


async def _run_all(temporal: TemporalServer) -> dict[str, FailedWorkflow]:
    client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
    async with Worker(client, task_queue="invalid-input", workflows=[AuroraRestoreWorkflow]):
        handles = [
            await client.start_workflow(
                RESTORE_WORKFLOW, args=args, id=f"invalid-{uuid.uuid4().hex}", task_queue="invalid-input"
            )
            for args, _ in INPUTS.values()
        ]
        failed = await asyncio.gather(*map(wait_for_failure, handles))
    return dict(zip(INPUTS, failed, strict=True))


@pytest.fixture(scope="module")
def failures(temporal: TemporalServer) -> dict[str, FailedWorkflow]:
    """The failures of the real workflow with every invalid input, run concurrently."""
    return asyncio.run(_run_all(temporal))


@pytest.mark.parametrize("name", INPUTS)
def test_an_invalid_input_fails_the_workflow_in_its_first_task(failures: dict[str, FailedWorkflow], name: str) -> None:
    """The workflow fails with a non-retryable `InvalidRequest`; no workflow task fails and is retried."""
    failed = failures[name]
    assert isinstance(failed.cause, ApplicationError), failed.failure_json
    assert (failed.cause.type, failed.cause.non_retryable) == ("InvalidRequest", True)
    assert failed.task_failures == 0


@pytest.mark.parametrize("name", INPUTS)
def test_the_failure_lists_every_error_of_the_input(failures: dict[str, FailedWorkflow], name: str) -> None:
    """Each error names the field and what is wrong with it, not only the first one."""
    for error in INPUTS[name][1]:
        assert error in str(failures[name].cause)


@pytest.mark.parametrize("name", INPUTS)
def test_the_failure_does_not_quote_the_input(failures: dict[str, FailedWorkflow], name: str) -> None:
    """A password in a wrong field is not in the failure, and neither are pydantic's URLs and input values."""
    assert PLANTED not in failures[name].failure_json
    assert "pydantic" not in failures[name].failure_json
    assert "input_value" not in failures[name].failure_json


def test_the_base_of_the_invalid_inputs_is_valid() -> None:
    """Each invalid input differs from this request by what the test says."""
    assert RestoreRequest.model_validate_json(json.dumps(GOOD)).target.cluster == "orders-staging"
