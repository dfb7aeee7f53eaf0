"""The tests run the workflow's code under the sandbox's guard, the shipped worker without it: see docs/architecture.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError, SandboxedWorkflowRunner

from audit.plugin import AuroraRestorePlugin
from tests.integration.versions.careless_workflows import DrawsANumber, ReadsAFile, ReadsTheClock
from tests.integration.versions.histories import RecordedHistory, current_version, replay
from workflows.aurora_restore import AuroraRestoreWorkflow

WORKFLOW_CODE = ("workflows", "models", "errors", "limits")
CHANGED_BY_RUNS = (dict, list, set, bytearray)
REPLAYED = ("successful-restore", "operator-retries-twice", "cancelled-in-delete-rds", "cleanup-of-a-failed-copy")


@pytest.mark.parametrize("careless", [ReadsTheClock, DrawsANumber, ReadsAFile])
async def test_a_careless_workflow_does_not_replay(careless: type[AuroraRestoreWorkflow]) -> None:
    """Under the guard, in which every history is replayed, what is not deterministic is refused where it is called."""
    history = RecordedHistory(current_version(), "successful-restore").read()
    failure = (await replay(history, careless)).replay_failure
    assert RestrictedWorkflowAccessError.__name__ in str(failure)


def test_the_guard_is_for_tests_only() -> None:
    """The shipped worker runs the workflows as they are; under the guard nothing of their code is passed through."""
    [shipped, guarded] = [runner_of(AuroraRestorePlugin(guarded=guarded)) for guarded in (False, True)]
    assert isinstance(shipped, UnsandboxedWorkflowRunner)
    assert isinstance(guarded, SandboxedWorkflowRunner)
    assert guarded.restrictions.passthrough_modules.isdisjoint(WORKFLOW_CODE)


async def test_the_workflows_code_keeps_nothing_of_a_run() -> None:
    """Its modules and classes are the same after runs as before: what one of them left, the next one would find."""
    before = dict(held_by_modules())
    for name in REPLAYED:
        history = RecordedHistory(current_version(), name).read()
        assert (await replay(history, guarded=False)).replay_failure is None
    assert dict(held_by_modules()) == before


def test_the_workflows_code_has_no_cache_and_no_variable_of_a_context() -> None:
    """They would change without a change of the module."""
    for place, value in held_by_everything():
        assert not isinstance(value, ContextVar), place
        assert not hasattr(value, "cache_info"), place


def runner_of(plugin: AuroraRestorePlugin) -> WorkflowRunner | None:
    """What runs the workflows where this plugin is."""
    return plugin.configure_replayer({"workflow_runner": SandboxedWorkflowRunner()}).get("workflow_runner")


def held_by_modules() -> Iterator[tuple[str, str]]:
    """Where a module or one of its classes holds something that can change, and what that is now."""
    for place, value in held_by_everything():
        if isinstance(value, CHANGED_BY_RUNS):
            yield place, repr(value)


def held_by_everything() -> Iterator[tuple[str, Any]]:
    """Every name of the modules of the workflow's code, and of the classes that they define."""
    modules = {name: module for name, module in sys.modules.items() if name.split(".")[0] in WORKFLOW_CODE}
    for name, module in sorted(modules.items()):
        for attribute, value in vars(module).items():
            if attribute.startswith("__"):
                continue
            yield f"{name}.{attribute}", value
            if isinstance(value, type) and value.__module__ == name:
                own = {key: each for key, each in vars(value).items() if not key.startswith("__")}
                yield from ((f"{name}.{attribute}.{key}", each) for key, each in own.items())
