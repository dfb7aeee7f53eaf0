"""What both programs say and how they exit if they cannot reach AWS or Temporal, or fail themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import starter
import worker
from clients.aws import AwsClients

pytestmark = pytest.mark.usefixtures("isolated_environment")


def test_an_unknown_profile_of_temporal_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On one line, with what to set; exit code 5."""
    (tmp_path / "temporal.toml").write_text('[profile.default]\naddress = "127.0.0.1:1"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    monkeypatch.setenv("TEMPORAL_PROFILE", "ops")
    code, err = run(starter.main, "status")
    assert (code, err.startswith("Cannot read Temporal's configuration: Profile 'ops' not found. ")) == (5, True)
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("program", [starter.main, worker.main], ids=["starter", "worker"])
def test_an_unknown_profile_of_aws_is_the_operators_mistake(monkeypatch: pytest.MonkeyPatch, program: Any) -> None:
    """Exit code 2 and a sentence from both programs."""
    monkeypatch.setenv("AWS_PROFILE", "ops")
    code, err = run(program, *(["audit"] if program is starter.main else []))
    assert (code, err.startswith("AWS profile ops does not exist. ")) == (2, True)


def test_a_worker_that_cannot_reach_temporal_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, for run and for check."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    for verb in ("run", "check"):
        code, err = run(worker.main, verb)
        assert (code, err.startswith("Cannot reach Temporal at 127.0.0.1:1, namespace default: connection")) == (
            1,
            True,
        )


def test_a_worker_whose_key_has_expired_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK ends it with a RuntimeError minutes after the last accepted poll; exit code 1."""

    async def end(*_: Any) -> None:
        refused = 'Poll failure: Unhandled grpc error when polling: Status { code: PermissionDenied, message: "x" }'
        raise RuntimeError("Activity worker failed") from RuntimeError(refused)

    async def connect(*_: Any, **__: Any) -> Any:
        return mock.MagicMock(namespace="default", workflow_service=mock.AsyncMock())

    monkeypatch.setattr(worker, "connect", connect)
    monkeypatch.setattr(worker, "build_worker", mock.MagicMock())
    monkeypatch.setattr(worker, "_poll", end)
    monkeypatch.setenv("TEMPORAL_API_KEY", "expired-by-now")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    code, err = run(worker.main)
    at = "Cannot reach Temporal at localhost:7233, namespace default"
    assert (code, err.startswith(f"{at}: it refused the API key. Set TEMPORAL_API_KEY to")) == (1, True), err
    assert "expired-by-now" not in err


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator cannot fix is reported as it is."""

    def break_down(_: AwsClients, __: str) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(AwsClients, "dynamodb", break_down)
    with pytest.raises(LookupError, match="a bug"):
        starter.main(["audit"])


def run(program: Any, *arguments: str) -> tuple[int, str]:
    """A program's exit code, and its stderr."""
    import contextlib
    import io

    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        code = program(list(arguments))
    return code, err.getvalue()
