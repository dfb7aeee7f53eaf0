"""A verb loads only what it needs: most of the time of a short command is spent on imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.rigs.cli import ROOT

AWS = ("boto3", "botocore")
WORKER = ("temporalio.worker", "structlog", "psycopg", "pymysql", "activities", "workflows")

SCRIPT = """
import os, sys
import starter
for verb in sys.argv[2:]:
    assert starter.main(verb.split()) == (3 if verb == "healthy" else 5), verb
sys.stderr.write("unneeded: " + " ".join(name for name in sys.argv[1].split(",") if name in sys.modules))
sys.stderr.flush()
os._exit(0)  # as the program itself ends
"""


@pytest.mark.parametrize(
    ("unneeded", "verbs"),
    [
        ((*AWS, *WORKER, "pydantic_settings"), ["status"]),
        ((*AWS, *WORKER), ["cancel x", "retry op-001", "skip op-001", "abort op-001"]),
        ((*WORKER, "temporalio.client"), ["audit", "healthy", "report --html /dev/null"]),
    ],
)
def test_a_verb_does_not_load_what_it_does_not_need(
    monkeypatch: pytest.MonkeyPatch, unneeded: tuple[str, ...], verbs: list[str]
) -> None:
    """Also to say that Temporal or AWS refuses the connection."""
    nowhere = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in {"AURORA_RESTORE_AUDIT_REGION": "eu-central-1", **nowhere}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "-")
    command = [sys.executable, "-c", SCRIPT, ",".join(unneeded), *verbs]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.rpartition("unneeded: ")[2]) == (0, ""), ran.stderr
