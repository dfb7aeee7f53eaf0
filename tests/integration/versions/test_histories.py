"""Nights that began on an earlier version end on this one: every recorded history is replayed."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

import worker
from audit.plugin import AuroraRestorePlugin
from clients.aws import AwsClients
from devstack.demo_environment import TARGET_REGION
from models.operation import RestoreState
from models.request import RestoreRequest
from models.steps import Step
from models.workflow_names import RESTORE_WORKFLOW
from settings import DatabaseTls, Settings
from tests.integration.versions.histories import FOLDER, RECORDER, Recorded, recorded, released, replayed, version
from tests.integration.versions.scenarios import SCENARIOS
from workflows.aurora_restore import AuroraRestoreWorkflow

HISTORIES = list(recorded())
CURRENT = [history for history in HISTORIES if history.version == version()]
WHAT_TO_DO = """
{name}, recorded on version {version}, does not replay:

    {failure}

Every night that was begun by that version and still runs when this one is deployed would get stuck there.
Do one of two:

- Keep the commands of the old version for nights that it began:
  if workflow.patched("what-is-new"): <the new> else: <the old>
- Or deploy this as a new version of a Worker Deployment, on which no night of the old one ever goes on; then remove
  tests/histories/{version} in the same change.

docs/upgrading.md has both. If no version with that history was ever released: make histories
"""


def name(history: Recorded) -> str:
    return f"{history.version}-{history.name}"


@pytest.mark.parametrize("history", HISTORIES, ids=name)
async def test_a_recorded_night_replays(history: Recorded) -> None:
    """This code gives the same commands that the recorded version gave."""
    failure = (await replayed(history.read())).replay_failure
    assert failure is None, WHAT_TO_DO.format(name=history.name, version=history.version, failure=failure)


def test_every_scenario_is_recorded_on_this_version() -> None:
    """None is missing, and none is left over from a scenario that is no more."""
    kept = {history.name for history in CURRENT}
    assert set(SCENARIOS) <= kept, f"not recorded: {sorted(set(SCENARIOS) - kept)}; run: make histories"
    of_children = {f"{name}-child" for name in SCENARIOS}
    assert kept <= set(SCENARIOS) | of_children, "run: make histories"


def test_every_step_fails_in_one_and_is_cancelled_in_one() -> None:
    """The scenarios go through all nine steps."""
    for step in Step:
        assert {f"failed-at-{step}", f"cancelled-in-{step}"} <= set(SCENARIOS)


@pytest.mark.parametrize("step", Step)
def test_a_failure_is_one_of_its_step(step: Step) -> None:
    """What is called a failure of a step ended as one, and what is called a cancellation was asked for."""
    *_, end = Recorded(version(), f"failed-at-{step}").read().events
    assert end.workflow_execution_failed_event_attributes.failure.message.startswith(f"{step}: ")
    events = Recorded(version(), f"cancelled-in-{step}").read().events
    assert [event for event in events if event.HasField("workflow_execution_cancel_requested_event_attributes")]


# That a replay is a check


async def test_a_night_whose_history_has_another_step_is_refused() -> None:
    """A history in which another activity was asked for does not replay."""
    history = Recorded(version(), "a-good-night").read()
    scheduled = next(event for event in history.events if _asks_for(event) == Step.COPY_SNAPSHOT)
    scheduled.activity_task_scheduled_event_attributes.activity_type.name = Step.DELETE_RDS.value
    failure = (await replayed(history)).replay_failure
    assert isinstance(failure, workflow.NondeterminismError)


async def test_a_night_whose_history_lacks_a_timer_is_refused() -> None:
    """A wait that was not in the old version does not pass unnoticed."""
    history = Recorded(version(), "a-good-night").read()
    event = next(event for event in history.events if event.HasField("timer_started_event_attributes"))
    event.ClearField("timer_started_event_attributes")
    event.activity_task_scheduled_event_attributes.activity_id = "99"
    event.event_type = next(of.event_type for of in history.events if _asks_for(of))
    assert isinstance((await replayed(history)).replay_failure, workflow.NondeterminismError)


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Unchanged(AuroraRestoreWorkflow):
    """As it is, so that what is refused below is refused for its steps."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Swapped(AuroraRestoreWorkflow):
    """As somebody might change it: the snapshot is archived where the users should be set."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)

    async def _setup_db_users(self, request: Any, restored: Any, endpoint: Any) -> None:
        await self._archive_snapshot(request, *self._found)

    async def _delete_rds(self, request: Any, checked: Any, copy: Any) -> None:
        self._found = (checked, copy)
        await super()._delete_rds(request, checked, copy)


async def test_a_workflow_whose_steps_are_swapped_is_refused() -> None:
    """Two steps in another order: Temporal says so, and so would the test above, with what to do."""
    history = Recorded(version(), "a-good-night").read()
    assert (await replayed(history, Unchanged)).replay_failure is None
    failure = (await replayed(history, Swapped)).replay_failure
    assert isinstance(failure, workflow.NondeterminismError)
    told = WHAT_TO_DO.format(name="a-good-night", version=version(), failure=failure)
    assert "workflow.patched" in told
    assert "docs/upgrading.md" in told


@workflow.defn(name=RESTORE_WORKFLOW, sandboxed=False)
class Patched(AuroraRestoreWorkflow):
    """As docs/upgrading.md has it: what is new, only for nights that begin on it."""

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        return await super().run(request)

    async def _archive_snapshot(self, request: Any, checked: Any, copy: Any) -> None:
        if workflow.patched("a-minute-before-archiving"):
            await workflow.sleep(60)
        await super()._archive_snapshot(request, checked, copy)


@pytest.mark.parametrize("name", ["a-good-night", "failed-at-archive-snapshot-and-goes-on", "operator-skips"])
async def test_a_change_that_is_guarded_replays(name: str) -> None:
    """With workflow.patched() a night of the old version goes the old way."""
    assert (await replayed(Recorded(version(), name).read(), Patched)).replay_failure is None


# What else an old night brings to a new worker


def _calls(history: WorkflowHistory) -> Iterator[tuple[str, Any]]:
    """Every activity that was asked for, with what it was told."""
    for event in history.events:
        if type_ := _asks_for(event):
            yield type_, event.activity_task_scheduled_event_attributes.input.payloads


@pytest.fixture(scope="module")
def inputs() -> dict[str, type]:
    """What each activity of the worker takes, by its type."""
    settings = Settings(audit_region=TARGET_REGION, database_tls=DatabaseTls.DISABLE)
    aws = AwsClients()
    _, table = worker.plugin(settings, aws)
    defined = [activity._Definition.must_from_callable(each) for each in worker.activities(settings, aws, table)]
    return {str(each.name): _input_of(each.fn) for each in defined}


@pytest.mark.parametrize("history", HISTORIES, ids=name)
async def test_a_new_worker_takes_the_activities_of_an_old_night(history: Recorded, inputs: dict[str, type]) -> None:
    """An activity that an old worker asked for is tried again by a new one: it exists there, and reads its input."""
    converter = AuroraRestorePlugin().data_converter
    assert isinstance(converter, DataConverter)
    for type_, payloads in _calls(history.read()):
        assert type_ in inputs, f"{type_} is gone, and a night of {history.version} may be waiting for it"
        [value] = await converter.decode(payloads, [inputs[type_]])
        assert isinstance(value, inputs[type_])


# That nothing is kept that should not be


@pytest.mark.parametrize("history", HISTORIES, ids=name)
def test_a_history_tells_nothing_of_the_machine_that_recorded_it(history: Recorded) -> None:
    """No host, no process, no path, no stack trace, in plain text or in a payload."""
    kept = json.loads(history.path.read_text("utf-8"))
    identities = {found for key, found in _strings(kept) if key == "identity"}
    assert {of for of in identities if of not in ("", RECORDER, "history-service", "worker-service")} == set()
    for event in history.read().events:
        told = re.sub(rb"\s", b" ", event.SerializeToString())
        assert not re.search(rb"/(?:home|root|tmp|usr|opt|var)/|\.venv|site-packages|Traceback", told), event.event_id


def test_a_released_version_is_not_recorded_again() -> None:
    """Its histories are what is out there; the changelog says what is released."""
    assert not released(version()) or CURRENT
    assert not released("0.0.0")


def test_the_histories_stay_small() -> None:
    """A few megabytes a version, in files that a review can open."""
    sizes = Counter({path: path.stat().st_size for path in FOLDER.rglob("*.json")})
    assert sizes.total() < 6_000_000 * len({history.version for history in HISTORIES})
    assert max(sizes.values()) < 400_000


def _asks_for(event: Any) -> str:
    return str(event.activity_task_scheduled_event_attributes.activity_type.name)


def _input_of(function: Any) -> type:
    *_, last = inspect.get_annotations(inspect.unwrap(function), eval_str=True).items()
    parameters = [found for key, found in inspect.get_annotations(function, eval_str=True).items() if key != "return"]
    found: type = parameters[0] if parameters else last[1]
    return found


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from _strings(each, inner)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, key)
    elif isinstance(value, str):
        yield key, value
