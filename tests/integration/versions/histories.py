"""Recorded histories: what Temporal kept of every kind of run, by the version of the code that it ran on."""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult

from audit.plugin import AuroraRestorePlugin
from registrations import WORKFLOWS

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "histories"
RECORDER = "recorder"
"""Replaces the process and the host that recorded."""
OMITTED_FIELDS = ("stackTrace", "workerInstanceKey", "workerControlTaskQueue", "workerVersion", "taskId", "requestId")
"""They describe the recording machine, and no replay reads them."""


@dataclass(frozen=True)
class RecordedHistory:
    """One history and its file."""

    version: str
    name: str

    @property
    def path(self) -> Path:
        """The file."""
        return FOLDER / self.version / f"{self.name}.json"

    def read(self) -> WorkflowHistory:
        """The history as Temporal had it."""
        content = json.loads(self.path.read_text("utf-8"))
        return WorkflowHistory.from_json(content["workflowId"], {"events": content["events"]})

    def write(self, history: WorkflowHistory) -> None:
        """Write one event a line, without what describes the recording machine."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        events = ",\n".join(
            json.dumps(_without_omitted_fields(event), separators=(",", ":"))
            for event in json.loads(history.to_json())["events"]
        )
        # A history does not contain the workflow's id, which decides whether a run starts itself as a child.
        content = f'{{"workflowId":{json.dumps(history.workflow_id)},"events":[\n{events}\n]}}\n'
        self.path.write_text(content.replace(_worker_identity(), RECORDER), "utf-8")


def list_recorded() -> Iterator[RecordedHistory]:
    """Every history of every version."""
    for path in sorted(FOLDER.glob("*/*.json")):
        yield RecordedHistory(path.parent.name, path.stem)


def current_version() -> str:
    """The version in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    version: str = project["project"]["version"]
    return version


def is_released(version: str) -> bool:
    """Whether the changelog has a section for the version that says on which day it was released."""
    return version in released_versions((ROOT / "CHANGELOG.md").read_text("utf-8"))


def released_versions(changelog: str) -> list[str]:
    """The versions whose section has a date."""
    return re.findall(r"^## \[?([0-9.]+)\]? - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)


async def replay(history: WorkflowHistory, *workflows: type, guarded: bool = True) -> WorkflowReplayResult:
    """Replay a history on these workflows, by default the worker's; under the guard each run loads their code anew."""
    replayer = Replayer(workflows=workflows or WORKFLOWS, plugins=[AuroraRestorePlugin(guarded=guarded)])
    return await replayer.replay_workflow(history, raise_on_replay_failure=False)


def _worker_identity() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _without_omitted_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_omitted_fields(each) for key, each in value.items() if key not in OMITTED_FIELDS}
    return [_without_omitted_fields(each) for each in value] if isinstance(value, list) else value
