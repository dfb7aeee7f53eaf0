"""The campaign: a seed gives a plan, a plan is one restore with faults, and a restore without faults follows it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Thread

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from tests.chaos.aws_operations import AWS_OPERATIONS
from tests.chaos.campaign_fault import SUCCEEDED, CampaignFault
from tests.chaos.environment import WORKER, CampaignEnvironment
from tests.chaos.injectors.swap import LIMITS as SWAP_LIMITS
from tests.chaos.invariants import broken_promises, failure_message
from tests.chaos.observation import Observation
from tests.chaos.plans import FAULTS, PlannedFault, parse_plan
from tests.chaos.restore_run import run_restore
from tests.chaos.swap_invariants import is_cancelled_after

NO_FAULTS = ""
"""The plan of a restore without faults."""
NEXT_RESTORE = "the next restore: "
"""Begins a broken promise of the restore without faults that follows."""
WORKER_KILLS = (
    "killed-before-effect", "killed-after-effect", "killed-at-random", "one-of-two-killed", "swap-killed-before-effect",
    "swap-killed-after-effect",
)  # fmt: skip
MAX_RECOVERY_SECONDS = 15 + 10 + 2 + 15
"""What a killed worker may cost: heartbeat timeout, sticky queue, first retry, and 15 s beyond these."""
IN_MEMORY, MIN_FREE_BYTES = Path("/dev/shm"), 4 << 30
"""Where the databases' files are copied fastest, and how much must be free there."""
SINGLE_FAULT_PLANS: tuple[str, ...] = tuple(
    f"{fault.name}@{place}" for fault in FAULTS.values() for place in fault.places
)
"""Each fault at each of its places: the plans of the first seeds."""
RESTORES_PER_ENVIRONMENT = 12
"""After so many plans a new environment is made: its tables grow, and moto slows down with their size."""
SLOW_FAULTS = ("temporal-frozen-long", "database-hangs-long")
"""Too slow for a random plan."""


def plan_for_seed(seed: int) -> str:
    """The plan of a seed: first each fault by itself, then two or three at random."""
    if seed < len(SINGLE_FAULT_PLANS):
        # Shuffled, so that any range of seeds has faults of every kind.
        return Random(4).sample(SINGLE_FAULT_PLANS, len(SINGLE_FAULT_PLANS))[seed]
    random = Random(seed)
    faults: list[CampaignFault] = []
    for _ in range(random.choice((2, 2, 3))):
        used = {fault.subject for fault in faults} - {"aws"}
        combined = [fault for fault in FAULTS.values() if fault.is_combined and fault.name not in SLOW_FAULTS]
        candidates = [fault for fault in combined if fault.subject not in used]
        faults.append(random.choice(candidates))
    return " + ".join(_at_random_place(fault, random) for fault in faults)


def _at_random_place(fault: CampaignFault, random: Random) -> str:
    place = random.choice(fault.places)
    calls = AWS_OPERATIONS.get(place, 1)
    return f"{fault.name}@{place}#{random.randint(1, calls)}" if calls > 1 else f"{fault.name}@{place}"


def replay_command(plan: str, seed: int) -> str:
    """The command that runs a plan again."""
    return f"python -m tests.chaos --plan '{plan}' --seed {seed}"


@dataclass(frozen=True)
class Result:
    """The result of one plan."""

    plan: str
    replay: str
    """The command that runs it again."""
    outcome: str
    seconds: float
    undisturbed_seconds: float | None
    """How long the restore without faults took that followed; None if none followed."""
    injections: tuple[tuple[str, str], ...]
    """Each injected fault, with the step that was running."""
    broken: tuple[str, ...]
    """The broken promises."""
    report: str = field(default="", repr=False)
    absence: float | None = None
    """The longest time in seconds in which a client could not log in; None without a swap."""
    acts: tuple[str, ...] = ()
    """What the operator did to Temporal's runs, and the error of the last one."""

    @property
    def survived(self) -> bool:
        """Whether every promise held."""
        return not self.broken


