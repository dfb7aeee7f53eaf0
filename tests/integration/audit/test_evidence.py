"""`starter.py report --evidence`: what the files say, and that verify.py names each row that was tampered with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import starter
from audit.decisions import decision_row
from audit.rows import ADDED_AT, ADDED_BY, Phase
from audit.seal_rows import is_seal
from devstack.aws import Emulator
from errors import Fault
from models.checks import Comparison, checks_fact
from models.decisions import Decision, OperatorDecision
from models.seal import SealInput
from models.snapshots import SNAPSHOT_CREATED_AT_FACT, SOURCE_FACT, STARTED_BY_FACT
from models.steps import Status, Step
from tests.rigs.audit_tables import later, row
from tests.rigs.sealed_operations import SealedOperations
from tests.rigs.verification import TARGET_ARN, Tables, trail_variables

HOSTILE = '<script>alert("1")</script>\x1b[2J\u202e\U0001f4a5\u2028é'
OPERATION = "op-001"


@pytest.fixture
def folder(aws: Emulator, tables: Tables, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The evidence of an operation with a failed attempt, a retry, a repaired row and a late one."""
    for name, value in trail_variables(aws, tables).items():
        monkeypatch.setenv(name, value)
    operations = SealedOperations(tables, timedelta(days=36_500), count=1)
    fault = Fault(
        type="AwsUnavailable", short="AWS unavailable", message=HOSTILE, code="Throttling", request_id="req-1"
    )
    at = {"timestamp": later(minutes=5), "step_started_at": later(minutes=4)}
    facts = {ADDED_BY: "audit verify", ADDED_AT: "2024-03-21T00:00:00.000Z"}
    snapshot = {
        SNAPSHOT_CREATED_AT_FACT: "2024-03-19T23:05:00+00:00",
        SOURCE_FACT: "arn:source",
        STARTED_BY_FACT: "ada@laptop",
        **checks_fact([Comparison("opt-in-tag", "arn:source", "arn:source"), Comparison(HOSTILE)]),
    }
    decided = OperatorDecision(decision=Decision.RETRY, by="ada@jumphost", reason=f"vpc: opened {HOSTILE}")
    rows = [
        row(step=Step.SNAPSHOT_CHECK, run_id="run-0", resource_arns=("arn:snapshot",), facts=snapshot),
        row(**at, run_id="run-0", phase=Phase.ATTEMPT, status=Status.FAILED, details=HOSTILE, fault=fault),
        row(**at, run_id="run-0", request_ids=("req-2",), attempt=2, duration_seconds=60.001, facts=facts),
        decision_row(
            OPERATION,
            Step.COPY_SNAPSHOT,
            decided,
            asked_at=later(minutes=3, seconds=30),
            decided_at=later(minutes=3, seconds=40),
            workflow_id=row().workflow_id,
            run_id="run-0",
        ),
    ]
    for each in rows:
        operations.trail.put(each)
    seal = SealInput(
        operation_id=OPERATION, target_arn=TARGET_ARN, workflow_id=row().workflow_id, sealed_at=later(minutes=6)
    )
    operations.chains.append(seal, "run-0", "audit verify")
    assert starter.main(["report", "--operation", OPERATION, "--rpo", "1d", "--evidence", str(tmp_path / "e")]) == 0
    return tmp_path / "e"


def document(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "evidence.json").read_text("ascii")))


