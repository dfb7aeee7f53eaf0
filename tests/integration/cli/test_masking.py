"""`starter.py masking init` writes a file that `masking check` accepts, until the target has another column."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from devstack.demo_environment import MASTER, TARGET, TARGET_REGION
from devstack.stack import Stack
from tests.integration.cli.test_plan import change_target
from tests.rigs.cli import CommandResult
from tests.rigs.databases import wait_until

Operator = Callable[..., CommandResult]
DATABASE = "orders"


@pytest.fixture
def request_with_masking(request_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its masking file is in a directory of the test."""
    request = json.loads(request_file.read_text())
    request["masking"] = {"file": "masking.toml", "key_secret_id": "staging/masking"}
    request_file.write_text(json.dumps(request))
    monkeypatch.setenv("AURORA_RESTORE_SQL_DIRECTORY", str(tmp_path))
    return request_file


@pytest.mark.usefixtures("target", "worker")
def test_the_first_file_passes_and_a_new_column_does_not(
    operator: Operator, request_with_masking: Path, set_up: Stack, tmp_path: Path
) -> None:
    """The line that check prints completes the file; what it compares is the live target."""
    rds = set_up.demo.client("rds")
    password = "of-the-live-target"
    rds.modify_db_cluster(DBClusterIdentifier=TARGET, MasterUserPassword=password, ApplyImmediately=True)
    set_up.demo.wait_until(lambda: not rds.describe_db_clusters()["DBClusters"][0].get("PendingModifiedValues"))
    secret = f"master-{tmp_path.name}"
    set_up.demo.client("secretsmanager").create_secret(Name=secret, SecretString=json.dumps({"password": password}))
    change_target(request_with_masking, master_user_secret_id=secret)

    def execute(statement: LiteralString) -> None:
        with set_up.demo._connect(TARGET_REGION, TARGET, MASTER, password) as connection:
            connection.execute(statement)

    def accepts_the_password() -> bool:
        try:
            execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    wait_until(accepts_the_password)  # RDS changes it some time after it has accepted the call
    execute("CREATE TABLE people (id int PRIMARY KEY, email text, payload point NOT NULL)")
    path, missing = tmp_path / "masking.toml", operator("masking", "check", request_with_masking)
    assert (missing.code, missing.out) == (2, "")
    assert "masking.toml cannot be read" in missing.err
    try:
        first = operator("masking", "init", request_with_masking)
        assert first.code == 0
        assert f'{DATABASE}."public.people".email = "email"' in first.out.splitlines()
        assert 'payload = "keep"   # NOT masked' in first.out
        assert tomllib.loads(first.out)[DATABASE]["public.people"]["id"] == "keep"
        assert operator("masking", "init", request_with_masking, "--database", "other").out.count("\n") == 3
        in_json = operator("masking", "init", request_with_masking, "-o", "json")
        assert json.loads(in_json.out)["file"] == first.out
        path.write_text(first.out)
        assert operator("masking", "check", request_with_masking).code == 0
        execute("ALTER TABLE people ADD COLUMN second_email text")
        found = operator("masking", "check", request_with_masking)
        [line] = [line.strip() for line in found.out.splitlines() if line.startswith("    ")]
        assert (found.code, line) == (1, f'{DATABASE}."public.people".second_email = "email"')
        in_json = operator("masking", "check", request_with_masking, "-o", "json")
        assert json.loads(in_json.out) == {"tables": 1, "missing": [line], "mistakes": []}
        assert in_json.code == 1
        path.write_text(f"{first.out}{line}\n")
        assert operator("masking", "check", request_with_masking).code == 0
    finally:
        execute("DROP TABLE people")


def test_a_request_without_masking_has_nothing_to_check(operator: Operator, request_file: Path) -> None:
    """A mistake of the request."""
    result = operator("masking", "check", request_file)
    assert result.code == 2
    assert "has no masking" in result.err
