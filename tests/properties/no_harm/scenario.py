"""A world as data: what there is, what goes wrong, who meddles, and what the request asks for.

Everything has a plain first value, to which Hypothesis shrinks: a broken promise is told by the few things that differ.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

HERE, ELSEWHERE, NOBODYS, EMPTY = "111122223333", "444455556666", "777788889999", "000011112222"
"""The worker's and the source's account, the one that other targets are in, and one that has nothing to do with it."""
SOURCE_REGION, TARGET_REGION = "eu-west-1", "eu-central-1"
SOURCE, TARGET = "orders", "staging"


class Place(StrEnum):
    """Where the target is, seen from the source."""

    REGION = "another region"
    SAME = "the same region"
    ACCOUNT = "another account"
    BOTH = "another region of another account"

    @property
    def account(self) -> str:
        """The target's account."""
        return ELSEWHERE if self in (Place.ACCOUNT, Place.BOTH) else HERE

    @property
    def region(self) -> str:
        """The target's region."""
        return TARGET_REGION if self in (Place.REGION, Place.BOTH) else SOURCE_REGION


class OptIn(StrEnum):
    """What the tag on a cluster says."""

    OURS = "may be replaced by the source"
    NONE = "no tag"
    OTHER = "may be replaced by another source"


class Tie(StrEnum):
    """What binds a cluster to others."""

    NONE = "none"
    GLOBAL = "member of a global database"
    REPLICA = "replicates another"
    REPLICATED = "is replicated"


UNHEARD_OF = "quarantined"
"""A status that the pipeline does not know."""


@dataclass(frozen=True)
class ClusterState:
    """A cluster as its owner left it."""

    opt_in: OptIn = OptIn.OURS
    protected: bool = False
    tie: Tie = Tie.NONE
    status: str = "available"
    instances: int = 2
    last_instance: str = "available"


@dataclass(frozen=True)
class Bystander:
    """A cluster that is none of the night's business, however much it looks like it."""

    account: str
    region: str
    name: str
    state: ClusterState = ClusterState()
    instance: str | None = None
    """The name of its instance; None means after the cluster."""


class Naming(StrEnum):
    """How a snapshot in the target's region is named."""

    TONIGHT = "as tonight's copy will be"
    PATTERN = "as an older copy of ours"
    ALIKE = "nearly as ours"
    OWN = "as its owner likes"
    AUTOMATED = "by RDS"


@dataclass(frozen=True)
class OtherSnapshot:
    """A snapshot in the target's region: a left-over of ours, or somebody's."""

    naming: Naming
    copy_for: str | None = "target"
    """What its tag says: for our target, for another one, or nothing."""
    of_source: bool = True
    """Whether it is a copy of the snapshot that the night chooses."""
    status: str = "available"
    age: int = 1
    """Days."""
    number: int = 0
    """Tells those of one naming apart."""


class Credentials(StrEnum):
    """Whose credentials the worker has."""

    RIGHT = "the right ones"
    ANOTHERS = "another account's"
    DISAGREE = "STS says the right account, RDS answers as another's"
    CHANGE = "another account's, from the question who one is until the end of a step that deletes"
    CHANGE_LATE = "an empty account's in delete-rds, once the trail announces the deletion"


class Meddling(StrEnum):
    """What somebody else does between two attempts."""

    LATER = "minutes pass"
    UNTAG = "take the opt-in tag away"
    RETAG = "opt in to another source"
    PROTECT = "switch deletion protection on"
    JOIN_GLOBAL = "make the target a member of a global database"
    REPLICATE = "make a replica of the target"
    STOP = "stop the target"
    QUARANTINE = "the target gets a status that nobody knows"
    RENAME = "rename the target"
    REPLACE = "rename the target and make another of its name, opted in"
    RECREATE = "delete the target and make another of its name, opted in"
    DELETE_TARGET = "delete the target"
    TAKE_OVER = "take the operation's marks off the target, to keep it"
    SOURCE_TAKES_NAME = "delete the target and rename the source to its name, opted in"
    ADD_INSTANCE = "add a reader to the target"
    DELETE_INSTANCE = "delete the target's writer"
    DELETE_COPY = "delete tonight's copy"
    FAIL_COPY = "tonight's copy fails"
    SWAP_COPY = "delete tonight's copy and put one of another snapshot under its name and tags"
    DELETE_SNAPSHOT = "delete the source snapshot"
    REMAKE_SNAPSHOT = "delete the source snapshot and take another under its name"
    KEEP_A_COPY = "copy a copy of ours, with its tags, under a name of one's own"


WEATHER = ("throttle", "http500", "reset-before", "reset-after")
CALLED = (
    "*",
    "CopyDBClusterSnapshot",
    "DeleteDBInstance",
    "DeleteDBCluster",
    "RestoreDBClusterFromSnapshot",
    "CreateDBInstance",
    "ModifyDBCluster",
    "AddTagsToResource",
    "DeleteDBClusterSnapshot",
    "DescribeDBClusters",
    "DescribeDBClusterSnapshots",
)


@dataclass(frozen=True)
class Weather:
    """Calls that go wrong."""

    operation: str
    kind: str
    skip: int
    count: int


