"""Restores that started on an earlier version end on this one: every recorded history is replayed."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

import worker
from audit.plugin import AuroraRestorePlugin
from clients.aws import AwsClients
from devstack.demo_environment import TARGET_REGION
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW
from registrations import create_activities
from settings import DatabaseTls, Settings
from tests.integration.versions.histories import (
    FOLDER,
    RECORDER,
    RecordedHistory,
    current_version,
    is_released,
    list_recorded,
    released_versions,
    replay,
)
from tests.integration.versions.scenarios import SCENARIOS
from workflows.aurora_restore import AuroraRestoreWorkflow

HISTORIES = list(list_recorded())
CURRENT_VERSION = current_version()
CURRENT = [history for history in HISTORIES if history.version == CURRENT_VERSION]
WHAT_TO_DO = """
{name}, recorded on version {version}, does not replay:

    {failure}

Every restore that started on that version and runs when this one is deployed would be stuck.
Do one of two:

- Keep the commands of the old version for restores that started on it:
  if workflow.patched("what-is-new"): <the new> else: <the old>
- Or deploy this as a new version of a Worker Deployment, on which no restore of the old version ever continues; then
  remove tests/histories/{version} in the same change.

docs/upgrading.md describes both. If no version with that history was ever released: make histories
"""


def history_id(history: RecordedHistory) -> str:
    return f"{history.version}-{history.name}"


def recorded(name: str) -> WorkflowHistory:
    """A history of this version."""
    return RecordedHistory(current_version(), name).read()


class Read(NamedTuple):
    """A recorded history, and what its file says."""

    recorded: RecordedHistory
    history: WorkflowHistory


@pytest.fixture(scope="module", params=HISTORIES, ids=history_id)
def read(request: pytest.FixtureRequest) -> Read:
    """Each is read once for the tests that only read it, which pytest runs one after another."""
    return Read(request.param, request.param.read())


async def test_a_recorded_history_replays(read: Read) -> None:
    """This code issues the commands that the recorded version issued."""
    failure = (await replay(read.history)).replay_failure
    name, version = read.recorded.name, read.recorded.version
    assert failure is None, WHAT_TO_DO.format(name=name, version=version, failure=failure)


def test_every_scenario_is_recorded_on_this_version() -> None:
    """No history is missing, and none is of a scenario that no longer exists."""
    names = {history.name for history in CURRENT}
    assert set(SCENARIOS) <= names, f"not recorded: {sorted(set(SCENARIOS) - names)}; run: make histories"
    assert names <= set(SCENARIOS) | {f"{name}-child" for name in SCENARIOS}, "run: make histories"


def test_every_step_fails_in_one_scenario_and_is_cancelled_in_another() -> None:
    """The scenarios cover all nine steps."""
    for step in Step:
        assert {f"failed-at-{step}", f"cancelled-in-{step}"} <= set(SCENARIOS)


@pytest.mark.parametrize("step", Step)
def test_a_scenario_does_what_its_name_says(step: Step) -> None:
    """failed-at-X ends with an error of step X, and cancelled-in-X has a cancellation."""
    last = recorded(f"failed-at-{step}").events[-1]
    assert last.workflow_execution_failed_event_attributes.failure.message.startswith(f"{step}: ")
    events = recorded(f"cancelled-in-{step}").events
    assert any(event.HasField("workflow_execution_cancel_requested_event_attributes") for event in events)


# A replay notices changes


async def test_a_history_with_another_activity_does_not_replay() -> None:
    """The workflow calls copy-snapshot where the history has delete-rds."""
    history = recorded("successful-restore")
    scheduled = next(event for event in history.events if _activity_type(event) == Step.COPY_SNAPSHOT)
    scheduled.activity_task_scheduled_event_attributes.activity_type.name = Step.DELETE_RDS.value
    failure = (await replay(history)).replay_failure
    assert isinstance(failure, workflow.NondeterminismError)


async def test_a_history_without_a_timer_does_not_replay() -> None:
    """The workflow waits where the history has an activity."""
    history = recorded("successful-restore")
    event = next(event for event in history.events if event.HasField("timer_started_event_attributes"))
    event.ClearField("timer_started_event_attributes")
    event.activity_task_scheduled_event_attributes.activity_id = "99"
    event.event_type = next(other.event_type for other in history.events if _activity_type(other))
    assert isinstance((await replay(history)).replay_failure, workflow.NondeterminismError)


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Unchanged(AuroraRestoreWorkflow):
    """The workflow as it is: shows that the replay below fails for the exchanged steps, not for the subclass."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class WithExchangedSteps(AuroraRestoreWorkflow):
    """A careless change: archive-snapshot runs in the place of setup-db-users."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)

    async def _setup_db_users(self, request: Any, cluster_resource_id: Any, restored: Any) -> None:
        await self._archive_snapshot(request, *self._checked_and_copy, cluster_resource_id)

    async def _delete_rds(self, request: Any, checked: Any, copy: Any, successor: Any = None) -> None:
        self._checked_and_copy = (checked, copy)
        await super()._delete_rds(request, checked, copy, successor)


async def test_exchanged_steps_do_not_replay() -> None:
    """The test above would fail too, and say what to do."""
    assert (await replay(recorded("successful-restore"), Unchanged)).replay_failure is None
    failure = (await replay(recorded("successful-restore"), WithExchangedSteps)).replay_failure
    assert isinstance(failure, workflow.NondeterminismError)
    text = WHAT_TO_DO.format(name="successful-restore", version=current_version(), failure=failure)
    assert "workflow.patched" in text
    assert "docs/upgrading.md" in text


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Patched(AuroraRestoreWorkflow):
    """A change as in docs/upgrading.md: a timer only for restores that start on the new code."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)

    async def _archive_snapshot(self, request: Any, checked: Any, copy: Any, restored: Any) -> None:
        if workflow.patched("a-minute-before-archiving"):
            await workflow.sleep(60)
        await super()._archive_snapshot(request, checked, copy, restored)


