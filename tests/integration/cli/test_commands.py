"""The commands when nothing runs: help, mistakes, setup, and services that are unavailable."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client

import starter
from devstack.stack import Stack
from models.search_attributes import ALL
from models.workflow_names import CLEANUP_WORKFLOW, RESTORE_WORKFLOW, STATE_QUERY
from settings import PREFIX, Settings
from tests.rigs.cli import EXAMPLE, ROOT, CommandResult, run_command
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

Operator = Callable[..., CommandResult]
NOWHERE = "127.0.0.1:1"


def test_help_loads_no_large_library() -> None:
    """It needs neither Temporal's nor AWS's library, nor pydantic and rich."""
    script = (
        "import sys, starter\n"
        "try: starter.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('temporalio', 'boto3', 'pydantic', 'rich')))"
    )
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert time.monotonic() - began < 2  # 0.15 s on an idle machine


def test_help_names_only_settings_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that is renamed has to be renamed in the help."""
    with pytest.raises(SystemExit):
        starter.main(["--help"])
    named = re.findall(rf"{PREFIX}(\w+)", capsys.readouterr().out)
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_workflows_have_the_names_that_the_commands_use() -> None:
    """The commands know the workflows by name alone."""
    for workflow_class, name in ((AuroraRestoreWorkflow, RESTORE_WORKFLOW), (AuroraCleanupWorkflow, CLEANUP_WORKFLOW)):
        definition = workflow._Definition.must_from_class(workflow_class)
        assert (definition.name, STATE_QUERY in definition.queries) == (name, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["strat"],
        ["start"],
        ["cancel"],
        ["audit", "--days", "0"],
        ["audit", "op-001", "--days", "3"],
        ["cleanup"],
        ["cleanup", EXAMPLE, "--deleted"],
        ["schedule", EXAMPLE, "--at", "24:05"],
        ["schedule", EXAMPLE, "--time-zone", "Europe/Atlantis"],
        ["schedule", EXAMPLE, "--catch-up", "2"],
        ["schedule", EXAMPLE, "--catch-up", "1s"],
        ["schedule", EXAMPLE, "--paused"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:1] + arguments[2:])),
)
def test_mistyped_arguments_print_the_usage(operator: Operator, arguments: list[str]) -> None:
    """Exit code 2, usage on stderr, nothing on stdout."""
    result = operator(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: starter.py")


def test_an_invalid_request_file_starts_nothing(operator: Operator, tmp_path: Path) -> None:
    """Exit code 2, and every mistake is listed."""
    path = tmp_path / "restore.json"
    path.write_text("{}")
    result = operator("start", path)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[1:] == [
        "source: is required",
        "target: is required",
        "notification: is required",
    ]


def test_wrong_settings_are_listed(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the variable's name."""
    monkeypatch.delenv("AURORA_RESTORE_AUDIT_REGION")
    result = operator("audit")
    assert (result.code, "AURORA_RESTORE_AUDIT_REGION: is required" in result.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["start", EXAMPLE],
        ["status"],
        ["cancel", "op-001"],
        ["schedule", EXAMPLE],
        ["cleanup", EXAMPLE],
        ["cleanup", EXAMPLE, "--delete"],
    ],
)
def test_an_unreachable_temporal_is_named(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Exit code 5, the address that was tried, and what to set."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)
    result = operator(*arguments)
    assert (result.code, result.out) == (5, "")
    assert NOWHERE in result.err
    assert "TEMPORAL_ADDRESS" in result.err


def test_a_namespace_that_does_not_exist_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5, Temporal's own words, and the variable to check."""
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    result = operator("status")
    assert (result.code, result.err) == (
        5,
        "Temporal refused the request: Namespace nowhere is not found. Check TEMPORAL_NAMESPACE.\n",
    )


def test_an_unreachable_aws_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5, and the address that did not answer."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{NOWHERE}")
    for verb in ("audit", "setup"):
        result = operator(verb)
        assert (result.code, result.out) == (5, "")
        assert NOWHERE in result.err


def test_missing_credentials_are_reported(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 5, and the variables that hold them."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    result = operator("setup")
    assert result.code == 5
    assert "No AWS credentials were found." in result.err
    assert "AWS_PROFILE" in result.err


def test_a_missing_audit_table_names_the_command_that_creates_it(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5, the table and the command."""
    monkeypatch.setenv("AURORA_RESTORE_AUDIT_TABLE", "never-created")
    result = operator("audit")
    assert result.code == 5
    assert "never-created" in result.err
    assert "starter.py setup" in result.err


def test_what_does_not_exist_is_refused(operator: Operator) -> None:
    """Exit code 3 for a restore, an operation or a target that does not exist."""
    for arguments in (
        ["status", "op-999"],
        ["status", "nothing-here"],
        ["cancel", "nothing-here"],
        ["audit", "op-999"],
    ):
        result = operator(*arguments)
        assert (result.code, result.out) == (3, "")
        assert arguments[1] in result.err


def test_setup_run_twice_creates_everything_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints what it created, and the second time that everything exists."""
    own = {"AURORA_RESTORE_AUDIT_TABLE": "twice-audit", "AURORA_RESTORE_OPERATIONS_TABLE": "twice-operations"}
    first, second = (run_command(stack, "setup", **own) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert "table twice-audit: created" in first.out
    assert "table twice-operations: created" in first.out
    assert {line.split(": ")[1] for line in second.out.splitlines()} == {"exists"}
    assert len(second.out.splitlines()) == 2 + len(ALL)


async def test_search_attributes_of_another_type_are_refused(set_up: Stack) -> None:
    """Restores cannot be found by an attribute that holds numbers, so setup refuses it."""
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
    from temporalio.common import SearchAttributeKey

    from runs.search_attributes import SearchAttributesRefused, register

    client = await Client.connect(set_up.temporal.address)
    number = IndexedValueType.INDEXED_VALUE_TYPE_INT
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes={"Numbered": number})
    )
    with pytest.raises(
        SearchAttributesRefused, match="another type than Keyword: Numbered. Remove them, then repeat the command"
    ):
        await register(client, [SearchAttributeKey.for_keyword("Numbered")])
