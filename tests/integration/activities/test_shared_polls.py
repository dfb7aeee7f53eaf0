"""Polls of many restores that share their reads, and everything that shares none: what a change or a guard decides on."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from activities.rds import deletion
from activities.rds.shared_polls import SharedPolls
from activities.rds.target import TargetCluster
from clients import read_guard
from errors import StaleRead
from models.snapshots import SourceSnapshot
from models.step_call import StepOutcome
from models.waits import Interval, Watch
from tests.rigs.activities import ActivityRig, temporal_environment
from tests.rigs.activity_resources import ENGINE, TARGET_REGION
from waiting.only_reads import ChangeDue
from waiting.shared_reads import SHARED_FROM
from waiting.watching import WatchInterceptor

ROOT = Path(__file__).parents[3]
SECOND = timedelta(seconds=1)
WATCH = Watch(first_pause=SECOND / 10, length=20 * SECOND, interval=Interval(shortest=SECOND / 2, longest=SECOND / 2))
"""Two polls a second, until the test has seen enough."""
POLLS = 4


class InThread(ActivityInboundInterceptor):
    """Calls the method in a thread, as the SDK does."""

    def __init__(self) -> None:
        """There is no next one."""

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Needs none."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await asyncio.to_thread(input.fn, *input.args)


class NoHeartbeats(ActivityOutboundInterceptor):
    def __init__(self) -> None:
        """There is no next one."""

    def heartbeat(self, *details: Any) -> None:
        """Nobody reads them."""


async def watch_all(rig: ActivityRig, activity: Callable[[Any], Any], step_inputs: list[Any]) -> list[Any]:
    """The outcomes of these watches, which one worker makes at the same time; what one raises is its outcome."""
    interceptor = WatchInterceptor(threads=4)

    async def watch(step_input: Any) -> Any:
        inbound = interceptor.intercept_activity(InThread())
        inbound.init(NoHeartbeats())
        called = ExecuteActivityInput(activity, [step_input], None, {})
        return await temporal_environment(rig.now).run(inbound.execute_activity, called)

    return await asyncio.gather(*map(watch, step_inputs), return_exceptions=True)


@pytest.fixture
def snapshots(rig: ActivityRig) -> list[SourceSnapshot]:
    """Of each a copy is under way."""
    rig.make_source()
    rig.emulator.quotas.copies_in_progress = 100
    made = [rig.make_snapshot(f"daily-{number}") for number in range(9)]
    for each in made:
        rig.run(rig.snapshots.copy_snapshot, rig.copy_input(each))
    return made


@pytest.mark.parametrize("restores", [2, 9])
async def test_copies_are_polled_with_one_read_for_all(
    rig: ActivityRig, snapshots: list[SourceSnapshot], restores: int
) -> None:
    """After the first poll of each, which does not know of the others; so few that nothing is gained are read by name."""
    inputs = [rig.check_copy_input(each, watch=WATCH) for each in snapshots[:restores]]
    polls: Counter[str] = Counter()

    def poll(step_input: Any) -> StepOutcome:
        outcome = rig.snapshots.check_copy_status(step_input)
        polls[step_input.snapshot_copy.identifier] += 1
        assert outcome.details == "copying"
        return outcome.model_copy(update={"done": len(polls) == restores and min(polls.values()) >= POLLS})

    rig.clear_calls()
    outcomes = await watch_all(rig, poll, inputs)
    assert [each.done for each in outcomes] == [True] * restores
    reads = [call.parameters for call in rig.calls("DescribeDBClusterSnapshots")]
    shared = [each for each in reads if "Filters" in each]
    if restores < SHARED_FROM:
        assert (len(reads), shared) == (polls.total(), [])
    else:
        assert shared
        assert len(reads) <= polls.total() / 2


async def test_a_poll_gets_its_own_cluster_and_can_change_nothing(rig: ActivityRig) -> None:
    """It has no leave to change, and to the read guard it has read nothing, because the shared read is not its own."""
    names = [f"restored-{number}" for number in range(SHARED_FROM)]
    for name in names:
        rig.make_cluster(TARGET_REGION, name)
        rig.rds().create_db_instance(
            DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass="db.r6g.large", Engine=ENGINE
        )
    read_guard._reads_started_at.set(None)  # the test has read; the polls have not
    targets = [rig.target.model_copy(update={"cluster": name}) for name in names]
    seen: dict[str, set[str]] = {}
    refusals: set[type[Exception]] = set()

    def poll(step_input: Any) -> StepOutcome:
        shared = SharedPolls(rig.aws, step_input.target, step_input.operation_id)
        cluster, instances = shared.find_cluster(), shared.find_instances()
        if cluster is not None and instances is not None:
            found = {cluster["DBClusterIdentifier"], *(each["DBInstanceIdentifier"] for each in instances)}
            seen.setdefault(step_input.target.cluster, set()).update(found)
            target = TargetCluster(rig.aws, step_input.target, step_input.operation_id)
            for change in (target.delete_cluster, partial(deletion.delete_cluster, target.reader, target.name)):
                with pytest.raises((ChangeDue, StaleRead)) as refused:
                    change()
                refusals.add(refused.type)
        return StepOutcome(done=len(seen) == len(names), details="creating")

    await watch_all(rig, poll, [rig.check_restore_input("cluster-ID", target=each, watch=WATCH) for each in targets])
    assert seen == {name: {name, f"{name}-1"} for name in names}
    assert refusals == {ChangeDue, StaleRead}


CALL_SITES = {
    "activities/snapshots.py": {"check_copy_status"},
    "activities/clusters/replacement.py": {"_is_being_deleted"},
    "activities/clusters/restored.py": {"check_restore_status"},
}
"""The polls that may share; what delete-rds deletes it reads itself."""


def test_only_these_polls_share_their_reads() -> None:
    """No guard, no deletion and no other change can reach what other restores have read."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "activities").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(_makes_shared_polls(node) for node in ast.walk(function)):
                found.setdefault(str(path.relative_to(ROOT)), set()).add(function.name)
    assert found == CALL_SITES


def _makes_shared_polls(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "SharedPolls"