@pytest.mark.parametrize("name", ["successful-restore", "failed-at-archive-snapshot-and-retried", "operator-skips"])
async def test_a_patched_change_replays(name: str) -> None:
    """With workflow.patched() a restore of the old version issues the old commands."""
    assert (await replay(recorded(name), Patched)).replay_failure is None


# The activities of an old restore


def _scheduled_activities(history: WorkflowHistory) -> Iterator[tuple[str, Any]]:
    """The type and the payloads of every activity."""
    for event in history.events:
        if activity_type := _activity_type(event):
            yield activity_type, event.activity_task_scheduled_event_attributes.input.payloads


@pytest.fixture(scope="module")
def input_types() -> dict[str, type]:
    """The input type of each activity of the worker."""
    settings = Settings(audit_region=TARGET_REGION, database_tls=DatabaseTls.DISABLE)
    aws = AwsClients()
    _, table = worker.plugin(settings, aws)
    functions = create_activities(settings, aws, table)
    definitions = [activity._Definition.must_from_callable(function) for function in functions]
    return {str(definition.name): _input_type(definition.fn) for definition in definitions}


async def test_a_new_worker_can_run_the_activities_of_an_old_restore(read: Read, input_types: dict[str, type]) -> None:
    """An activity that an old worker scheduled may be retried by a new one, which must know it and read its input."""
    converter = AuroraRestorePlugin().data_converter
    assert isinstance(converter, DataConverter)
    for activity_type, payloads in _scheduled_activities(read.history):
        assert activity_type in input_types, (
            f"{activity_type} no longer exists, and a restore of {read.recorded.version} may wait for it"
        )
        [value] = await converter.decode(payloads, [input_types[activity_type]])
        assert isinstance(value, input_types[activity_type])


# What the files must not contain


def test_a_history_says_nothing_about_the_machine_that_recorded_it(read: Read) -> None:
    """No host, no process, no path, no stack trace, in plain text or in a payload."""
    content = json.loads(read.recorded.path.read_text("utf-8"))
    identities = {text for key, text in _strings(content) if key == "identity"}
    assert identities <= {"", RECORDER, "history-service", "worker-service"}
    for event in read.history.events:
        data = re.sub(rb"\s", b" ", event.SerializeToString())
        assert not re.search(rb"/(?:home|root|tmp|usr|opt|var)/|\.venv|site-packages|Traceback", data), event.event_id


def test_a_released_version_is_not_recorded_again() -> None:
    """Its histories are those of restores out there; the changelog says what is released."""
    assert not is_released(current_version()) or CURRENT
    assert not is_released("0.0.0")


def test_a_version_is_released_on_a_day() -> None:
    """A section of the changelog without a date is of a version that is still being made."""
    changelog = "## 0.2.0 - not released yet\n\n### Added\n\n## 0.1.0 - 2026-11-26\n\n## [0.0.9] - 2026-11-25\n"
    assert released_versions(changelog) == ["0.1.0", "0.0.9"]


def test_the_histories_are_small() -> None:
    """A few megabytes a version, in files that a review can open."""
    sizes = Counter({path: path.stat().st_size for path in FOLDER.rglob("*.json")})
    assert sizes.total() < 6_500_000 * len({history.version for history in HISTORIES})
    assert max(sizes.values()) < 400_000


def _activity_type(event: Any) -> str:
    return str(event.activity_task_scheduled_event_attributes.activity_type.name)


def _input_type(function: Any) -> type:
    """The type of an activity's one parameter."""
    *_, last = inspect.get_annotations(inspect.unwrap(function), eval_str=True).items()
    parameters = [type_ for name, type_ in inspect.get_annotations(function, eval_str=True).items() if name != "return"]
    input_type: type = parameters[0] if parameters else last[1]
    return input_type


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, with the key that it is under."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _strings(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, key)
    elif isinstance(value, str):
        yield key, value