def verify(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the copied verifier without site-packages, in an empty environment."""
    command = [sys.executable, "-I", "-S", "verify.py", "evidence.json", *arguments]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("ascii")


def test_untouched_evidence_is_proven_and_says_what_it_lacks(folder: Path) -> None:
    """Sources, decisions, attempts, request ids, measures and gaps; no text of the trail is markup or controls a terminal."""
    code, text = verify(folder)
    evidence = document(folder)
    assert (code, "Every item is sealed and unchanged." in text) == (0, True), text
    assert (evidence["restore"]["source_arn"], evidence["restore"]["snapshot_arn"]) == ("arn:source", "arn:snapshot")
    assert evidence["restore"]["snapshot_created_at"] == "2024-03-19T23:05:00.000Z"
    assert evidence["restore"]["started_by"] == "ada@laptop"
    [decision] = evidence["decisions"]
    assert (decision["decision"], decision["by"], decision["reason"]) == (
        "Retry",
        "ada@jumphost",
        f"vpc: opened {HOSTILE}",
    )
    checked = evidence["steps"][0]["checks"]
    assert checked[0] == {"check": "opt-in-tag", "expected": "arn:source", "actual": "arn:source", "met": True}
    assert (checked[1]["expected"], checked[1]["actual"]) == ("no violation", "none found")
    step = next(each for each in evidence["steps"] if each["failed_attempts"])
    assert (step["attempts"], step["request_ids"]) == (2, ["req-1", "req-2"])
    assert evidence["measures"]["data_age"]["objective_seconds"] == 86_400
    gaps = "\n".join(evidence["gaps"])
    for part in ("Attempt 1 of copy-snapshot failed", "added later, by audit verify", "was not handed over"):
        assert part in gaps
    assert any("who started" in each for each in evidence["not_in_trail"])
    page = (folder / "evidence.html").read_text("utf-8")
    assert ("<script" in page, "&lt;script&gt;" in page, "req-2" in page, "ada@jumphost" in page) == (
        False,
        True,
        True,
        True,
    )


def test_a_digest_from_the_notification_is_found_among_the_seals(folder: Path) -> None:
    """Each seal's digest is printed; another one is refused."""
    digests = [seal["digest"] for seal in document(folder)["seals"]]
    code, text = verify(folder, "--seal", digests[0])
    assert (code, len(digests), all(digest in text for digest in digests)) == (0, 3, True)
    assert verify(folder, "--seal", "0" * 64)[0] == 1
    assert f"the head of the chain, number 3, of {OPERATION}: {digests[-1]}" in text


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ({"number": 4}, 1),
        ({"digest": "0" * 64}, 1),
        ({"operation_id": "op-002"}, 1),
        ({"operation_id": "op-002", "number": 4}, 0),
    ],
)
def test_the_last_seal_agrees_with_the_head_of_the_chain(folder: Path, head: dict[str, Any], code: int) -> None:
    """A head of this operation is its last seal; one of a later operation has a higher number."""
    evidence = document(folder)
    evidence["chain_head"] |= head
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="ascii")
    assert verify(folder)[0] == code


def change_details(items: list[Any]) -> str:
    items[1]["details"]["S"] += " "
    return f"changed     {items[1]['event_key']['S']}"


def delete_row(items: list[Any]) -> str:
    return f"missing     {items.pop(1)['event_key']['S']}"


def add_row(items: list[Any]) -> str:
    items.append({**items[1], "event_key": {"S": items[1]["event_key"]["S"] + "-2"}})
    return f"not sealed  {items[-1]['event_key']['S']}"


def add_second_row_with_a_key(items: list[Any]) -> str:
    items.insert(0, {**items[1], "details": {"S": "another"}})
    return f"unexpected  {items[0]['event_key']['S']}"


def change_seal(items: list[Any]) -> str:
    seal = [item for item in items if is_seal(item)][-1]
    seal["sealed_by"]["S"] = "somebody"
    return f"changed     {seal['event_key']['S']}"


def delete_first_seal(items: list[Any]) -> str:
    seal = next(item for item in items if is_seal(item))
    items.remove(seal)
    return f"missing     {seal['event_key']['S']}"


def delete_last_seal(items: list[Any]) -> str:
    items.remove([item for item in items if is_seal(item)][-1])
    return f"not sealed  {items[0]['event_key']['S'][:24]}"


def delete_all_seals(items: list[Any]) -> str:
    items[:] = [item for item in items if not is_seal(item)]
    return "NOT PROVEN: "


@pytest.mark.parametrize(
    "tamper",
    [
        change_details,
        delete_row,
        add_row,
        add_second_row_with_a_key,
        change_seal,
        delete_first_seal,
        delete_last_seal,
        delete_all_seals,
    ],
)
def test_what_was_tampered_with_is_named(folder: Path, tamper: Callable[[list[Any]], str]) -> None:
    """A row that was changed, deleted or added, and a seal."""
    evidence = document(folder)
    expected = tamper(evidence["items"])
    (folder / "evidence.json").write_text(json.dumps(evidence), encoding="ascii")
    code, text = verify(folder)
    assert (code, expected in text) == (1, True), text


@pytest.mark.parametrize("text", ["", "[]", '{"operation_id": "op-001", "items": [1]}', '{"items": [], "items": []}'])
def test_what_is_no_evidence_is_refused(folder: Path, text: str) -> None:
    """With a sentence, not with a traceback."""
    (folder / "evidence.json").write_text(text, encoding="ascii")
    code, said = verify(folder)
    assert (code, "Traceback" in said) == (2, False)


def test_evidence_is_of_one_restore_that_exists(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a number it is a mistake; of an operation that is not in the trail nothing is written."""
    other = folder / "other"
    assert starter.main(["report", "--evidence", str(other)]) == 2
    assert starter.main(["report", "--operation", "op-999", "--evidence", str(other)]) == 3
    assert ("op-999" in capsys.readouterr().err, other.exists()) == (True, False)


def test_the_checks_of_an_operation_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, as Markdown and as JSON; of several operations it is a mistake."""
    assert folder.exists()
    for output, text in (
        ("table", "opt-in-tag"),
        ("markdown", "| arn:source | arn:source | yes |"),
        ("json", '"met": true'),
    ):
        assert starter.main(["audit", OPERATION, "--checks", "-o", output]) == 0
        assert text in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        starter.main(["audit", "--checks"])
