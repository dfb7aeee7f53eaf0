"""A worker of the campaign, by the process id with which it is known to Temporal."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from devstack.pipeline import start_worker
from devstack.processes import POLL_S, Scratch

IDENTITY = re.compile(rb"identity\W+(\d+)@")


class WorkerProcess:
    """Signals go to the process that polls Temporal: one that was forked for it is no child of its supervisor."""

    def __init__(
        self, scratch: Scratch, environment: Mapping[str, str], name: str, command: Sequence[str | Path]
    ) -> None:
        """Start one with this command; returns when it polls. Raises ServerError if it does not within 30 s."""
        self._server = start_worker(scratch, environment, name, command)
        found = IDENTITY.search((scratch.path / f"{name}.log").read_bytes())
        assert found is not None, "the line of its start does not say the worker's identity"
        self.pid = int(found[1])

    def exit_status(self) -> int | None:
        """None while it runs, 128 + n after signal n."""
        return self._server.exit_status()

    def signal(self, which: signal.Signals) -> None:
        """SIGSTOP freezes it, SIGCONT resumes it; one that has ended gets none."""
        if self.exit_status() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, which)

    def kill(self) -> None:
        """SIGKILL, like a crash; returns when it has ended."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Return when it has ended."""
        while self.exit_status() is None:
            time.sleep(POLL_S)
