"""The campaign: a seed is a plan, a plan is a night, and after it comes a night into which nothing comes."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from temporalio.api.enums.v1 import EventType

from devstack.pipeline import ROOT
from tests.faults.faults import FAULTS, OPERATIONS, incidents_of
from tests.faults.invariants import SUCCEEDED, broken
from tests.faults.night import Seen, play
from tests.faults.stage import Stage

CLEAN = ""
"""The plan of a night into which nothing comes."""
SINGLES: tuple[str, ...] = tuple(f"{entry.name}@{place}" for entry in FAULTS.values() for place in entry.places)
"""Each fault at each of its places, once: the seeds below their number."""
SLOW = ("temporal-away-long",)
"""Too slow to be drawn again at random."""


def plan_of(seed: int) -> str:
    """Which faults a seed stands for: one by one at first, then two or three at random."""
    if seed < len(SINGLES):
        # Not in the table's order, so that any stretch of seeds has something of everything.
        return Random(4).sample(SINGLES, len(SINGLES))[seed]
    chance = Random(seed)
    return " + ".join(_at_random(chance) for _ in range(chance.choice((2, 2, 3))))


def _at_random(chance: Random) -> str:
    entry = FAULTS[chance.choice([name for name in FAULTS if name not in SLOW])]
    place = chance.choice(entry.places)
    times = OPERATIONS.get(place, 1)
    return f"{entry.name}@{place}#{chance.randint(1, times)}" if times > 1 else f"{entry.name}@{place}"


@dataclass(frozen=True)
class Result:
    """How one seed went."""

    plan: str
    repeat: str
    """The command that repeats it."""
    outcome: str
    seconds: float
    extra: float
    """Seconds beyond a clean night of the same stage."""
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
        self._loop = asyncio.new_event_loop()

    def run(self, plan: str, seed: int, *, always_followed: bool = True) -> Result:
        """The plan's night and its morning; then the following night, always or when this one did not succeed."""
        stage = self._stage or self._open()
        incidents = incidents_of(plan)
        repeat = f"python -m tests.faults --plan '{plan}' --seed {seed}"
        seen = self._loop.run_until_complete(play(stage, incidents, Random(seed)))
        allowed = frozenset().union(*(each.endings for each in incidents)) if incidents else SUCCEEDED
        if len(incidents) > 1:
            allowed |= SUCCEEDED  # the one may keep the other from striking
        lost = any(each.entry.message_lost(each.place) for each in incidents)
        found = broken(seen, allowed, message_promised=not lost)
        report = report_of(seen) if found else ""
        if not found and incidents and (always_followed or seen.outcome != "succeeded"):
            found, report = self._following_night(stage)
        if found:
            self.close()
        baseline = median(stage.clean_seconds) if stage.clean_seconds else seen.seconds
        if not incidents:
            stage.clean_seconds.append(seen.seconds)
        return Result(
            plan,
            repeat,
            seen.outcome,
            seen.seconds,
            max(seen.seconds - baseline, 0.0),
            tuple(seen.hits),
            tuple(found),
            report,
        )

    def close(self) -> None:
        """Stop everything."""
        if self._stage is not None:
            self._stage.close()
            self._stage = None

    def _open(self) -> Stage:
        self._stage = Stage(self._root)
        first = self._loop.run_until_complete(play(self._stage, [], Random(0)))
        self._stage.clean_seconds.append(first.seconds)
        return self._stage

    def _following_night(self, stage: Stage) -> tuple[list[str], str]:
        seen = self._loop.run_until_complete(play(stage, [], Random(0)))
        found = [f"the following night: {each}" for each in broken(seen, SUCCEEDED)]
        stage.clean_seconds.append(seen.seconds)
        return found, report_of(seen) if found else ""


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
        return Result(
            plan, f"python -m tests.faults --plan '{plan}' --seed {seed}", "broke off", 0, 0, (), (repr(error),)
        )


class Campaign:
    """Several stages side by side, each in a process of its own."""

    def __init__(self, stages: int, root: Path = ROOT) -> None:
        self._root = root
        # Spawned: a fork would hold the lifelines of what this process has started.
        self._pool = ProcessPoolExecutor(stages, mp_context=multiprocessing.get_context("spawn"))

    def submit(self, plan: str, seed: int, *, always_followed: bool = True) -> Future[Result]:
        """Play a night when a stage is free."""
        return self._pool.submit(_run_here, self._root, plan, seed, always_followed)

    def close(self) -> None:
        """The stages end with their processes."""
        self._pool.shutdown(cancel_futures=True)
