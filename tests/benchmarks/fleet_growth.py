"""What a fleet's size costs: the reads of archive-snapshot and inventory, and the reads of restores that wait together.

The emulator has a cluster and two copies for each target. The first restore of a minute lists the region, the others read
by name what that list has named. The time is that of the thread which calls, without the emulator's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from activities.inventory import InventoryActivities
from activities.rds import tags
from activities.rds.target import TargetCluster
from clients.aws import AwsClients
from devstack.aws import Emulator, NoDatabases
from models.archive import Archive
from models.identifiers import copy_identifier
from models.inventory import InventoryInput
from models.request import Target
from models.step_call import StepInput, StepOutcome
from models.waits import Change, Interval, Watch
from tests.benchmarks.document import write
from tests.rigs.activities import temporal_environment
from tests.rigs.activity_resources import ACCOUNT, ENGINE, TARGET_REGION, owner, session_of
from tests.rigs.durations import AT_ONCE
from waiting.shared_reads import SharedRead, find_shared
from waiting.watching import WatchInterceptor

BEGIN, END = "<!-- fleet growth: begin -->", "<!-- fleet growth: end -->"
HEAD = (
    "| targets | RDS reads, first restore of a minute | each other | processor, s, first restore of a minute | each other |\n"
    "|---|---|---|---|---|"
)
POLLS_BEGIN, POLLS_END = "<!-- shared polls: begin -->", "<!-- shared polls: end -->"
POLLS_HEAD = (
    "| restores that wait | polls in each interval | RDS reads in each interval | N/100 + 5 |\n|---|---|---|---|"
)
INTERVAL = timedelta(seconds=10)
WATCHED = timedelta(seconds=60)
COPYING = StepOutcome(done=False, details="copying", in_progress=(Change.SNAPSHOT_COPY,))
TODAY, COPIES = datetime(2026, 11, 24, 3, tzinfo=UTC), 2
OPERATION = "op-001"
NEVER_READ: Any = None
"""In place of the trail, which an inventory reads only beside the old cluster of a swap."""


class Cost(NamedTuple):
    """What one restore's end costs."""

    reads: int
    seconds: float


def make_targets(rds: Any, targets: Sequence[Target]) -> list[str]:
    """A cluster with copies for each; the newest copy's ARN of each."""
    newest = []
    for target in targets:
        rds.create_db_cluster(
            DBClusterIdentifier=target.cluster, Engine=ENGINE, MasterUsername="boss", MasterUserPassword="long-enough"
        )
        for day in range(COPIES):
            arn, made_at = "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:daily", TODAY - timedelta(days=day)
            own = tags.copy_tags(target.arn, tags.operation_tag("aurora-restore", OPERATION), arn)
            snapshot = rds.create_db_cluster_snapshot(
                DBClusterIdentifier=target.cluster,
                DBClusterSnapshotIdentifier=copy_identifier("aurora-restore", target.arn, arn, made_at),
                Tags=tags.tag_list(own),
            )["DBClusterSnapshot"]
            newest += [snapshot["DBClusterSnapshotArn"]] if day == 0 else []
    return newest


def measure(count: int) -> tuple[Cost, Cost]:
    """The first restore of a minute and the next one, with so many targets."""
    with Emulator(NoDatabases(), durations=AT_ONCE) as emulator:
        os.environ["AWS_ENDPOINT_URL"] = emulator.endpoint_url
        emulator.quotas.clusters = emulator.quotas.manual_snapshots = 10 * count
        targets = [
            Target(account_id=ACCOUNT, region=TARGET_REGION, cluster=f"staging-{number:05}") for number in range(count)
        ]
        newest = make_targets(owner(emulator, "rds", ACCOUNT, TARGET_REGION), targets)
        aws = AwsClients(session_of(ACCOUNT))
        aws.rds(targets[0], OPERATION)
        first, other = (_end(emulator, aws, targets[number], newest[number]) for number in (0, 1))
        return first, other


def _end(emulator: Emulator, aws: AwsClients, target: Target, copy_arn: str) -> Cost:
    before, began = len(emulator.calls), time.thread_time()
    TargetCluster(aws, target, OPERATION).search.find_own_copies(copy_arn.rpartition(":")[2])
    given = InventoryInput(operation_id=OPERATION, target=target, archive=Archive(), snapshot_copy_arn=copy_arn)
    inventory = temporal_environment(TODAY).run(InventoryActivities(aws, NEVER_READ).take_inventory, given)
    if inventory.incomplete_reason:
        raise RuntimeError(inventory.incomplete_reason)
    return Cost(len(emulator.calls) - before, time.thread_time() - began)


class Waits(ActivityInboundInterceptor):
    """The polls of one restore that waits for its copy; they count themselves, and the reads that they share."""

    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        """There is no next one."""

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Needs none."""

    async def execute_activity(self, input: ExecuteActivityInput) -> StepOutcome:
        if find_shared(SharedRead(("snapshots",), input.args[0].operation_id, self._fetch)) is None:
            self.counts["calls"] += 1
        self.counts["polls"] += 1
        return COPYING

    def _fetch(self, names: Sequence[str]) -> Mapping[str, str]:
        self.counts["calls"] += 1
        return dict.fromkeys(names, "copying")


class NoHeartbeats(ActivityOutboundInterceptor):
    """Takes heartbeats."""

    def __init__(self) -> None:
        """There is no next one."""

    def heartbeat(self, *details: Any) -> None:
        """Nobody reads them."""


async def count_polls(restores: int) -> tuple[float, float]:
    """The polls and the reads in each interval, of so many restores that began within one; without the first poll of each."""
    interceptor = WatchInterceptor(threads=10)

    async def wait(number: int) -> None:
        first_pause = INTERVAL * number / restores
        watch = Watch(first_pause=first_pause, length=WATCHED, interval=Interval(shortest=INTERVAL, longest=INTERVAL))
        inbound = interceptor.intercept_activity(Waits())
        inbound.init(NoHeartbeats())
        step_input = StepInput(operation_id=f"op-{number:04}", step_started_at=TODAY, watch=watch)
        called = ExecuteActivityInput(print, [step_input], None, {})
        await temporal_environment(TODAY).run(inbound.execute_activity, called)

    watches = [asyncio.create_task(wait(number)) for number in range(restores)]
    await asyncio.sleep(2 * INTERVAL.total_seconds())
    Waits.counts.clear()
    await asyncio.sleep(2 * INTERVAL.total_seconds())
    counted = dict(Waits.counts)
    await asyncio.gather(*watches)
    return counted["polls"] / 2, counted["calls"] / 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; with `--document`, also write it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, nargs="+", default=[10, 100, 1000], help="how many in the region")
    parser.add_argument("--restores", type=int, nargs="+", default=[2, 10, 100, 300, 1000], help="how many wait")
    parser.add_argument("--document", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args(arguments)
    lines = [HEAD]
    for count in options.targets:
        first, other = measure(count)
        lines.append(f"| {count:,} | {first.reads} | {other.reads} | {first.seconds:.2f} | {other.seconds:.2f} |")
        print(lines[-1], flush=True)
    polls = [POLLS_HEAD]
    for restores in options.restores:
        made, calls = asyncio.run(count_polls(restores))
        polls.append(f"| {restores:,} | {made:,.0f} | {calls:.0f} | {restores // 100 + 5} |")
        print(polls[-1], flush=True)
    if options.document:
        write("\n".join(lines), BEGIN, END)
        write("\n".join(polls), POLLS_BEGIN, POLLS_END)


if __name__ == "__main__":
    main()
