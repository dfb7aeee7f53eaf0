"""How much longer a restore takes than AWS itself, and for how long the target is away: `make bench`.

The same drawn durations of AWS for this pipeline and for what others use; time is skipped. The pipeline runs whole, with the
real Temporal server and the emulator. "Overhead" is what a restore takes beyond the time that AWS needs for the calls that
it makes in its own order.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from audit.rows import Phase
from devstack.aws import Durations
from devstack.demo_environment import DemoEnvironment
from models.steps import Step
from tests.benchmarks.document import DOCUMENT, write
from tests.benchmarks.peers import PEERS, GaveUp, Restore, SkippedClock, waiters_sleep_by
from tests.rigs.durations import AT_ONCE, MINUTES
from tests.rigs.emulator import delete_copies, demo_without_databases, prepare_next_restore
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts

BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"
RANGES = {
    "copy": (8, 40),
    "instance_delete": (3, 8),
    "cluster_delete": (3, 8),
    "cluster_restore": (5, 35),
    "instance_create": (4, 12),
    "master_password": (1, 3),
}
"""Minutes from and to which each of AWS's changes takes, evenly drawn."""
LEARNED = 6
"""How many restores of a target come before those that are counted."""
WITHIN = 0.1
"""The spread of a target's own durations around their medians (standard deviation of the logarithm)."""
LONG_COPY = replace(MINUTES, copy=(24 * 60 - 10) * 60)
LONG_WAIT = {"copy_snapshot": {"deadline": "PT24H"}}
"""The longest wait that a request may have, and a copy that ends within it."""


@dataclass(frozen=True)
class Result:
    """One restore."""

    took: float
    """Seconds."""
    away: float
    """Seconds from the deletion to a cluster with a password of its own."""
    aws: float
    """The seconds that AWS needed for the same calls in the same order."""
    reads: int
    events: int | None = None

    @property
    def overhead(self) -> float:
        """Percent."""
        return 100 * (self.took - self.aws) / self.aws


def unrelated(seed: int) -> Durations:
    """A restore about which earlier ones say nothing."""
    drawn = random.Random(seed)
    return replace(MINUTES, **{name: 60 * drawn.uniform(*minutes) for name, minutes in RANGES.items()})


def near(target: int, number: int) -> Durations:
    """A restore of a target that takes about as long as its other ones."""
    drawn, medians = random.Random(1000 * target + number), unrelated(10_000 + target)
    return replace(MINUTES, **{name: getattr(medians, name) * drawn.lognormvariate(0, WITHIN) for name in RANGES})


KINDS: dict[str, tuple[str, Callable[[int, int], Durations]]] = {
    "near": ("within a tenth of the target's own medians", near),
    "unrelated": ("unrelated to each other", lambda target, number: unrelated(100 * target + number)),
}
"""How a target's durations resemble each other, and how they are drawn by target and number of the restore."""


def parallel_time(aws: Durations) -> float:
    """What AWS needs in this pipeline's order: instances and password beside each other."""
    deletion = max(aws.instance_delete, aws.cluster_delete)
    return aws.copy + deletion + aws.cluster_restore + max(aws.instance_create, aws.master_password)


def serial_time(aws: Durations) -> float:
    """What AWS needs if one change is asked for after the other."""
    deletion = max(aws.instance_delete, aws.cluster_delete)
    return aws.copy + deletion + aws.cluster_restore + 2 * aws.instance_create + aws.master_password


async def restore(rig: RestoreRig, aws: Durations, waits: Mapping[str, Any] | None = None) -> Result:
    """One restore by this pipeline; `waits` are those of the request."""
    prepare_next_restore(rig.demo)
    rig.demo.emulator.durations = aws
    instances = [{"instance_class": "db.r6g.large"}] * 2
    handle = await rig.start(request(users=[], target={"instances": instances}, waits=dict(waits or {})))
    state = await handle.result()
    rows = rig.table.list_rows(state.operation_id)
    ended = {row.step: row.timestamp for row in rows if row.phase is Phase.OUTCOME}
    deletion = next(row.timestamp for row in rows if row.step is Step.DELETE_RDS and row.phase is Phase.INTENT)
    history = await handle.fetch_history()
    return Result(
        took=_seconds(min(row.timestamp for row in rows), max(ended.values())),
        away=_seconds(deletion, ended[Step.CHECK_RESTORE_STATUS]),
        aws=parallel_time(aws),
        reads=_reads(rig.demo),
        events=len(history.events),
    )


