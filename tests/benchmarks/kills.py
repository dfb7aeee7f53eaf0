"""What becomes of a restore whose process is killed in the middle, and is started again as its user would: `make bench`.

This pipeline's worker and a script of boto3's waiters are processes that get a SIGKILL. Step Functions and Airflow are played
with the same calls of the emulator: what they repeat is the step that was interrupted.
Sources: AWS Step Functions Developer Guide, "Handle Lambda service exceptions"; apache-airflow-providers-amazon,
operators/rds.py, whose operators make their call without a read before it; Airflow's configuration reference
(core.default_task_retries is 0).
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from temporalio.client import Client, WorkflowFailureError

from audit.plugin import AuroraRestorePlugin
from devstack.demo_environment import TARGET, DemoEnvironment, environment
from devstack.pipeline import ROOT, own_environment, start_worker
from devstack.processes import Scratch
from devstack.stack import SEARCH_ATTRIBUTES
from devstack.temporal_server import TemporalServer
from tests.benchmarks.document import write
from tests.benchmarks.in_flight import TASK_QUEUE, make_environment
from tests.benchmarks.peers import Restore, SkippedClock, waits_of_airflow, waits_of_step_functions
from tests.rigs.durations import MINUTES, SECONDS
from tests.rigs.emulator import copies, demo_without_databases
from tests.rigs.requests import every_wait, request, wait
from workflows.aurora_restore import AuroraRestoreWorkflow

BEGIN, END = "<!-- make bench, kills: begin -->", "<!-- make bench, kills: end -->"
MOMENTS = {
    "during the copy": "CopyDBClusterSnapshot",
    "between the deletion and the restore": "DeleteDBCluster",
    "during the restore": "RestoreDBClusterFromSnapshot",
}
"""Each moment, and the call of RDS after which it begins."""
DURATIONS = replace(SECONDS, cluster_delete=4, cluster_restore=4)
KILLED_AFTER = 1.0
"""Seconds after the call: it has been answered, and the process waits for what AWS does."""
STARTED_AGAIN_AFTER = 5.0
"""Seconds after the kill; by then AWS has finished what had begun."""
COMES_WITHIN = 120.0
PLAYED_AGAIN_AFTER = timedelta(hours=1)


class Ended(NamedTuple):
    """How a design ended after the kill, and what it left."""

    refused: str | None
    """AWS's code, or the error, with which it stopped; None if it finished."""
    target: str | None
    copies: int
    """How many copies it left, beside those that it keeps on purpose."""

    def __str__(self) -> str:
        """A cell of the table."""
        how = "finished by itself" if self.refused is None else f"needs a person: {self.refused}"
        left = {0: None, 1: "a copy left"}.get(self.copies, f"{self.copies} copies left")
        return "; ".join(filter(None, (how, self.target, left)))


@dataclass(frozen=True)
class World:
    """A demo environment of its own, with a target that nothing has touched yet."""

    demo: DemoEnvironment
    resource_id: str

    def has_begun(self, moment: str) -> bool:
        """Whether AWS has carried out the call after which the moment begins."""
        return any(call.carried_out for call in self.demo.emulator.calls.of(MOMENTS[moment]))

    def wait_for(self, moment: str) -> None:
        """Return in the middle of the moment. Raises TimeoutError if it does not come."""
        end = time.monotonic() + COMES_WITHIN
        while not self.has_begun(moment):
            if time.monotonic() > end:
                raise TimeoutError(f"{MOMENTS[moment]} was not called within {COMES_WITHIN:.0f} s.")
            time.sleep(0.02)
        time.sleep(KILLED_AFTER)

    def ended(self, refused: str | None, kept_copies: int = 0) -> Ended:
        """What is there now."""
        return Ended(refused, self._describe_target(), len(copies(self.demo)) - kept_copies)

    def _describe_target(self) -> str | None:
        """What a user would say of the target; None if it is as wanted, with the new data."""
        clusters = self.demo.client("rds").describe_db_clusters()["DBClusters"]
        found = next((each for each in clusters if each["DBClusterIdentifier"] == TARGET), None)
        if found is None:
            return "target missing"
        if found["DbClusterResourceId"] == self.resource_id:
            return "target untouched"
        return None if found["DBClusterMembers"] else "target without an instance"


@contextmanager
def a_world(durations: Any) -> Iterator[World]:
    """Start an emulator."""
    with demo_without_databases(durations) as demo:
        demo.emulator.calls.clear()
        [target] = demo.client("rds").describe_db_clusters(DBClusterIdentifier=TARGET)["DBClusters"]
        yield World(demo, target["DbClusterResourceId"])


