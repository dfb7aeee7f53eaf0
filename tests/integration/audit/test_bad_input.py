"""Whatever is typed as the workflow's input: it runs, or it has failed at once and says everything that is wrong."""

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
from workflows.aurora_restore import AuroraRestoreWorkflow

PLANTED = "hunter2-planted-secret"
ACCOUNT = "111122223333"
GOOD: dict[str, Any] = {
    "source": {"account_id": ACCOUNT, "region": "eu-west-1", "cluster": "orders"},
    "target": {
        "account_id": ACCOUNT,
        "region": "eu-central-1",
        "cluster": "orders-staging",
        "instances": [{"instance_class": "db.r6g.large"}],
        "db_subnet_group_name": "staging",
        "vpc_security_group_ids": ["sg-0123456789abcdef0"],
        "kms_key_id": "alias/staging",
    },
    "notification": {"topic_arn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:aurora-restore"},
}


def _with(section: str, **changes: Any) -> dict[str, Any]:
    return {**GOOD, section: {**GOOD[section], **changes}}


def _without(section: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != section}


def _raw(text: str, encoding: str) -> RawValue:
    metadata = {"encoding": encoding.encode()} if encoding else {}
    return RawValue(Payload(metadata=metadata, data=text.encode()))


INPUTS: dict[str, tuple[list[Any], list[str]]] = {
    "no input": ([], ["no input was given", "source: Field required", "target: Field required", "notification"]),
    "null": ([None], ["no input was given", "source: Field required"]),
    "empty": ([{}], ["source: Field required", "target: Field required", "notification: Field required"]),
    "list": ([[PLANTED]], ["request: Input should be"]),
    "string": ([PLANTED], ["request: Input should be"]),
    "number": ([17], ["request: Input should be"]),
    "bytes": ([PLANTED.encode()], ["encoding binary/plain; expected JSON"]),
    "unheard-of encoding": ([_raw(PLANTED, "json/secret")], ["encoding json/secret; expected JSON"]),
    "no encoding": ([_raw(PLANTED, "")], ["encoding none; expected JSON"]),
    "protobuf": ([_raw(PLANTED, "json/protobuf")], ["encoding json/protobuf; expected JSON"]),
    "not JSON": ([_raw(PLANTED, "json/plain")], ["request: Invalid JSON"]),
    "missing": ([_without("notification")], ["notification: Field required"]),
    "wrong type": ([_with("source", cluster=[PLANTED])], ["source.cluster: Input should be a valid string"]),
    "wrong value": ([_with("target", kms_key_id=PLANTED + "?")], ["target.kms_key_id: "]),
    "unknown field": ([_with("source", password=PLANTED)], ["source.password: Extra inputs are not permitted"]),
    "number for text": ([_with("source", account_id=111122223333)], ["source.account_id: Input should be"]),
    "text for number": ([_with("target", port=PLANTED)], ["target.port: Input should be"]),
    "bad duration": ([{**GOOD, "waits": {"delete_rds": {"deadline": PLANTED}}}], ["waits.delete_rds.deadline: "]),
    "bad date": ([_with("source", snapshot={"prefix": "daily", "date": PLANTED})], ["source.snapshot.date: "]),
    "bad choice": ([_with("target", missing=PLANTED)], ["target.missing: Input should be 'fail' or 'create'"]),
    "a secret for its id": (
        [{**GOOD, "users": [{"name": "app", "secret_id": f"{PLANTED} {PLANTED}"}]}],
        ["users.0.secret_id: "],
    ),
    "four faults": (
        [{**_without("notification"), "source": {"cluster": 1}, "pasword": PLANTED}],
        [
            "source.account_id: Field required",
            "source.region: Field required",
            "source.cluster: Input should be",
            "notification: Field required",
            "pasword: Extra inputs are not permitted",
        ],
    ),
    "source is target": ([_with("target", region="eu-west-1", cluster="orders")], ["are the same cluster"]),
    "two inputs": ([GOOD, GOOD], ["The workflow has 2 inputs; expected one"]),
    "three inputs, none good": ([PLANTED, None, 3], ["The workflow has 3 inputs; expected one"]),
}


class Failed:
    """What is left of a workflow that was given a bad input."""

    def __init__(self, cause: BaseException | None, failure_json: str, task_failures: int) -> None:
        self.cause = cause
        self.failure_json = failure_json
        self.task_failures = task_failures


async def _failed(handle: WorkflowHandle[Any, Any]) -> Failed:
    try:
        async with asyncio.timeout(10):
            await handle.result()
    except WorkflowFailureError as error:
        events = (await handle.fetch_history()).events
        failure = events[-1].workflow_execution_failed_event_attributes.failure
        task_failures = sum(event.HasField("workflow_task_failed_event_attributes") for event in events)
        return Failed(error.cause, MessageToJson(failure), task_failures)
    except TimeoutError:
        return Failed(None, "still running", -1)
    raise AssertionError("a bad input was taken")


async def _all_of_them(temporal: TemporalServer) -> dict[str, Failed]:
    client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
    async with Worker(client, task_queue="bad-input", workflows=[AuroraRestoreWorkflow]):
        handles = [
            await client.start_workflow(
                RESTORE_WORKFLOW, args=args, id=f"bad-{uuid.uuid4().hex}", task_queue="bad-input"
            )
            for args, _ in INPUTS.values()
        ]
        failed = await asyncio.gather(*map(_failed, handles))
    return dict(zip(INPUTS, failed, strict=True))


@pytest.fixture(scope="module")
def failures(temporal: TemporalServer) -> dict[str, Failed]:
    """Every bad input, given to the real workflow at once."""
    return asyncio.run(_all_of_them(temporal))


@pytest.mark.parametrize("name", INPUTS)
def test_bad_input_fails_at_once(failures: dict[str, Failed], name: str) -> None:
    """The workflow has failed, by its first task, as `InvalidRequest`, for good."""
    failed = failures[name]
    assert isinstance(failed.cause, ApplicationError), failed.failure_json
    assert (failed.cause.type, failed.cause.non_retryable) == ("InvalidRequest", True)
    assert failed.task_failures == 0


@pytest.mark.parametrize("name", INPUTS)
def test_every_fault_is_listed(failures: dict[str, Failed], name: str) -> None:
    """Where and what, one a line, for all that is wrong and not only for the first."""
    for fault in INPUTS[name][1]:
        assert fault in str(failures[name].cause)


@pytest.mark.parametrize("name", INPUTS)
def test_a_refusal_repeats_nothing_that_was_typed(failures: dict[str, Failed], name: str) -> None:
    """A password in the wrong field is not copied into the failure, and nobody is sent to pydantic's manual."""
    assert PLANTED not in failures[name].failure_json
    assert "pydantic" not in failures[name].failure_json
    assert "input_value" not in failures[name].failure_json


def test_the_good_request_is_good() -> None:
    """What the bad inputs are made from is a request."""
    assert RestoreRequest.model_validate_json(json.dumps(GOOD)).target.cluster == "orders-staging"