class Runner:
    """Runs plans one after the other in an environment, which it replaces after a broken promise."""

    def __init__(self, worker: Sequence[str | Path] = WORKER) -> None:
        """`worker` is the command that starts one."""
        self._worker = worker
        self._environment: CampaignEnvironment | None = None
        self._restores = 0
        self._loop = asyncio.new_event_loop()

    def run(self, plan: str, seed: int, *, always_run_next: bool = True) -> Result:
        """Run a plan and check every promise; then run a restore without faults, which must succeed.

        Without `always_run_next` a plan that succeeded is the last: it shows already that restores succeed.
        """
        environment = self._environment or self._open_environment()
        faults = parse_plan(plan)
        observation = self._loop.run_until_complete(run_restore(environment, faults, Random(seed)))
        message_promised = not any(fault.prevents_message for fault in faults)
        broken = broken_promises(observation, _allowed_outcomes(faults), message_promised=message_promised)
        report = report_of(observation) if broken else ""
        undisturbed: Observation | None = None
        # The next swap is refused until an operator has removed an old cluster that a cancellation has left.
        is_left = is_cancelled_after(observation)
        if not broken and not is_left and (always_run_next or observation.outcome != "succeeded"):
            swap = SWAP_LIMITS if observation.watch is not None else None
            undisturbed = self._loop.run_until_complete(run_restore(environment, [], Random(0), swap))
            broken = [f"{NEXT_RESTORE}{each}" for each in broken_promises(undisturbed, SUCCEEDED)]
            report = report_of(undisturbed) if broken else ""
            broken += _slow_recovery(faults, observation, undisturbed)
        self._restores += 1
        if broken or is_left or self._restores >= RESTORES_PER_ENVIRONMENT:
            self.close()
        return Result(
            plan=plan,
            replay=replay_command(plan, seed),
            outcome=observation.outcome,
            seconds=observation.seconds,
            undisturbed_seconds=undisturbed.seconds if undisturbed else None,
            injections=tuple(observation.injections),
            broken=tuple(broken),
            report=report,
            absence=observation.watch.absence if observation.watch else None,
            acts=(*observation.acts, failure_message(observation)),
        )

    def close(self) -> None:
        """Stop the environment."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _open_environment(self) -> CampaignEnvironment:
        if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > MIN_FREE_BYTES:
            tempfile.tempdir = str(IN_MEMORY)
        self._environment, self._restores = CampaignEnvironment(self._worker), 0
        return self._environment


def _allowed_outcomes(faults: list[PlannedFault]) -> frozenset[str]:
    if not faults:
        return SUCCEEDED
    allowed: frozenset[str] = frozenset().union(*(fault.outcomes for fault in faults))
    # One of several faults may end the step in which another one would have been injected.
    return allowed | SUCCEEDED if len(faults) > 1 else allowed


def _slow_recovery(faults: list[PlannedFault], observation: Observation, undisturbed: Observation) -> list[str]:
    if len(faults) != 1 or faults[0].name not in WORKER_KILLS:
        return []
    if observation.seconds - undisturbed.seconds <= MAX_RECOVERY_SECONDS:
        return []
    return [f"recovery: {observation.seconds:.0f} s; an undisturbed restore takes {undisturbed.seconds:.0f} s"]


def report_of(observation: Observation) -> str:
    """What is needed to find the cause: the history, the calls, the rows, the end of the logs."""
    lines = ["what the operator did:", *(f"  {act}" for act in observation.acts)]
    for operation in observation.operations:
        for run in operation.runs:
            lines.append(f"history of {operation.operation_id}, run {run.run_id}, {run.outcome}:")
            lines += [_describe_event(event) for event in run.history]
    lines.append("calls:")
    lines += [
        f"  {call.region} {call.service} {call.operation} {call.outcome} {call.carried_out}"
        for call in observation.calls
    ]
    for operation in observation.operations:
        lines.append(f"rows of {operation.operation_id}:")
        lines += [f"  {row.event_key} {row.status} {row.details}" for row in operation.rows]
    lines += ["log:", observation.logs[-6000:]]
    return "\n".join(lines)


def _describe_event(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    activity = event.activity_task_scheduled_event_attributes.activity_type.name
    failure = event.workflow_execution_failed_event_attributes.failure.message
    reason = event.workflow_execution_terminated_event_attributes.reason
    return f"  {event.event_id} {event.event_time.ToDatetime():%H:%M:%S.%f} {name} {activity}{failure}{reason}"


_runner: Runner | None = None


def _run_in_process(worker: Sequence[str | Path], plan: str, seed: int, always_run_next: bool) -> Result:
    """Run a plan in a process of the pool, which keeps its environment for the next one."""
    global _runner  # noqa: PLW0603 - one environment per process, because moto's state is per process
    if _runner is None:
        _runner = Runner(worker)
    try:
        return _runner.run(plan, seed, always_run_next=always_run_next)
    except Exception as error:  # noqa: BLE001 - the campaign continues and reports it
        _runner.close()
        return Result(plan, replay_command(plan, seed), "aborted", 0, None, (), (repr(error),))


def _end_with_parent() -> None:
    """End this process, and with it its servers, when the campaign's process ends, also by SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


class Campaign:
    """Runs plans in several environments in parallel, each in a process of its own."""

    def __init__(self, environments: int, worker: Sequence[str | Path] = WORKER) -> None:
        """`worker` is the command that starts one."""
        self._worker = worker
        # Spawned, because a forked process would hold open the lifelines of this process's servers.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(environments, mp_context=spawn, initializer=_end_with_parent)

    def submit(self, plan: str, seed: int, *, always_run_next: bool = True) -> Future[Result]:
        """Run a plan when an environment is free."""
        return self._pool.submit(_run_in_process, self._worker, plan, seed, always_run_next)

    def close(self) -> None:
        """Cancel the plans that have not begun and wait for the others; their environments stop with the processes."""
        self._pool.shutdown(cancel_futures=True)
