"""In which fields an existing schedule differs from the one that is declared, in words for an operator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow

from limits import MAX_PATH, shorten
from models.request import RestoreRequest
from runs.schedules import comparable, encode, fleet_of, nightly_of, request_of, with_pause_of

MAX_VALUE = 100
"""Characters of a value that is shown."""
_DURATION = TypeAdapter(timedelta)
_JSON = TypeAdapter(Any)
NOT_SET = "not set"
OTHERS = "other settings"


class Change(NamedTuple):
    """One field that differs."""

    field: str
    """As in restores.toml: schedule.at, target.cluster."""
    old: str
    new: str


async def list_changes(client: Client, existing: Schedule, declared: Schedule) -> list[Change]:
    """Every field in which the existing schedule, its stored request included, differs from the declared one.

    Empty exactly if `apply_schedule` would change nothing. A pause is no difference.
    """
    changed = with_pause_of(existing, declared)
    if await comparable(client, existing) == await comparable(client, changed):
        return []
    old, new = await _fields(client, existing), await _fields(client, declared)
    names = [*new, *(name for name in old if name not in new)]
    changes = [
        Change(shorten(name, MAX_PATH), old.get(name, NOT_SET), new.get(name, NOT_SET))
        for name in names
        if old.get(name, NOT_SET) != new.get(name, NOT_SET)
    ]
    return changes or [Change(OTHERS, "changed by other means", "as starter.py sets them")]


async def _fields(client: Client, schedule: Schedule) -> dict[str, str]:
    when, action = nightly_of(schedule), schedule.action
    fields = {"fleet": await fleet_of(client, schedule) or NOT_SET}
    if when is not None:
        fields |= {"schedule.at": f"{when.at:%H:%M}", "schedule.time_zone": when.zone.key}
        fields["schedule.catch_up"] = _DURATION.dump_python(when.catch_up, mode="json")
    if isinstance(action, ScheduleActionStartWorkflow):
        fields["schedule.priority"] = str(action.priority.priority_key or NOT_SET)
        fields["task queue"] = action.task_queue
    request = await request_of(client, schedule)
    if isinstance(request, RestoreRequest):
        fields |= dict(_flatten("", request.model_dump(mode="json")))
    elif request is not None:
        fields["request"] = request
    elif isinstance(action, ScheduleActionStartWorkflow):
        decoded = await client.data_converter.decode(await encode(client, action.args))
        fields |= dict(_flatten("summary", _JSON.dump_python(decoded[0], mode="json"))) if decoded else {}
    return fields


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each value of a request with the path of its field."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flatten(f"{path}.{name}".lstrip("."), each)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flatten(f"{path}[{number}]", each)
    elif value is not None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield path, shorten(" ".join(text.split()), MAX_VALUE)
