"""A fleet's restores from their schedules, one of which fails and one of which is late: the third part of `make bench`.

`starter.py apply` declares the fleet, the schedules are triggered while no worker runs, and the worker comes a minute later:
too late for the one target whose `start_before` is shorter. Then everything runs to its end. Temporal and the worker are
processes; the emulator, whose RDS answers within seconds, is in this one and counts the calls. A Prometheus reads the worker's
metrics, and `--series FOLDER` keeps what it has read, for `python -m tests.rigs.dashboard_picture FOLDER`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
from temporalio.client import Client

from devstack.demo_environment import REPLACED_BY
from devstack.pipeline import ask_starter, run_starter, start_worker
from devstack.processes import Scratch, free_port
from devstack.stack import SEARCH_ATTRIBUTES
from devstack.temporal_server import TemporalServer
from tests.benchmarks.document import write
from tests.benchmarks.in_flight import make_environment, make_targets, python_of, seconds_of
from tests.rigs.durations import AT_ONCE, SECONDS
from tests.rigs.emulator import demo_without_databases
from tests.rigs.prometheus import Prometheus, missing

BEGIN, END = "<!-- make bench, fleet: begin -->", "<!-- make bench, fleet: end -->"
LATE_AFTER = 45
"""Seconds after which the late target's restore may not begin any more; the worker comes after a minute."""
WITHOUT_WORKER = 60
SCRAPE_SECONDS = 5
OURS = '{job="worker", __name__=~"aurora_restore_.*"}'
ALL = '{job="worker", __name__=~"aurora_restore_.*|temporal_.*"}'
DEFAULTS = """\
name = "bench"

[defaults]
other_logins = "keep"

[defaults.source]
account_id = "111122223333"
region = "eu-west-1"
cluster = "orders"

[defaults.target]
account_id = "111122223333"
region = "eu-central-1"
db_subnet_group_name = "staging"
vpc_security_group_ids = ["sg-0123456789abcdef0"]
kms_key_id = "alias/staging"

[defaults.notification]
topic_arn = "arn:aws:sns:eu-central-1:111122223333:aurora-restore"

[defaults.waits]
copy_snapshot = { deadline = "PT1H", first_interval = "PT1S", maximum_interval = "PT5S" }
delete_rds = { deadline = "PT1H", first_interval = "PT1S", maximum_interval = "PT5S" }
restore_snapshot = { deadline = "PT1H", first_interval = "PT1S", maximum_interval = "PT5S" }

[defaults.schedule]
at = "04:05"
"""


def fleet_file(names: Sequence[str]) -> str:
    """`restores.toml`; the last target has a short `start_before`."""
    entries = [f'[restores.{name}]\ntarget.cluster = "{name}"\n' for name in names]
    return "\n".join([DEFAULTS, *entries]) + f'start_before = "PT{LATE_AFTER}S"\n'


