"""A scenario as data: which resources exist, what goes wrong, what a concurrent actor does, what the request asks for.

Every field has a plain default. A report of a broken invariant lists only the fields that differ from it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum

SOURCE_ACCOUNT, TARGET_ACCOUNT = "111122223333", "444455556666"
"""The account of the worker and the source, and the one of a target in another account."""
UNRELATED_ACCOUNT, EMPTY_ACCOUNT = "777788889999", "000011112222"
SOURCE_REGION, TARGET_REGION = "eu-west-1", "eu-central-1"
SOURCE, TARGET = "orders", "staging"
UNKNOWN_STATUS = "quarantined"
"""A status that the pipeline does not know."""


class Place(StrEnum):
    """Where the target is, relative to the source."""

    OTHER_REGION = "another region"
    SAME = "the same region"
    OTHER_ACCOUNT = "another account"
    OTHER_REGION_AND_ACCOUNT = "another region of another account"

    @property
    def account(self) -> str:
        """The target's account."""
        return TARGET_ACCOUNT if self in OTHER_ACCOUNTS else SOURCE_ACCOUNT

    @property
    def region(self) -> str:
        """The target's region."""
        return TARGET_REGION if self in (Place.OTHER_REGION, Place.OTHER_REGION_AND_ACCOUNT) else SOURCE_REGION


OTHER_ACCOUNTS = (Place.OTHER_ACCOUNT, Place.OTHER_REGION_AND_ACCOUNT)
WITH_COPY = (Place.OTHER_REGION, Place.OTHER_ACCOUNT, Place.OTHER_REGION_AND_ACCOUNT)
"""The places for which the restore needs a copy of the snapshot."""


class OptIn(StrEnum):
    """What a cluster's opt-in tag says."""

    THIS_SOURCE = "the source may replace it"
    NONE = "no tag"
    OTHER_SOURCE = "another source may replace it"


class Replication(StrEnum):
    """How a cluster takes part in replication."""

    NONE = "none"
    GLOBAL = "member of a global database"
    REPLICA = "replicates another cluster"
    REPLICATED = "another cluster replicates it"


@dataclass(frozen=True)
class ClusterState:
    """A cluster as its owner left it."""

    opt_in: OptIn = OptIn.THIS_SOURCE
    restored_by: str | None = None
    """The operation that restored it, as its tag says."""
    protected: bool = False
    replication: Replication = Replication.NONE
    status: str = "available"
    instances: int = 2
    last_instance_status: str = "available"


@dataclass(frozen=True)
class OtherCluster:
    """A cluster that is neither source nor target, but may be similar to them."""

    account: str
    region: str
    name: str
    state: ClusterState = ClusterState()
    instance: str | None = None
    """The name of its first instance; None derives it from the cluster's name."""


class SnapshotNaming(StrEnum):
    """How a snapshot in the target's region is named."""

    THIS_COPY = "like this operation's copy"
    OLDER_COPY = "like an older copy of the pipeline"
    SIMILAR = "almost like a copy of the pipeline"
    CUSTOM = "by its owner"
    AUTOMATED = "by RDS"


@dataclass(frozen=True)
class OtherSnapshot:
    """A snapshot that exists in the target's region before the restore: the pipeline's, or anybody's."""

    naming: SnapshotNaming
    copy_for: str | None = "target"
    """What its tag says: this target, another one, or nothing."""
    of_source: bool = True
    """Whether it is a copy of the snapshot that this restore selects."""
    status: str = "available"
    age: int = 1
    """In days."""
    number: int = 0
    """Distinguishes snapshots of one naming."""


class Credentials(StrEnum):
    """Which account the worker's credentials belong to."""

    CORRECT = "the target's account"
    OTHER = "another account"
    DISAGREE = "STS answers for the target's account, RDS for another one"
    CHANGE_IN_DELETION = "another account, from GetCallerIdentity to the end of a step that deletes"
    CHANGE_AFTER_INTENT = "an empty account, in delete-rds once the trail holds its intent"


