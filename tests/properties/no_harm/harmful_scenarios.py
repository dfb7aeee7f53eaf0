"""For each disabled guard a scenario that does harm without it, so that the test need not search for one.

The search in `disabled_guards.py` found them; here is only what the harm needs. If one of them does no harm any more, the
test searches again, and says nothing but takes longer: write down what `find` returns.
"""

from __future__ import annotations

from tests.properties.no_harm.disabled_guards import DELETION_DELAYED, REMOVAL_DELAYED
from tests.properties.no_harm.scenario import (
    UNKNOWN_STATUS,
    ClusterState,
    ConcurrentAction,
    Credentials,
    OptIn,
    OtherSnapshot,
    Place,
    Replication,
    Scenario,
    SnapshotNaming,
    TransientFault,
)
from tests.properties.no_harm.strategies import OTHER_ENVIRONMENTS

COPIES = (
    OtherSnapshot(SnapshotNaming.OLDER_COPY, of_source=False, age=3, number=2),
    OtherSnapshot(SnapshotNaming.OLDER_COPY, of_source=False, age=4, number=3),
)
COPIES_AND_ANOTHER = (
    *COPIES,
    OtherSnapshot(SnapshotNaming.CUSTOM, of_source=False, age=6, number=2),
    OtherSnapshot(SnapshotNaming.AUTOMATED, copy_for="other", age=2, number=3),
)


def _half_restored_then(number: int, *actions: ConcurrentAction, faults: tuple[TransientFault, ...] = ()) -> Scenario:
    """The restore fails at setup-db-users and removes its target; before attempt `number` the actor acts."""
    return Scenario(
        setup_users_fails=True, remove_target=True, actions=tuple((number, action) for action in actions), faults=faults
    )


HARMFUL: dict[str, Scenario] = {
    "target-account": Scenario(credentials=Credentials.CHANGE_AFTER_INTENT, faults=DELETION_DELAYED),
    "target-arn": Scenario(place=Place.SAME, credentials=Credentials.DISAGREE),
    "not-the-source": Scenario(place=Place.SAME, target_is_source=True),
    "opt-in-tag": Scenario(target=ClusterState(opt_in=OptIn.OTHER_SOURCE)),
    "target-environment": Scenario(target=ClusterState(restored_by=OTHER_ENVIRONMENTS)),
    "not-replicated": Scenario(target=ClusterState(replication=Replication.GLOBAL)),
    "deletable-status": Scenario(target=ClusterState(status=UNKNOWN_STATUS)),
    "resource id": Scenario(actions=((4, ConcurrentAction.RECREATE),)),
    "renamed target": Scenario(actions=((6, ConcurrentAction.RENAME),), faults=DELETION_DELAYED),
    "copy is available": Scenario(actions=((5, ConcurrentAction.DELETE_COPY),)),
    "copy is of the selected snapshot": Scenario(actions=((6, ConcurrentAction.SWAP_COPY),)),
    "adopted copy is of the selected snapshot": Scenario(
        snapshots=(OtherSnapshot(SnapshotNaming.THIS_COPY, of_source=False),)
    ),
    "snapshot is still the selected one": Scenario(place=Place.SAME, actions=((6, ConcurrentAction.REMAKE_SNAPSHOT),)),
    "only own copies are pruned": Scenario(snapshots=COPIES_AND_ANOTHER),
    "intent": Scenario(),
    "guards of a half-restored target": _half_restored_then(11, ConcurrentAction.UNTAG),
    "half-restored target was taken over": _half_restored_then(10, ConcurrentAction.TAKE_OVER),
    "half-restored target was taken over after the intent": _half_restored_then(
        14, ConcurrentAction.TAKE_OVER, faults=REMOVAL_DELAYED
    ),
    "half-restored target was renamed after the intent": _half_restored_then(
        14, ConcurrentAction.TAKE_OVER, ConcurrentAction.RENAME, faults=REMOVAL_DELAYED
    ),
    "copy is unfinished": Scenario(
        remove_copy=True, faults=(TransientFault("DescribeDBClusterSnapshots", "http500", 2, 12),)
    ),
    "usable copies are kept": Scenario(keep=2, cleanup=True, snapshots=COPIES),
    "only own copies are orphans": Scenario(keep=2, cleanup=True, snapshots=COPIES_AND_ANOTHER),
    "location of an orphan": Scenario(cleanup=True, twin=True, snapshots=COPIES, credentials=Credentials.DISAGREE),
    "account of a cleanup": Scenario(cleanup=True, twin=True, snapshots=COPIES, credentials=Credentials.OTHER),
    "drill cluster was taken over": Scenario(drill=True, actions=((8, ConcurrentAction.TAKE_OVER),)),
}
"""By the name in `DISABLED_GUARDS`."""