async def kill_worker(moment: str) -> Ended:
    """This pipeline: kill the worker and start another one, as a service manager does."""
    with (
        a_world(DURATIONS) as world,
        TemporalServer(headless=True, search_attributes=SEARCH_ATTRIBUTES) as temporal,
        Scratch("kills") as scratch,
    ):
        variables = make_environment(world.demo, temporal)
        worker = start_worker(scratch, variables)
        client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
        wanted = request(users=[], waits=every_wait(wait("PT30M", "PT1S", "PT2S")))
        handle = await client.start_workflow(
            AuroraRestoreWorkflow.run, wanted, id=wanted.target.workflow_id, task_queue=TASK_QUEUE
        )
        await asyncio.to_thread(world.wait_for, moment)
        worker.kill()
        await asyncio.sleep(STARTED_AGAIN_AFTER)
        start_worker(scratch, variables, "worker-2")
        refused = None
        try:
            await handle.result()
        except WorkflowFailureError as failure:
            refused = str(failure.cause)
        return world.ended(refused, kept_copies=1)


def kill_script(moment: str, *, copy: str, copy_again: str) -> Ended:
    """boto3's waiters: kill the script and start it again; `copy` and `copy_again` are the names of the two runs' copies."""
    script = [sys.executable, "-m", "tests.benchmarks.waiters_script"]
    with a_world(DURATIONS) as world:
        variables = own_environment(environment(world.demo.emulator.endpoint_url))
        first = subprocess.Popen([*script, copy], cwd=ROOT, env=variables)
        try:
            world.wait_for(moment)
        finally:
            first.kill()
            first.wait()
        time.sleep(STARTED_AGAIN_AFTER)
        again = subprocess.run(
            [*script, copy_again], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=False
        )
        return world.ended(again.stdout.strip() or None)


class Killed(Exception):
    """The process that waits is killed."""


class ClockOfKill(SkippedClock):
    """A clock whose first sleep after the moment's call ends the process."""

    def __init__(self, world: World, moment: str) -> None:
        super().__init__(world.demo)
        self._world = world
        self._moment = moment
        self._killed = False

    def sleep(self, seconds: float) -> None:
        """Raises `Killed`, once."""
        if not self._killed and self._world.has_begun(self._moment):
            self._killed = True
            super().sleep(PLAYED_AGAIN_AFTER.total_seconds())
            raise Killed
        super().sleep(seconds)


def play(moment: str, waits: Callable[[ClockOfKill], Any], *, repeats: bool) -> Ended:
    """Run a peer's steps; the one that is killed is repeated, once, or is the last one."""
    with a_world(MINUTES) as world:
        peer = Restore(world.demo.client, waits(ClockOfKill(world, moment)))
        try:
            for step in peer.steps:
                try:
                    step()
                except Killed:
                    if not repeats:
                        return world.ended("the task is not repeated")
                    step()
        except ClientError as refused:
            return world.ended(refused.response["Error"]["Code"])
        return world.ended(None)


DESIGNS: dict[str, tuple[str, Callable[[str], Ended]]] = {
    "this pipeline": ("`worker.py`, by SIGKILL", lambda moment: asyncio.run(kill_worker(moment))),
    "boto3's waiters, one name for every copy": (
        "the script, by SIGKILL", lambda moment: kill_script(moment, copy="staging", copy_again="staging")
    ),
    "boto3's waiters, a new name for each copy": (
        "the script, by SIGKILL", lambda moment: kill_script(moment, copy="staging-1", copy_again="staging-2")
    ),
    "Step Functions, `Retry` of the function": (
        "the function that made the call, played", lambda moment: play(moment, waits_of_step_functions, repeats=True)
    ),
    "Airflow's operators, `retries` at its default of 0": (
        "the task's worker, played", lambda moment: play(moment, waits_of_airflow, repeats=False)
    ),
    "Airflow's operators, with retries": (
        "the task's worker, played", lambda moment: play(moment, waits_of_airflow, repeats=True)
    ),
}  # fmt: skip
"""What is killed, and how."""


def table() -> str:
    """Kill each design at each moment."""
    lines = [f"| design | what is killed | {' | '.join(MOMENTS)} |", "|---" * (2 + len(MOMENTS)) + "|"]
    for name, (what, kill) in DESIGNS.items():
        lines.append(f"| {name} | {what} | {' | '.join(str(kill(moment)) for moment in MOMENTS)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Print the table; with `--document`, also write it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--document", action="store_true", help="write the table into docs/performance.md")
    arguments = parser.parse_args()
    text = table()
    if arguments.document:
        write(text, BEGIN, END)


if __name__ == "__main__":
    main()
