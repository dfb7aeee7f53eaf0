"""What a worker takes with many restores in flight at once: the second part of `make bench`.

One `worker.py` as a process, a real Temporal server, and the emulator in this process with a target for each restore. All
restores begin together and run until each waits for its copy, which is where a restore is for most of its time; then the
worker's memory and time are read from the operating system.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil
from temporalio.client import Client, WorkflowHandle

from audit.plugin import AuroraRestorePlugin
from audit.setup import create_audit_table, create_operations_table
from devstack.demo_environment import (
    ENGINE,
    INSTANCE_CLASS,
    REPLACED_BY,
    SUBNET_GROUP,
    TARGET_REGION,
    DemoEnvironment,
    environment,
)
from devstack.pipeline import start_worker
from devstack.processes import Scratch, Server
from devstack.stack import SEARCH_ATTRIBUTES
from devstack.temporal_server import TemporalServer
from tests.benchmarks.document import write
from tests.rigs.durations import AT_ONCE
from tests.rigs.emulator import demo_without_databases
from tests.rigs.requests import request
from workflows.aurora_restore import AuroraRestoreWorkflow

BEGIN, END = "<!-- make bench, in flight: begin -->", "<!-- make bench, in flight: end -->"
HEAD = (
    "| restores in flight | memory of the worker, MB | processor, s a restore | history, kB a restore "
    "| warnings of slow workflow tasks | polls a minute | RDS reads a minute |\n|---|---|---|---|---|---|---|"
)
HOURS = replace(AT_ONCE, copy=6 * 3600)
AUDIT_TABLE, OPERATIONS_TABLE, TASK_QUEUE = "aurora-restore-audit", "aurora-restore-operations", "aurora-restore"
SLOW_TASK = ("TMPRL1101", "TMPRL1104")
"""The codes with which the SDK warns of a workflow task that blocks its thread, or that takes more than five seconds."""


@dataclass(frozen=True)
class InFlight:
    """What one worker took."""

    restores: int
    megabytes: float
    """The most memory that the process had at any time (resident set size)."""
    processor: float
    """Seconds a restore, from its start until it waits for its copy; the worker's own start is not counted."""
    history: float
    """Bytes a restore."""
    warnings: int
    polls: float
    """A minute, while all wait for their copies."""
    reads: float
    """Calls of RDS a minute, at the same time."""

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.restores:,} | {self.megabytes:.0f} | {self.processor:.2f} | {self.history / 1000:.1f} "
            f"| {self.warnings} | {self.polls:.0f} | {self.reads:.0f} |"
        )


def make_targets(demo: DemoEnvironment, restores: int) -> list[str]:
    """A cluster with a writer for each restore; their names."""
    quotas = demo.emulator.quotas
    quotas.clusters = quotas.instances = quotas.manual_snapshots = quotas.copies_in_progress = 10 * restores + 100
    rds, opt_in = demo.client("rds"), [{"Key": REPLACED_BY, "Value": demo.source_arn}]
    names = [f"staging-{number:04d}" for number in range(restores)]
    for name in names:
        rds.create_db_cluster(
            DBClusterIdentifier=name, Engine=ENGINE, EngineVersion="16.6", MasterUsername="boss", StorageEncrypted=True,
            MasterUserPassword="long-enough", DBSubnetGroupName=SUBNET_GROUP, KmsKeyId="alias/staging", Tags=opt_in,
        )  # fmt: skip
        rds.create_db_instance(
            DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass=INSTANCE_CLASS, Engine=ENGINE
        )
    return names


def make_environment(demo: DemoEnvironment, temporal: TemporalServer) -> dict[str, str]:
    """Make the trail's tables; returns the variables of a worker."""
    dynamodb = demo.client("dynamodb")
    create_audit_table(dynamodb, AUDIT_TABLE)
    create_operations_table(dynamodb, OPERATIONS_TABLE)
    return {
        **environment(demo.emulator.endpoint_url),
        "TEMPORAL_ADDRESS": temporal.address,
        "AURORA_RESTORE_AUDIT_REGION": TARGET_REGION,
        "AURORA_RESTORE_DATABASE_TLS_CA_FILE": str(demo.certificate_bundle),
    }