@dataclass(frozen=True)
class Scenario:
    """One world and what happens in it. Moments are numbers of attempts, counted through the night."""

    place: Place = Place.REGION
    encrypted: bool = True
    select: str = "named"
    """named, prefix or newest (automated)."""
    source_gone: bool = False
    target: ClusterState | None = ClusterState()
    target_named_as_source: bool = False
    target_is_source: bool = False
    """The source cluster was renamed to the target's name, and opted in."""
    create_missing: bool = False
    keep: int = 1
    users_fail: bool = False
    """The night ends at setup-db-users, its target half-restored."""
    remove_copy: bool = False
    """A night that fails removes its unfinished copy."""
    remove_target: bool = False
    """A night that fails removes what it half-restored."""
    cleanup: bool = False
    """After the night, orphans are removed."""
    bystanders: tuple[Bystander, ...] = ()
    twin: bool = False
    """The third account has the same clusters and snapshots."""
    snapshots: tuple[OtherSnapshot, ...] = ()
    credentials: Credentials = Credentials.RIGHT
    lag: int = 0
    """Seconds until a new resource is seen."""
    meddling: tuple[tuple[int, Meddling], ...] = ()
    weather: tuple[Weather, ...] = ()
    deaths: frozenset[int] = frozenset()
    """Numbers of calls after which the worker dies."""
    twice: frozenset[int] = frozenset()
    """Attempts that are made again at once, their answer lost."""
    stale: tuple[tuple[int, int], ...] = ()
    """Moments at which an earlier attempt, by its number, is made again."""


def differences(plain: object, other: object) -> str:
    """What sets a scenario apart from the plain one, a line for each, for whoever reads a broken promise."""
    lines = []
    for each in fields(other):  # type: ignore[arg-type]
        usual, value = getattr(plain, each.name), getattr(other, each.name)
        if value != usual:
            inner = differences(usual, value) if type(value) is type(usual) and is_dataclass(value) else repr(value)
            lines.append(f"{each.name}: {inner}")
    return "\n".join(lines)


def mostly(usual: T, *unusual: T, share: int = 8) -> st.SearchStrategy[T]:
    """The usual value `share` times in ten."""
    return st.sampled_from([usual] * share + [unusual[n % len(unusual)] for n in range(10 - share)])


def cluster_states() -> st.SearchStrategy[ClusterState]:
    """Most clusters are there for the taking, so that what keeps the pipeline away is one thing at a time."""
    return st.builds(
        ClusterState,
        opt_in=mostly(OptIn.OURS, OptIn.NONE, OptIn.OTHER, share=9) | mostly(OptIn.OURS, OptIn.NONE, OptIn.OTHER),
        protected=mostly(False, True, share=9),
        tie=mostly(Tie.NONE, *list(Tie)[1:], share=7) | st.just(Tie.NONE),
        status=mostly("available", "stopped", "deleting", UNHEARD_OF, "creating", "failed", share=5)
        | st.just("available"),
        instances=mostly(2, 0, 1, 3),
        last_instance=mostly("available", "deleting", "creating"),
    )


def bystanders() -> st.SearchStrategy[Bystander]:
    """Clusters that could be mistaken for the target."""
    return st.builds(
        Bystander,
        account=st.sampled_from([HERE, ELSEWHERE, NOBODYS]),
        region=st.sampled_from([SOURCE_REGION, TARGET_REGION]),
        name=st.sampled_from([TARGET, SOURCE, f"{TARGET}-1", f"{TARGET}-old", "billing"]),
        state=cluster_states(),
        instance=st.sampled_from([None, f"{TARGET}-2", f"{TARGET}-1"]),
    )


def other_snapshots() -> st.SearchStrategy[OtherSnapshot]:
    """Snapshots that could be mistaken for ours, and ours."""
    return st.builds(
        OtherSnapshot,
        naming=st.sampled_from([Naming.PATTERN, *Naming]),
        copy_for=mostly("target", "other", None, share=7),
        of_source=st.booleans(),
        status=mostly("available", "failed", "copying", share=7),
        age=st.integers(0, 9),
        number=st.integers(0, 3),
    )


MOMENTS = st.integers(0, 22)


def weather() -> st.SearchStrategy[Weather]:
    """A few calls that go wrong, each as often as botocore and Temporal together bear, or more often."""
    return st.builds(
        Weather, st.sampled_from(CALLED), st.sampled_from(WEATHER), st.integers(0, 5), mostly(1, 2, 3, 9, share=6)
    )


def scenarios(place: Place) -> st.SearchStrategy[Scenario]:
    """All worlds with the target in this place."""
    return st.builds(
        Scenario,
        place=st.just(place),
        encrypted=st.booleans(),
        select=st.sampled_from(["named", "prefix", "newest"]),
        source_gone=mostly(False, True, share=9),
        target=mostly(True, False, share=9).flatmap(lambda there: cluster_states() if there else st.none()),
        target_named_as_source=mostly(False, True),
        target_is_source=mostly(False, True, share=9),
        create_missing=st.booleans(),
        keep=st.integers(1, 3),
        users_fail=mostly(False, True, share=7),
        remove_copy=st.booleans(),
        remove_target=st.booleans(),
        cleanup=mostly(False, True, share=7),
        bystanders=st.lists(bystanders(), max_size=3).map(tuple),
        twin=mostly(False, True),
        snapshots=st.lists(other_snapshots(), max_size=4).map(tuple),
        credentials=mostly(Credentials.RIGHT, *list(Credentials)[1:], share=7),
        lag=mostly(0, 90),
        meddling=st.lists(st.tuples(MOMENTS, st.sampled_from(Meddling)), max_size=3).map(tuple),
        weather=st.lists(weather(), max_size=2).map(tuple),
        deaths=st.frozensets(st.integers(1, 60), max_size=2),
        twice=st.frozensets(MOMENTS, max_size=2),
        stale=st.lists(st.tuples(MOMENTS, MOMENTS), max_size=2).map(tuple),
    )
