"""Every request is either one that can run, or is refused with a list of every error that repeats no value."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from audit.plugin import AuroraRestorePlugin
from devstack.temporal_server import TemporalServer
from limits import MAX_LISTED_ERRORS
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier, instance_identifier
from models.request import RestoreRequest
from models.request_file import UnreadableRequest, read_request
from models.search_attributes import ALL
from models.validation_errors import describe_each, describe_validation_errors
from models.workflow_names import RESTORE_WORKFLOW
from tests.integration.audit.test_bad_input import PLANTED, FailedWorkflow, wait_for_failure
from tests.rigs.random_requests import FULL, PROFILE, broken_requests, good_requests, hostile_texts
from tests.rigs.restores import TIMERS_AT_ONCE
from workflows.aurora_restore import AuroraRestoreWorkflow

RDS_IDENTIFIER = re.compile(r"[a-z](-?[a-z0-9])*")
MAX_WORKFLOW_ID_BYTES = 1000
"""Temporal's default limit.idLength.maxLength."""
SAMPLE = 20
"""How many refused requests go through Temporal."""
MAX_SECONDS = 1


def _validation_error(request: Any) -> ValidationError | None:
    """What is wrong with a request, within a second of CPU time; None if it is valid, after checking its derived names."""
    started = time.thread_time()  # the CPU's time: a busy machine must not fail the test
    try:
        _check_names(RestoreRequest.model_validate_json(json.dumps(request)))
    except ValidationError as error:
        return error
    finally:
        assert time.thread_time() - started < MAX_SECONDS
    return None


def _check_names(request: RestoreRequest) -> None:
    cluster, region = request.target.cluster, request.target.region
    created = datetime(2024, 3, 20, 3, tzinfo=UTC)
    snapshot = f"{request.source.arn.replace(':cluster:', ':cluster-snapshot:')}-x"
    instances = [instance_identifier(cluster, number) for number in range(1, 17)]
    for name in (
        cluster,
        copy_identifier(
            DEFAULT_ENVIRONMENT, f"arn:aws:rds:eu-central-1:111122223333:cluster:{cluster}", snapshot, created
        ),
        *instances,
    ):
        assert len(name) <= 63
        assert RDS_IDENTIFIER.fullmatch(name), name
    assert len(set(instances)) == len(instances)
    assert request.target.workflow_id == f"aurora-restore:{request.target.account_id}:{region}:{cluster}"
    assert len(request.target.workflow_id.encode()) <= MAX_WORKFLOW_ID_BYTES
    assert request.source.arn != request.target.arn


@PROFILE
@given(good_requests())
def test_every_derived_name_is_valid_for_rds(request_: dict[str, Any]) -> None:
    """The names of copy, instances and workflow, for cluster names of every length."""
    assert _validation_error(request_) is None


def test_the_full_request_is_valid() -> None:
    """The broken requests are made from it."""
    assert _validation_error(FULL) is None


@PROFILE
@given(broken_requests())
def test_a_refusal_lists_every_path_and_no_value(request_: Any) -> None:
    """Every error that is listed has a line with its path; no line repeats what the user typed there."""
    refused = _validation_error(request_)
    if refused is None:
        return
    listed = describe_validation_errors(refused)
    for path, _ in list(describe_each(refused, RestoreRequest))[:MAX_LISTED_ERRORS]:
        assert f"{'.'.join(path) or 'request'}: " in listed
    assert "Input should" not in listed
    assert "should have" not in listed
    assert PLANTED not in listed
    assert PLANTED not in str(refused)


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_file_is_read_or_refused_with_its_path(tmp_path: Path, suffix: str) -> None:
    """With any content, within a second of CPU time, and never with a traceback."""
    path = tmp_path / f"request{suffix}"

    @PROFILE
    @given(hostile_texts())
    def is_read_or_refused(text: str) -> None:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        started = time.thread_time()
        try:
            _check_names(read_request(path))
        except UnreadableRequest as refused:
            assert str(refused).startswith(str(path))
            assert PLANTED not in str(refused)
        assert time.thread_time() - started < MAX_SECONDS

    is_read_or_refused()


def _refused_requests() -> list[Any]:
    """A sample of the requests that are refused, the same in every run."""
    sample: list[Any] = []

    @PROFILE
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        request = data.draw(broken_requests())
        if len(sample) < SAMPLE and len(json.dumps(request)) < 100_000 and _validation_error(request) is not None:
            sample.append(request)

    collect()
    return sample


async def _start_all(temporal: TemporalServer, requests: list[Any]) -> list[FailedWorkflow]:
    client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
    async with Worker(client, task_queue="bad-requests", workflows=[AuroraRestoreWorkflow]):
        handles = [
            await client.start_workflow(
                RESTORE_WORKFLOW, request, id=f"bad-{uuid.uuid4().hex}", task_queue="bad-requests"
            )
            for request in requests
        ]
        return list(await asyncio.gather(*map(wait_for_failure, handles)))


def test_the_workflow_refuses_what_the_model_refuses() -> None:
    """The first workflow task fails the workflow, without a retry, with the same errors and without a value."""
    requests = _refused_requests()
    assert len(requests) == SAMPLE
    attributes = {key.name: "Keyword" for key in ALL}
    with TemporalServer(
        headless=True, search_attributes=attributes, dynamic_config_values=[TIMERS_AT_ONCE]
    ) as temporal:
        failures = asyncio.run(_start_all(temporal, requests))
    for request, failed in zip(requests, failures, strict=True):
        assert isinstance(failed.cause, ApplicationError), failed.failure_json
        assert (failed.cause.type, failed.cause.non_retryable, failed.task_failures) == ("InvalidRequest", True, 0)
        refused = _validation_error(request)
        assert refused is not None
        assert all(line in str(failed.cause) for line in describe_validation_errors(refused).splitlines())
        assert PLANTED not in failed.failure_json
