"""The Hypothesis strategies that generate scenarios, and how many a test runs."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.properties.no_harm.scenario import (
    SOURCE,
    SOURCE_ACCOUNT,
    SOURCE_REGION,
    TARGET,
    TARGET_ACCOUNT,
    TARGET_REGION,
    UNKNOWN_STATUS,
    UNRELATED_ACCOUNT,
    ClusterState,
    ConcurrentAction,
    Credentials,
    OptIn,
    OtherCluster,
    OtherSnapshot,
    Place,
    Replication,
    Scenario,
    SnapshotNaming,
    TransientFault,
)

T = TypeVar("T")
OWN_EARLIER, OTHER_ENVIRONMENTS = "aurora-restore/op-000", "reporting/op-001"
"""Values of the tag on a target that an operation restored: an earlier one, and one of another environment."""

_COMMON: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "print_blob": True,
    # Shrinking takes minutes; the report lists only what differs from a plain scenario anyway.
    "phases": (Phase.explicit, Phase.generate),
    "report_multiple_bugs": False,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
IS_DEEP = os.environ.get("CI") == "true"
SEEDS = range(10 if IS_DEEP else 2)
"""A run of `PROFILE` for each: from the eleventh scenario of a run on, Hypothesis mostly repeats parts of an earlier one.

For each of the four places this gives 100 scenarios in CI, 20 elsewhere; of drills, which differ in their last steps only,
10 everywhere.
"""
PROFILE = settings(max_examples=10, **_COMMON)

FAULT_KINDS = ("throttle", "http500", "reset-before", "reset-after", "html-page-before", "html-page-after")
FAULTED_OPERATIONS = (
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
ATTEMPT_NUMBERS = st.integers(0, 22)


def mostly(usual: T, *unusual: T, share: int = 8) -> st.SearchStrategy[T]:
    """The usual value in `share` of ten cases."""
    return st.sampled_from([usual] * share + [unusual[n % len(unusual)] for n in range(10 - share)])


def cluster_states() -> st.SearchStrategy[ClusterState]:
    """Most clusters may be deleted, so that usually one reason alone forbids it."""
    return st.builds(
        ClusterState,
        opt_in=mostly(OptIn.THIS_SOURCE, OptIn.NONE, OptIn.OTHER_SOURCE, share=9)
        | mostly(OptIn.THIS_SOURCE, OptIn.NONE, OptIn.OTHER_SOURCE),
        restored_by=mostly(None, OWN_EARLIER, OTHER_ENVIRONMENTS, share=5),
        protected=mostly(False, True, share=9),
        replication=mostly(Replication.NONE, *list(Replication)[1:], share=7) | st.just(Replication.NONE),
        status=mostly("available", "stopped", "deleting", UNKNOWN_STATUS, "creating", "failed", share=5)
        | st.just("available"),
        instances=mostly(2, 0, 1, 3),
        last_instance_status=mostly("available", "deleting", "creating"),
    )


def other_clusters() -> st.SearchStrategy[OtherCluster]:
    """Clusters that could be mistaken for the target."""
    return st.builds(
        OtherCluster,
        account=st.sampled_from([SOURCE_ACCOUNT, TARGET_ACCOUNT, UNRELATED_ACCOUNT]),
        region=st.sampled_from([SOURCE_REGION, TARGET_REGION]),
        name=st.sampled_from([TARGET, SOURCE, f"{TARGET}-1", f"{TARGET}-old", "billing"]),
        state=cluster_states(),
        instance=st.sampled_from([None, f"{TARGET}-2", f"{TARGET}-1"]),
    )


def other_snapshots() -> st.SearchStrategy[OtherSnapshot]:
    """The pipeline's copies, and snapshots that could be mistaken for them."""
    return st.builds(
        OtherSnapshot,
        naming=st.sampled_from([SnapshotNaming.OLDER_COPY, *SnapshotNaming]),
        copy_for=mostly("target", "other", None, share=7),
        of_source=st.booleans(),
        status=mostly("available", "failed", "copying", share=7),
        age=st.integers(0, 9),
        number=st.integers(0, 3),
    )


def transient_faults() -> st.SearchStrategy[TransientFault]:
    """Faults that botocore's and Temporal's retries outlast, and some that last longer."""
    return st.builds(
        TransientFault,
        st.sampled_from(FAULTED_OPERATIONS),
        st.sampled_from(FAULT_KINDS),
        st.integers(0, 5),
        mostly(1, 2, 3, 9, share=6),
    )


def scenarios(place: Place, *, drill: bool = False) -> st.SearchStrategy[Scenario]:
    """All scenarios whose target is in this place: of restores that replace it, or of drills."""
    return st.builds(
        Scenario,
        place=st.just(place),
        encrypted=st.booleans(),
        selector=st.sampled_from(["named", "prefix", "newest"]),
        source_is_gone=mostly(False, True, share=9),
        target=mostly(True, False, share=9).flatmap(lambda exists: cluster_states() if exists else st.none()),
        target_has_sources_name=mostly(False, True),
        target_is_source=mostly(False, True, share=9),
        create_missing=st.booleans(),
        drill=st.just(drill),
        keep=st.integers(1, 3),
        setup_users_fails=mostly(False, True, share=7),
        remove_copy=st.booleans(),
        remove_target=st.booleans(),
        cleanup=mostly(False, True, share=7),
        other_clusters=st.lists(other_clusters(), max_size=3).map(tuple),
        twin=mostly(False, True),
        snapshots=st.lists(other_snapshots(), max_size=4).map(tuple),
        credentials=mostly(Credentials.CORRECT, *list(Credentials)[1:], share=7),
        visibility_lag=mostly(0, 90),
        actions=st.lists(st.tuples(ATTEMPT_NUMBERS, st.sampled_from(ConcurrentAction)), max_size=3).map(tuple),
        faults=st.lists(transient_faults(), max_size=2).map(tuple),
        crashes=st.frozensets(st.integers(1, 60), max_size=2),
        repeated=st.frozensets(ATTEMPT_NUMBERS, max_size=2),
        late=st.lists(st.tuples(ATTEMPT_NUMBERS, ATTEMPT_NUMBERS), max_size=2).map(tuple),
    )
