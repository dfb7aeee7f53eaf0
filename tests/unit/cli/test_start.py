"""`starter.py start`: what it makes of the request file."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from commands import start
from models.request import MissingTarget, RestoreRequest
from tests.rigs.requests import request_json


@pytest.mark.parametrize(
    ("options", "missing"), [([], MissingTarget.FAIL), (["--create-target"], MissingTarget.CREATE)]
)
def test_a_missing_target_is_created_only_if_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], missing: MissingTarget
) -> None:
    """For this restore only: the request file stays as it is, and nothing else of the request changes."""
    started: list[RestoreRequest] = []

    async def record(request: RestoreRequest, *_: object) -> int:
        started.append(request)
        return 0

    monkeypatch.setattr(start, "_start", record)
    monkeypatch.setenv("AURORA_RESTORE_AUDIT_REGION", "eu-central-1")
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request_json()), "utf-8")
    verb = ArgumentParser()
    start.arguments(verb)
    assert start.run(verb.parse_args([str(file), *options])) == 0
    [request] = started
    assert request.target.missing is missing
    default = RestoreRequest.model_validate_json(file.read_bytes())
    assert request.model_copy(update={"target": default.target}) == default
