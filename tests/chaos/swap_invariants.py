"""What must be true of a restore that swaps names: for the two clusters, and for a client that logs in all the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audit.rows import Phase
from devstack.aws import RecordedCall
from devstack.demo_environment import TARGET
from models.steps import Housekeeping, Status, Step
from models.swap import NEXT, OLD
from tests.chaos.login_watch import CONNECT_S, Data
from tests.chaos.observation import Observation

MAX_ABSENCE_SECONDS = 15 + 10 + 2 + 30
"""How long nobody may answer, in a killed worker's restore: heartbeat timeout, sticky queue, first retry, the swap itself."""
MAX_LOGIN_SECONDS = 2 * CONNECT_S + 1
"""From one answer to the next, if a login on a busy machine takes too long."""
SWAP_CHANGES = frozenset({"StopDBCluster", "StartDBCluster"})
"""With which only a swap changes something."""


def swap(observation: Observation) -> Iterator[str]:
    """One cluster has the target's name, and it answers: the new one after a success, else the old one as it was."""
    watch = observation.watch
    if watch is None:
        return
    # A cancellation that comes after the last poll of the swap leaves the old cluster, as its message says.
    is_swapped = observation.outcome == "succeeded" or is_cancelled_after(observation)
    if observation.after.names != ({TARGET, TARGET + OLD} if is_cancelled_after(observation) else {TARGET}):
        yield f"the clusters are {', '.join(sorted(observation.after.names))}"
    if Data.HALF in watch.sequence:
        yield "a cluster with the target's name answered without its data"
    if watch.absence > MAX_ABSENCE_SECONDS:
        yield f"nobody answered for {watch.absence:.0f} s"
    read = [answer for answer in watch.sequence if answer is not None]
    changes = [answer for number, answer in enumerate(read) if number == 0 or answer != read[number - 1]]
    if is_swapped:
        if changes != [Data.OLD, Data.NEW] or watch.sequence[-1] is not Data.NEW:
            yield f"the client read {watch.sequence}"
        return
    yield from _old_cluster(observation)
    # A rollback comes after the client has read the new data.
    if changes not in ([Data.OLD], [Data.OLD, Data.NEW, Data.OLD]) or watch.sequence[-1] is not Data.OLD:
        yield f"the restore {observation.outcome}, but the client read {watch.sequence}"
    if not any(map(is_rename, observation.calls)) and watch.absence > MAX_LOGIN_SECONDS:
        yield f"nothing was renamed, but nobody answered for {watch.absence:.1f} s"


def is_cancelled_after(observation: Observation) -> bool:
    """Whether the restore was cancelled when the clusters were swapped, before the old one was deleted."""
    ended = {(row.step, row.status) for row in observation.rows if row.phase is Phase.OUTCOME}
    is_swapped = (Step.SWAP_CLUSTERS, Status.SUCCESS) in ended and (Housekeeping.SWAP_BACK, Status.SUCCESS) not in ended
    return observation.outcome == "cancelled" and is_swapped


def _old_cluster(observation: Observation) -> Iterator[str]:
    """Settings, tags, resource id and data are those of before."""
    before, after = _without_times(observation.before.target), _without_times(observation.after.target)
    yield from (
        f"{name} of the old cluster was {before.get(name)} and is {after.get(name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )
    if observation.settings != observation.expected_settings:
        yield f"the settings of the old cluster are {observation.settings}"
    assert observation.watch is not None
    first, last = observation.watch.checksums
    if first != last:
        yield f"the data of the old cluster had the checksum {first}, and has {last}"


def _without_times(cluster: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (cluster or {}).items() if not name.endswith("RestorableTime")}


def is_rename(call: RecordedCall) -> bool:
    """Whether the call gives a cluster another name."""
    return call.operation == "ModifyDBCluster" and "NewDBClusterIdentifier" in call.parameters


def deletions(observation: Observation) -> Iterator[str]:
    """The old cluster is deleted under its other name after the last rename, and the restored one only if that failed."""
    effective = [call for call in observation.calls if call.carried_out]
    last_rename = max((number for number, call in enumerate(effective) if is_rename(call)), default=-1)
    allowed = TARGET + (OLD if observation.outcome == "succeeded" else NEXT)
    for number, call in enumerate(effective):
        if call.operation == "DeleteDBCluster":
            name = call.parameters["DBClusterIdentifier"]
            if name != allowed:
                yield f"the restore {observation.outcome}, and {name} was deleted"
            if number < last_rename:
                yield f"{name} was deleted before the last rename"
