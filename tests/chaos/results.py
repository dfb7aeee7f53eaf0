"""The results of a campaign in a file, with which an interrupted campaign can be resumed."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Result


class Results:
    """One JSON object per line; of a plan that was run again the last line counts."""

    def __init__(self, file: Path | None) -> None:
        """Without a file the results last as long as this object."""
        self._file = file
        self._began, self._run = time.monotonic(), time.time_ns()
        lines = file.read_text("utf-8").splitlines() if file and file.exists() else []
        self._entries: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def add(self, result: Result) -> None:
        """Add a result, without its report, which is only printed."""
        entry = {**asdict(result), "report": "", "run": self._run, "after": self.seconds}
        self._entries.append(entry)
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    @property
    def seconds(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self._began

    @property
    def all(self) -> list[Result]:
        """The last result of each plan."""
        names = {field.name for field in fields(Result)}
        latest = {entry["replay"]: entry for entry in self._entries}
        return [
            Result(**{name: _tuples(value) for name, value in entry.items() if name in names})
            for entry in latest.values()
        ]

    @property
    def survived(self) -> set[str]:
        """The replay commands of the plans that need not be run again."""
        return {result.replay for result in self.all if result.survived}

    @property
    def minutes(self) -> float:
        """The minutes of all runs together."""
        runs = {entry["run"] for entry in self._entries}
        seconds: list[float] = [max(entry["after"] for entry in self._entries if entry["run"] == run) for run in runs]
        return sum(seconds) / 60


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value