def restore_by_peer(demo: DemoEnvironment, make: Callable[[DemoEnvironment], Restore], aws: Durations) -> Result | None:
    """One restore by a peer; None if it gave up."""
    # Whatever the one before left unfinished is over twelve hours later.
    demo.emulator.durations = AT_ONCE
    demo.emulator.clock.set(demo.emulator.clock.now() + timedelta(hours=12))
    prepare_next_restore(demo)
    delete_copies(demo)
    demo.emulator.calls.clear()
    demo.emulator.durations = aws
    peer, began = make(demo), demo.emulator.clock.now()
    with waiters_sleep_by(SkippedClock(demo)):
        try:
            peer.run()
        except GaveUp:
            return None
    ended = demo.emulator.clock.now()
    return Result(_seconds(began, ended), _seconds(peer.deleted_at, ended), serial_time(aws), _reads(demo))


def _seconds(first: datetime, last: datetime) -> float:
    return (last - first) / timedelta(seconds=1)


def _reads(demo: DemoEnvironment) -> int:
    return sum(call.service == "rds" and call.operation.startswith("Describe") for call in demo.emulator.calls)


def line(name: str, results: Sequence[Result | None]) -> str:
    """A line of the table: medians, and the 95th percentile of the overhead."""
    done = [result for result in results if result]
    if not done:
        return f"| {name} | | | | | | | {len(results)} of {len(results)} |"
    overhead = sorted(result.overhead for result in done)
    events = [result.events for result in done if result.events is not None]
    return (
        f"| {name} | {statistics.median(overhead):.2f} % | {overhead[int(0.95 * (len(overhead) - 1))]:.2f} % "
        f"| {statistics.median(result.took for result in done) / 60:.1f} "
        f"| {statistics.median(result.away for result in done) / 60:.1f} "
        f"| {statistics.median(result.reads for result in done):.0f} | {f'{statistics.median(events):.0f}' if events else '-'} "
        f"| {len(results) - len(done)} of {len(results)} |"
    )


HEAD = (
    "| design | overhead, median | 95th percentile | whole restore, minutes | target away, minutes "
    "| RDS reads | events | gave up |\n"
    "|---|---|---|---|---|---|---|---|"
)


TARGETS = 3
"""Of which each has a third of the restores."""


async def measure(restores: int) -> list[str]:
    """The table's lines."""
    lines = [HEAD]
    with demo_without_databases(MINUTES) as demo:
        for name, (kind, draw) in KINDS.items():
            results = []
            for target in range(TARGETS):
                results += await _one_target(demo, f"bench-{target}-{name}", partial(draw, target), restores // TARGETS)
            lines.append(line(f"this pipeline, durations {kind}", results))
        lines.append(line("this pipeline, a copy of 23 h 50 min", [await _long_copy(demo)]))
        for name, make in PEERS.items():
            lines.append(line(name, [restore_by_peer(demo, make, unrelated(seed)) for seed in range(restores)]))
    return lines


async def _one_target(
    demo: DemoEnvironment, name: str, durations_of: Callable[[int], Durations], counted: int
) -> list[Result]:
    """The restores of one target, without those from which it learns; `durations_of` gives AWS's by the restore's number."""
    parts = worker_parts(demo, name)
    results = []
    async with time_skipping_client(parts.plugin, watching=True) as client, run_worker(client, demo, parts) as rig:
        for number in range(LEARNED + counted):
            results.append(await restore(rig, durations_of(number)))
            print(f"{name} {number}: {results[-1]}", flush=True)

    return results[LEARNED:]


async def _long_copy(demo: DemoEnvironment) -> Result:
    parts = worker_parts(demo, "bench-long-copy")
    async with time_skipping_client(parts.plugin, watching=True) as client, run_worker(client, demo, parts) as rig:
        return await restore(rig, LONG_COPY, LONG_WAIT)


def main() -> None:
    """Print the table; with `--document`, also write it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restores", type=int, default=36, help="how many of each design")
    parser.add_argument("--document", action="store_true", help=f"write the table into {DOCUMENT}")
    arguments = parser.parse_args()
    table = "\n".join(asyncio.run(measure(arguments.restores)))
    print(table)
    if arguments.document:
        write(table, BEGIN, END)


if __name__ == "__main__":
    main()