def measure(targets: int, series: Path | None = None, *, with_metrics: bool = True) -> str:
    """Run the fleet; the table. `series` gets what Prometheus has read."""
    with (
        demo_without_databases(AT_ONCE) as demo,
        TemporalServer(headless=True, search_attributes=SEARCH_ATTRIBUTES) as temporal,
        Scratch("fleet") as scratch,
    ):
        names = make_targets(demo, targets)
        demo.emulator.quotas.copies_in_progress = COPIES_AT_ONCE
        # The first target does not say that it may be replaced, so that its restore fails.
        arn = demo.target_arn.replace(demo.target_arn.rpartition(":")[2], names[0])
        demo.client("rds").remove_tags_from_resource(ResourceName=arn, TagKeys=[REPLACED_BY])
        demo.take_automated_snapshot()
        demo.emulator.durations = SECONDS
        variables = make_environment(demo, temporal)
        file = scratch.write("restores.toml", fleet_file(names))
        if run_starter(["apply", str(file), "--yes"], variables):
            raise SystemExit("The fleet could not be declared.")
        asyncio.run(trigger(temporal.address, names))
        time.sleep(WITHOUT_WORKER)
        demo.emulator.calls.clear()
        port = free_port()
        own = {"AURORA_RESTORE_METRICS_ADDRESS": str(port)} if with_metrics else {}
        prometheus = Prometheus(scratch, port, interval_seconds=SCRAPE_SECONDS) if with_metrics else None
        worker = start_worker(scratch, {**variables, **own})
        began, process = time.monotonic(), python_of(worker)
        peak = asyncio.run(wait_until_ended(temporal.address, process, targets))
        took, used = time.monotonic() - began, seconds_of(process)
        calls = Counter(call.service for call in demo.emulator.calls)
        messages = sum(call.operation == "Publish" for call in demo.emulator.calls)
        code, healths = ask_starter(["healthy"], variables)
        metrics = describe_metrics(prometheus, targets) if prometheus else ()
        worker.stop()
        if prometheus and series:
            prometheus.server.stop()
            shutil.copytree(prometheus.data, series)
    outcomes = Counter(str(each["last_outcome"]) for each in healths["targets"])
    return "\n".join(
        f"| {title} | {value} |"
        for title, value in (
            ("what", "measured"),
            ("---", "---"),
            (f"{targets} restores, five copies at a time, from the worker's start to the last end", f"{took:.0f} s"),
            ("how they ended, from the trail", ", ".join(f"{count} {name}" for name, count in outcomes.most_common())),
            ("`starter.py healthy`", f"exit code {code}"),
            ("messages", str(messages)),
            ("memory of the worker", f"{peak / 1e6:.0f} MB"),
            ("processor of the worker, a restore", f"{used / targets:.2f} s"),
            ("calls of RDS, a restore", f"{calls['rds'] / targets:.0f}"),
            ("calls of DynamoDB, a restore", f"{calls['dynamodb'] / targets:.0f}"),
            ("other calls of AWS, a restore", f"{(calls.total() - calls['rds'] - calls['dynamodb']) / targets:.0f}"),
            *metrics,
        )
    )


def describe_metrics(prometheus: Prometheus, targets: int) -> tuple[tuple[str, str], ...]:
    """How many series the worker has at its end, and how long Prometheus waited for them: rows of the table."""
    time.sleep(2 * SCRAPE_SECONDS)
    count = {name: prometheus.ask_number(f"count({query})") for name, query in (("ours", OURS), ("all", ALL))}
    of_targets = prometheus.ask_number('count({job="worker", target!=""})')
    slowest = prometheus.ask_number('max_over_time(scrape_duration_seconds{job="worker"}[1h])')
    return (
        ("series of the worker's metrics", f"{count['all']:.0f}, {count['ours']:.0f} of them ours"),
        ("of these, a target", f"{of_targets / targets:.1f}"),
        ("Prometheus reads them in at most", f"{slowest * 1000:.0f} ms"),
    )


COPIES_AT_ONCE = 5
"""AWS's quota of copies between two regions that are under way in an account."""


async def trigger(address: str, names: Sequence[str]) -> None:
    """Trigger every schedule of the fleet, as if its time had come."""
    client = await Client.connect(address)
    for name in names:
        await client.get_schedule_handle(f"aurora-restore-{name}").trigger()


async def wait_until_ended(address: str, process: psutil.Process, targets: int) -> int:
    """Wait until no workflow runs; return the most memory that the worker had, in bytes."""
    client, peak = await Client.connect(address), 0
    while True:
        await asyncio.sleep(1)
        peak = max(peak, process.memory_info().rss)
        ended = await client.count_workflows("ExecutionStatus != 'Running' AND WorkflowType = 'AuroraRestoreWorkflow'")
        running = await client.count_workflows("ExecutionStatus = 'Running'")
        if ended.count >= targets and running.count == 0:
            return peak


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; with `--document`, also write it into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=200, help="how many")
    parser.add_argument("--document", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument(
        "--series", type=Path, metavar="FOLDER", help="keep what Prometheus has read; the folder is new"
    )
    parser.add_argument("--without-metrics", action="store_true", help="to compare: what the worker takes without them")
    options = parser.parse_args(arguments)
    if why := missing():
        print(f"{why}; the worker has no metrics.")
    with_metrics = why is None and not options.without_metrics
    lines = measure(options.targets, options.series, with_metrics=with_metrics)
    print(lines)
    if options.document:
        write(lines, BEGIN, END)


if __name__ == "__main__":
    main()
