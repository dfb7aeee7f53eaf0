"""`-o json`: one document on stdout for each verb, with the fields that docs/reference/commands.md lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from models.restore_state import RestoreState
from tests.rigs.cli import CommandResult
from tests.rigs.documents import ROOT, section, text
from tests.rigs.questions import answered_questions

Operator = Callable[..., CommandResult]
PAGE = section(text("docs", "reference", "commands.md"), "JSON")


def documented(verb: str) -> set[str]:
    """The fields of a verb's document."""
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", "".join(fields for verbs, fields in rows if f"`{verb}" in verbs)))


@pytest.fixture
def failed(worker: Stack, operator: Operator, request_file: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A request whose restore has failed at its first step, and the document that `start` ended with."""
    request = json.loads(request_file.read_text())
    request["source"]["snapshot"] = {"identifier": "never-taken"}
    request_file.write_text(json.dumps(request))
    started = operator("start", request_file, "-o", "json")
    assert started.code == 1, started.err
    yield request_file, json.loads(started.out)
    operator("cancel", "orders-staging")


def test_each_verb_prints_one_document(operator: Operator, failed: tuple[Path, dict[str, Any]]) -> None:
    """What `start` ends with is what `status` shows later; the fields are those of the page."""
    request_file, started = failed
    operation = started["operation_id"]
    assert (started["outcome"], started["failed_step"], started["waited_seconds"]) == ("failed", "snapshot-check", 0)
    assert started["what_to_do"] == f"python starter.py retry {operation}"
    assert started["fault"]["short"]
    in_three_days = (datetime.now(UTC) + timedelta(days=3)).date()
    walked: dict[str, tuple[int, tuple[object, ...]]] = {
        "status": (1, (operation,)),
        "watch": (1, (operation,)),
        "list": (0, ()),
        "healthy": (2, ("orders-staging",)),
        "history": (0, ("orders-staging",)),
        "audit": (0, ("orders-staging", "--days", "1")),
        "audit verify": (0, (operation,)),
        "plan": (1, (request_file,)),
        "cleanup": (0, (request_file,)),
        "schedule": (0, (request_file, "--id", "json")),
        "resume": (0, ("json",)),
        "pause": (0, ("json", "--reason", "a freeze", "--until", str(in_three_days))),
        "retry": (0, (operation, "--no-wait")),
        "setup": (0, ()),
        "doctor": (0, ()),
    }
    for verb, (code, arguments) in walked.items():
        result = operator(*verb.split(), *arguments, "-o", "json")
        # 1, a warning, if a restore of another test succeeded before.
        assert result.code == code or (verb == "healthy" and result.code == 1), (verb, result)
        document = json.loads(result.out)
        assert document, verb
        assert set(document) <= documented(verb) | (
            set(RestoreState.model_fields) if verb in ("status", "watch") else set()
        ), verb
        if verb in ("status", "watch"):
            assert document == started | ({"due": []} if verb == "status" else {})


def test_every_question_is_answered(operator: Operator, failed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Each command of the table "I want to know …" prints an answer; aws-check has tests of its own."""
    request_file, started = failed
    names = {
        "op-005": started["operation_id"],
        "restore.toml": request_file,
        "restores.toml": ROOT / "examples" / "restores.toml",
        "report.html": tmp_path / "report.html",
        "evidence": tmp_path / "evidence",
    }
    for question, command in answered_questions().items():
        verb, *arguments = command.split()
        if verb == "aws-check":
            continue
        result = operator(verb, *(names.get(each, each) for each in arguments))
        # 1 and 2 are answers, too: nothing of this target was restored yet, and nothing of it passed a check.
        assert (result.code in (0, 1, 2), bool(result.out) or "--checks" in command) == (True, True), (question, result)
        assert "usage:" not in result.err, question


def test_an_error_is_the_last_line_of_stderr(operator: Operator) -> None:
    """Stdout has results only; the sentence is the same as without the option."""
    result = operator("status", "op-999", "-o", "json")
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert (result.code, result.out, error["exit_code"]) == (3, "", 3)
    assert f"{error['message']}\n" == operator("status", "op-999").err


def test_the_doctor_names_what_is_wrong_and_goes_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, set_up: Stack
) -> None:
    """Temporal away, a table that is missing: each has its line and its cure, and the other checks still run."""
    monkeypatch.setenv("AURORA_RESTORE_AUDIT_TABLE", "never-created")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    result = operator("doctor", "-o", "json")
    checks = {each["check"]: each for each in json.loads(result.out)["checks"]}
    assert result.code == 1
    assert {name: each["level"] for name, each in checks.items()} == {
        "settings": "ok",
        "Temporal": "fail",
        "search attributes": "warning",
        "worker": "warning",
        "schedules": "warning",
        "identity": "ok",
        "clock": "ok",
        "table never-created": "fail",
        "table aurora-restore-operations": "ok",
        "trail": "fail",
        "topics": "warning",
    }
    assert checks["table never-created"]["cure"] == "python starter.py setup"
    assert "TEMPORAL_ADDRESS" in checks["Temporal"]["cure"]
    lines = operator("doctor").out
    assert (
        "fail    table never-created: does not exist in eu-central-1\n        What to do: python starter.py setup"
        in lines
    )
    monkeypatch.delenv("AURORA_RESTORE_AUDIT_REGION")
    assert "AURORA_RESTORE_AUDIT_REGION: is required" in operator("doctor").out