class ConcurrentAction(StrEnum):
    """What another user with access does between two attempts; to the cluster of a drill, once there is one."""

    WAIT = "let ten minutes pass"
    UNTAG = "remove the target's opt-in tag"
    RETAG = "opt the target in to another source"
    PROTECT = "switch on the target's deletion protection"
    JOIN_GLOBAL = "make the target a member of a global database"
    REPLICATE = "create a replica of the target"
    STOP = "stop the target"
    QUARANTINE = "give the target a status that the pipeline does not know"
    RENAME = "rename the target"
    REPLACE = "rename the target and create another cluster of its name, opted in"
    RECREATE = "delete the target and create another cluster of its name, opted in"
    DELETE_TARGET = "delete the target"
    TAKE_OVER = "remove the operation's tags from the target, to keep it"
    SOURCE_TAKES_NAME = "delete the target and rename the source to its name, opted in"
    ADD_INSTANCE = "add a reader to the target"
    DELETE_INSTANCE = "delete the target's writer"
    DELETE_COPY = "delete this operation's copy"
    FAIL_COPY = "let this operation's copy fail"
    SWAP_COPY = "replace this operation's copy by one of another snapshot, with the same name and tags"
    DELETE_SNAPSHOT = "delete the source snapshot"
    REMAKE_SNAPSHOT = "delete the source snapshot and create another one of its name"
    KEEP_A_COPY = "copy a copy of the pipeline, with its tags, under another name"


@dataclass(frozen=True)
class TransientFault:
    """RDS calls that fail: the first `skip` calls of the operation succeed, the next `count` fail."""

    operation: str
    """"*" means every operation."""
    kind: str
    """A kind of fault of the emulator's fault injector."""
    skip: int
    count: int


@dataclass(frozen=True)
class Scenario:
    """One scenario. Attempts of activities are numbered from 0 through the whole operation."""

    place: Place = Place.OTHER_REGION
    encrypted: bool = True
    selector: str = "named"
    """named, prefix, or newest (automated)."""
    source_is_gone: bool = False
    target: ClusterState | None = ClusterState()
    target_has_sources_name: bool = False
    target_is_source: bool = False
    """The source cluster was renamed to the target's name, and opted in."""
    create_missing: bool = False
    drill: bool = False
    """The request restores beside the target, and removes what it restored."""
    keep: int = 1
    setup_users_fails: bool = False
    """The restore ends at setup-db-users, with its target half-restored."""
    remove_copy: bool = False
    """A restore that fails removes its unfinished copy."""
    remove_target: bool = False
    """A restore that fails removes its half-restored target."""
    cleanup: bool = False
    """A cleanup removes orphans after the restore."""
    other_clusters: tuple[OtherCluster, ...] = ()
    twin: bool = False
    """The unrelated account has clusters and snapshots of the same names."""
    snapshots: tuple[OtherSnapshot, ...] = ()
    credentials: Credentials = Credentials.CORRECT
    visibility_lag: int = 0
    """Seconds until RDS shows a new resource."""
    actions: tuple[tuple[int, ConcurrentAction], ...] = ()
    """What a concurrent actor does, by the number of the attempt before which it happens."""
    faults: tuple[TransientFault, ...] = ()
    crashes: frozenset[int] = frozenset()
    """The numbers of the AWS calls after which the worker dies."""
    repeated: frozenset[int] = frozenset()
    """The numbers of the attempts whose result is lost, so that they run again at once."""
    late: tuple[tuple[int, int], ...] = ()
    """Pairs of attempts: before the first one starts, the second one, of a lost worker, runs again."""


def describe_differences(plain: object, other: object) -> str:
    """The fields in which `other` differs from `plain`, each on a line."""
    lines = []
    for field in fields(other):  # type: ignore[arg-type]
        default, value = getattr(plain, field.name), getattr(other, field.name)
        if value != default:
            is_nested = type(value) is type(default) and is_dataclass(value)
            lines.append(f"{field.name}: {describe_differences(default, value) if is_nested else repr(value)}")
    return "\n".join(lines)
