"""A Prometheus that reads a worker's metrics, and what it answers to a query.

Source: Prometheus docs, "HTTP API".
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3
from urllib3.exceptions import HTTPError

from devstack.processes import Scratch, free_port


def missing(program: str = "prometheus") -> str | None:
    """That this machine does not have a program of Prometheus, and how to get it; None if it is there."""
    return None if shutil.which(program) else f"{program} is missing: apt-get install prometheus"


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where a program of Prometheus is missing, and says how to get it; `.ci/run` installs them."""
    return pytest.mark.skipif(missing(program) is not None, reason=str(missing(program)))


class Measured(NamedTuple):
    """One series that a query has: its labels, and its values by their time in seconds since 1970."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class Prometheus:
    """A running Prometheus."""

    def __init__(
        self, scratch: Scratch, scraped: int | None, data: Path | None = None, interval_seconds: int = 1
    ) -> None:
        """`scraped` is the worker's port, None to read nothing; `data` are series that it has already. Waits until it answers."""
        targets = [f"127.0.0.1:{scraped}"] if scraped else []
        job = {"job_name": "worker", "static_configs": [{"targets": targets}]}
        config = scratch.path / "prometheus.yaml"
        config.write_text(json.dumps({"global": {"scrape_interval": f"{interval_seconds}s"}, "scrape_configs": [job]}))
        address = f"127.0.0.1:{free_port()}"
        self.data = data or scratch.path / "series"
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address={address}",
        ]
        self.server = scratch.start("prometheus", command)
        self.url = f"http://{address}"
        self.server.wait_until(self._is_ready, 60)

    def _is_ready(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.url}/-/ready", retries=False).status == 200
        except HTTPError:
            return False

    def ask(self, query: str, at: float | None = None) -> list[Measured]:
        """The series that a query has at a time, default now; one value each."""
        fields = {"query": query} | ({"time": f"{at:.3f}"} if at is not None else {})
        return [Measured(each["metric"], _numbers([each["value"]])) for each in self._get("query", fields)["result"]]

    def ask_range(self, query: str, start: float, end: float, step_seconds: float) -> list[Measured]:
        """The series that a query has between two times."""
        fields = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_seconds:.3f}"}
        return [
            Measured(each["metric"], _numbers(each["values"])) for each in self._get("query_range", fields)["result"]
        ]

    def ask_number(self, query: str) -> float:
        """The value of a query that has one series."""
        [found] = self.ask(query)
        return found.values[0][1]

    def period(self) -> tuple[float, float]:
        """The times of the first and of the last sample that are not in a block yet."""
        head = self._get("status/tsdb", {})["headStats"]
        return head["minTime"] / 1000, head["maxTime"] / 1000

    def _get(self, path: str, fields: dict[str, str]) -> Any:
        answer = urllib3.request("GET", f"{self.url}/api/v1/{path}", fields=fields)
        assert answer.status == 200, answer.data
        return answer.json()["data"]


def _numbers(values: list[list[Any]]) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in values]
