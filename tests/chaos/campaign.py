"""The campaign: a seed is a plan, a plan is a night, and after it comes a night into which nothing comes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Thread

from temporalio.api.enums.v1 import EventType

from devstack.pipeline import ROOT
from tests.chaos.entry import Entry
from tests.chaos.environment import Stage
from tests.chaos.invariants import SUCCEEDED, broken
from tests.chaos.observed_restore import Seen, play
from tests.chaos.operations import OPERATIONS
from tests.chaos.transient_faults import FAULTS, incidents_of

CLEAN = ""
"""The plan of a night into which nothing comes."""
KILLED = ("killed-before-effect", "killed-after-effect", "killed-at-random", "one-of-two-killed")
RECOVERY = 15 + 10 + 2 + 15
"""Seconds that a killed worker may cost: heartbeat timeout, sticky queue, first retry, and 15 s beyond these."""
IN_MEMORY, ENOUGH = Path("/dev/shm"), 4 << 30
"""Where the databases' files are copied fastest, and how many bytes must be free there."""
SINGLES: tuple[str, ...] = tuple(f"{entry.name}@{place}" for entry in FAULTS.values() for place in entry.places)
"""Each fault at each of its places, once: the seeds below their number."""
NIGHTS_OF_A_STAGE = 12
"""After so many plans a stage is made anew: its tables grow, and moto answers the more slowly the more they hold."""
SLOW = ("temporal-away-long", "database-hangs-long")
"""Too slow to be drawn again at random."""


def plan_of(seed: int) -> str:
    """Which faults a seed stands for: one by one at first, then two or three at random."""
    if seed < len(SINGLES):
        # Not in the table's order, so that any stretch of seeds has something of everything.
        return Random(4).sample(SINGLES, len(SINGLES))[seed]
    chance = Random(seed)
    entries: list[Entry] = []
    for _ in range(chance.choice((2, 2, 3))):
        taken = {entry.subject for entry in entries} - {"aws"}
        entries.append(chance.choice([of for of in FAULTS.values() if of.subject not in taken and of.name not in SLOW]))
    return " + ".join(_placed(entry, chance) for entry in entries)


def _placed(entry: Entry, chance: Random) -> str:
    place = chance.choice(entry.places)
    times = OPERATIONS.get(place, 1)
    return f"{entry.name}@{place}#{chance.randint(1, times)}" if times > 1 else f"{entry.name}@{place}"


def command(plan: str, seed: int) -> str:
    """What repeats a night."""
    return f"python -m tests.chaos --plan '{plan}' --seed {seed}"


@dataclass(frozen=True)
class Result:
    """How one seed went."""

    plan: str
    repeat: str
    """The command that repeats it."""
    outcome: str
    seconds: float
    clean_seconds: float | None
    """How long the following night took, into which nothing came."""
    hits: tuple[tuple[str, str], ...]
    """Fault and step."""
    broken: tuple[str, ...]
    report: str = field(default="", repr=False)

    @property
    def survived(self) -> bool:
        """Whether every promise held."""
        return not self.broken


class Runner:
    """Plays nights on one stage; a stage on which a promise broke is not used again."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._stage: Stage | None = None
        self._played = 0
        self._loop = asyncio.new_event_loop()

    def run(self, plan: str, seed: int, *, always_followed: bool = True) -> Result:
        """The plan's night and its morning; then the following night, always or when this one did not succeed."""
        stage = self._stage or self._open()
        incidents = incidents_of(plan)
        repeat = command(plan, seed)
        seen = self._loop.run_until_complete(play(stage, incidents, Random(seed)))
        allowed = frozenset().union(*(each.endings for each in incidents)) if incidents else SUCCEEDED
        if len(incidents) > 1:
            allowed |= SUCCEEDED  # the one may keep the other from striking
        lost = any(each.entry.message_lost(each.place) for each in incidents)
        found = broken(seen, allowed, message_promised=not lost)
        report = report_of(seen) if found else ""
        clean: float | None = None
        if not found and (always_followed or seen.outcome != "succeeded"):
            following = self._loop.run_until_complete(play(stage, [], Random(0)))
            found = [f"the following night: {each}" for each in broken(following, SUCCEEDED)]
            clean, report = following.seconds, report_of(following) if found else ""
            if len(incidents) == 1 and incidents[0].entry.name in KILLED and seen.seconds - clean > RECOVERY:
                found.append(f"recovery: {seen.seconds:.0f} s, and a clean night takes {clean:.0f} s")
        self._played += 1
        if found or self._played >= NIGHTS_OF_A_STAGE:
            self.close()
        return Result(plan, repeat, seen.outcome, seen.seconds, clean, tuple(seen.hits), tuple(found), report)

    def close(self) -> None:
        """Stop everything."""
        if self._stage is not None:
            self._stage.close()
            self._stage = None

    def _open(self) -> Stage:
        if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ENOUGH:
            tempfile.tempdir = str(IN_MEMORY)
        self._stage, self._played = Stage(self._root), 0
        return self._stage


def report_of(seen: Seen) -> str:
    """For whoever looks for the cause: the history, the calls, the rows, the end of the logs."""
    lines = ["history:"]
    for event in seen.history:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        of = event.activity_task_scheduled_event_attributes.activity_type.name
        lines.append(f"  {event.event_id} {event.event_time.ToDatetime():%H:%M:%S.%f} {name} {of}")
    lines.append("calls:")
    lines += [
        f"  {call.region} {call.service} {call.operation} {call.outcome} {call.carried_out}" for call in seen.calls
    ]
    lines.append("rows:")
    lines += [f"  {row.event_key} {row.status} {row.details}" for row in seen.rows]
    lines += ["log:", seen.logs[-6000:]]
    return "\n".join(lines)


_runner: Runner | None = None


def _run_here(root: Path, plan: str, seed: int, always_followed: bool) -> Result:
    """In a process of the pool, which keeps its stage."""
    global _runner  # noqa: PLW0603 - one stage a process, as moto's state is
    if _runner is None:
        _runner = Runner(root)
    try:
        return _runner.run(plan, seed, always_followed=always_followed)
    except Exception as error:  # noqa: BLE001 - the campaign goes on, and says so
        _runner.close()
        return Result(plan, command(plan, seed), "broke off", 0, None, (), (repr(error),))


def _end_with_the_parent() -> None:
    """A pool's process would wait for work for ever if the campaign is killed, and its servers with it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


class Campaign:
    """Several stages side by side, each in a process of its own."""

    def __init__(self, stages: int, root: Path = ROOT) -> None:
        self._root = root
        # Spawned: a fork would hold the lifelines of what this process has started.
        spawned = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(stages, mp_context=spawned, initializer=_end_with_the_parent)

    def submit(self, plan: str, seed: int, *, always_followed: bool = True) -> Future[Result]:
        """Play a night when a stage is free."""
        return self._pool.submit(_run_here, self._root, plan, seed, always_followed)

    def close(self) -> None:
        """The stages end with their processes."""
        self._pool.shutdown(cancel_futures=True)
