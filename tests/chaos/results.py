"""What a campaign has found so far, in a file, so that one that was broken off goes on where it was."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tests.chaos.campaign import Result


class Results:
    """One JSON object a line; of a night that was played again the last line counts."""

    def __init__(self, file: Path | None) -> None:
        """Without a file nothing is kept beyond this run."""
        self._file = file
        self._began, self._run = time.monotonic(), time.time_ns()
        lines = file.read_text("utf-8").splitlines() if file and file.exists() else []
        self._kept: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def add(self, result: Result) -> None:
        """Keep a result; its report is for whoever looks now."""
        kept = {**asdict(result), "report": "", "run": self._run, "after": self.seconds}
        self._kept.append(kept)
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(kept) + "\n")

    @property
    def seconds(self) -> float:
        """Since this run began."""
        return time.monotonic() - self._began

    @property
    def all(self) -> list[Result]:
        """A result for each night that was played."""
        names = {field.name for field in fields(Result)}
        last = {kept["repeat"]: kept for kept in self._kept}
        return [
            Result(**{name: _tuples(value) for name, value in kept.items() if name in names}) for kept in last.values()
        ]

    @property
    def survived(self) -> set[str]:
        """The commands of the nights that need not be played again."""
        return {result.repeat for result in self.all if result.survived}

    @property
    def minutes(self) -> float:
        """Of all runs."""
        runs = {kept["run"] for kept in self._kept}
        seconds: list[float] = [max(kept["after"] for kept in self._kept if kept["run"] == run) for run in runs]
        return sum(seconds) / 60


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value