async def measure(restores: int) -> InFlight:
    """Begin so many restores at once, and wait until all wait for their copies."""
    with (
        demo_without_databases(AT_ONCE) as demo,
        TemporalServer(headless=True, search_attributes=SEARCH_ATTRIBUTES) as temporal,
        Scratch("in-flight") as scratch,
    ):
        names = make_targets(demo, restores)
        demo.take_automated_snapshot()
        demo.emulator.durations = HOURS
        worker = start_worker(scratch, make_environment(demo, temporal))
        process = python_of(worker)
        before = seconds_of(process)
        client = await Client.connect(temporal.address, plugins=[AuroraRestorePlugin()])
        handles = [await start(client, name) for name in names]
        peak = await wait_until_copying(demo, process, restores)
        used = seconds_of(process) - before
        polls, reads = await count_polls(demo)
        sizes = [await history_bytes(handle) for handle in handles[:: max(1, restores // 20)]]
        log = (scratch.path / "worker.log").read_text("utf-8")
        slow = sum(any(text in line for text in SLOW_TASK) for line in log.splitlines())
        worker.stop()
    return InFlight(restores, peak / 1e6, used / restores, sum(sizes) / len(sizes), slow, polls, reads)


COUNTED_MINUTES = 3


async def count_polls(demo: DemoEnvironment) -> tuple[float, float]:
    """The polls and the RDS reads a minute. A read that restores share is a poll of each name that it has."""
    before = len(demo.emulator.calls)
    await asyncio.sleep(COUNTED_MINUTES * 60)
    reads = [call for call in list(demo.emulator.calls)[before:] if call.operation.startswith("DescribeDBCluster")]
    names = [
        len(each["Values"])
        for call in reads
        for each in call.parameters.get("Filters", [])
        if each["Name"] == NAME_FILTER
    ]
    return (len(reads) - len(names) + sum(names)) / COUNTED_MINUTES, len(reads) / COUNTED_MINUTES


NAME_FILTER = "db-cluster-snapshot-id"
"""By which restores read the copies of others together with their own."""


def python_of(worker: Server) -> psutil.Process:
    """The worker's own process, which a supervisor has started."""
    started = psutil.Process(worker.pid)
    return next((each for each in (started, *started.children(recursive=True)) if _is_worker(each)), started)


def _is_worker(process: psutil.Process) -> bool:
    return any(part.endswith("worker.py") for part in process.cmdline()[:2])


def seconds_of(process: psutil.Process) -> float:
    """The processor time of a process."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def start(client: Client, name: str) -> WorkflowHandle[Any, Any]:
    """Start the restore of a target."""
    wanted = request(users=[], target={"cluster": name})
    return await client.start_workflow(
        AuroraRestoreWorkflow.run, wanted, id=wanted.target.workflow_id, task_queue=TASK_QUEUE
    )


async def wait_until_copying(demo: DemoEnvironment, process: psutil.Process, restores: int) -> int:
    """Wait until each restore has its copy and the worker is idle; return the most memory that was seen, in bytes."""
    peak, idle_since, last = 0, time.monotonic(), seconds_of(process)
    while True:
        await asyncio.sleep(0.5)
        peak = max(peak, process.memory_info().rss)
        now = seconds_of(process)
        copies = sum(call.operation == "CopyDBClusterSnapshot" for call in demo.emulator.calls)
        if copies < restores or now - last > IDLE_SECONDS:
            idle_since, last = time.monotonic(), now
        elif time.monotonic() - idle_since > IDLE_FOR:
            return peak


IDLE_FOR, IDLE_SECONDS = 10.0, 2.0
"""A worker is idle that used less than two seconds of the processor in ten."""


async def history_bytes(handle: WorkflowHandle[Any, Any]) -> int:
    """How large Temporal says that a history is."""
    described = await handle.describe()
    return int(described.raw_description.workflow_execution_info.history_size_bytes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; with `--document`, also write it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[100, 300, 1000], help="how many at once")
    parser.add_argument("--document", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args(arguments)
    lines = [HEAD]
    for restores in options.in_flight:
        lines.append(asyncio.run(measure(restores)).row())
        print(lines[-1], flush=True)
    if options.document:
        write("\n".join(lines), BEGIN, END)


if __name__ == "__main__":
    main()
