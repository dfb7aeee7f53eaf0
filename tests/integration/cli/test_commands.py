"""What the commands answer when nothing runs: help, mistakes, set-up, and services that are not there."""

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
from tests.rigs.cli import ROOT, Said, run
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

Operator = Callable[..., Said]
EXAMPLE = ROOT / "examples" / "restore.json"
NOWHERE = "127.0.0.1:1"


def test_help_answers_before_anything_heavy_is_loaded() -> None:
    """Neither Temporal's nor AWS's library is needed to say what the verbs are."""
    script = (
        "import sys, starter\n"
        "try: starter.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('temporalio', 'boto3', 'pydantic', 'rich')))"
    )
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert time.monotonic() - began < 2  # 0.15 s on an idle machine


def test_help_names_settings_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """A variable that was renamed is renamed in the help too."""
    with pytest.raises(SystemExit):
        starter.main(["--help"])
    named = re.findall(rf"{PREFIX}(\w+)", capsys.readouterr().out)
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_workflows_are_called_by_their_own_names() -> None:
    """The command line knows them by name alone, and so must be told when a name changes."""
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
        ["schedule", EXAMPLE, "--paused", "--unpaused"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:1] + arguments[2:])),
)
def test_mistyped_arguments_are_the_users_mistake(operator: Operator, arguments: list[str]) -> None:
    """Exit 2, usage on stderr, nothing on stdout."""
    said = operator(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("usage: starter.py")


def test_a_bad_request_file_starts_nothing(operator: Operator, tmp_path: Path) -> None:
    """Exit 2, every fault listed."""
    path = tmp_path / "night.json"
    path.write_text("{}")
    said = operator("start", path)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[1:] == [
        "source: is required",
        "target: is required",
        "notification: is required",
    ]


def test_wrong_settings_are_listed(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, and the variable's name."""
    monkeypatch.delenv("AURORA_RESTORE_AUDIT_REGION")
    said = operator("audit")
    assert (said.code, "AURORA_RESTORE_AUDIT_REGION: is required" in said.err) == (2, True)


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
def test_temporal_that_is_not_there_is_named(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Exit 5, where it was looked for and what to set."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)
    said = operator(*arguments)
    assert (said.code, said.out) == (5, "")
    assert NOWHERE in said.err
    assert "TEMPORAL_ADDRESS" in said.err


def test_a_namespace_that_is_not_there_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5 and Temporal's own words."""
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    said = operator("status")
    assert (said.code, said.err) == (
        5,
        "Temporal refused the request: Namespace nowhere is not found. Check TEMPORAL_NAMESPACE.\n",
    )


def test_aws_that_is_not_there_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5, and the address that did not answer."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{NOWHERE}")
    for verb in ("audit", "setup"):
        said = operator(verb)
        assert (said.code, said.out) == (5, "")
        assert NOWHERE in said.err


def test_missing_credentials_are_said(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5, and which variables hold them."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    said = operator("setup")
    assert said.code == 5
    assert "No AWS credentials were found." in said.err
    assert "AWS_PROFILE" in said.err


def test_a_trail_that_was_never_made_says_how_to_make_it(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5, the table and the command."""
    monkeypatch.setenv("AURORA_RESTORE_AUDIT_TABLE", "never-made")
    said = operator("audit")
    assert said.code == 5
    assert "never-made" in said.err
    assert "starter.py setup" in said.err


def test_what_is_not_there_is_refused(operator: Operator) -> None:
    """Exit 3 for a night, an operation or a target that nobody knows."""
    for arguments in (
        ["status", "op-999"],
        ["status", "nothing-here"],
        ["cancel", "nothing-here"],
        ["audit", "op-999"],
    ):
        said = operator(*arguments)
        assert (said.code, said.out) == (3, "")
        assert arguments[1] in said.err


def test_setup_twice_makes_everything_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what it made, and the second time that everything was there."""
    own = {"AURORA_RESTORE_AUDIT_TABLE": "twice-audit", "AURORA_RESTORE_OPERATIONS_TABLE": "twice-operations"}
    first, second = (run(stack, "setup", **own) for _ in range(2))
    assert (first.code, second.code) == (0, 0)
    assert "table twice-audit: created" in first.out
    assert "table twice-operations: created" in first.out
    assert {line.split(": ")[1] for line in second.out.splitlines()} == {"exists"}
    assert len(second.out.splitlines()) == 2 + len(ALL)


async def test_search_attributes_of_another_type_are_refused(set_up: Stack) -> None:
    """Nothing is found by an attribute that holds numbers; better to say so at once."""
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
