"""Recorded histories: what Temporal kept of every kind of night, by the version of the code that it ran on."""

from __future__ import annotations

import json
import os
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult

import worker
from audit.plugin import AuroraRestorePlugin

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "histories"
RECORDER = "recorder"
"""In place of the process and the host that took part in a recording."""
UNTOLD = ("stackTrace", "workerInstanceKey", "workerControlTaskQueue", "workerVersion", "taskId", "requestId")
"""What tells of the machine that recorded, and what no replay reads."""


@dataclass(frozen=True)
class Recorded:
    """One history, and where it is kept."""

    version: str
    name: str

    @property
    def path(self) -> Path:
        """One file each."""
        return FOLDER / self.version / f"{self.name}.json"

    def read(self) -> WorkflowHistory:
        """As Temporal had it."""
        kept = json.loads(self.path.read_text("utf-8"))
        return WorkflowHistory.from_json(kept["workflowId"], {"events": kept["events"]})

    def write(self, history: WorkflowHistory) -> None:
        """An event a line, without what is of this machine alone."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        events = ",\n".join(
            json.dumps(_told(event), separators=(",", ":")) for event in json.loads(history.to_json())["events"]
        )
        # The workflow's id is no part of a history, and decides whether a run makes itself a child.
        written = f'{{"workflowId":{json.dumps(history.workflow_id)},"events":[\n{events}\n]}}\n'
        self.path.write_text(written.replace(_here(), RECORDER), "utf-8")


def recorded() -> Iterator[Recorded]:
    """Every history of every version."""
    for path in sorted(FOLDER.glob("*/*.json")):
        yield Recorded(path.parent.name, path.stem)


def version() -> str:
    """The version that the code says it is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: str = project["project"]["version"]
    return found


def released(of: str) -> bool:
    """Whether a version has a section of its own in the changelog."""
    return any(line.split()[1].strip("[]") == of for line in _changelog() if line.startswith("## "))


async def replayed(history: WorkflowHistory, *workflows: type) -> WorkflowReplayResult:
    """What becomes of a history in the hands of these workflows, by default the worker's."""
    replayer = Replayer(workflows=workflows or worker.WORKFLOWS, plugins=[AuroraRestorePlugin()])
    return await replayer.replay_workflow(history, raise_on_replay_failure=False)


def _changelog() -> list[str]:
    return (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()


def _here() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items() if key not in UNTOLD}
    return [_told(each) for each in value] if isinstance(value, list) else value
