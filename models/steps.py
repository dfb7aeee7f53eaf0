"""The steps of a restore. A step's name is the same in the code, in Temporal, in the trail and in the runbook."""

from enum import StrEnum


class Step(StrEnum):
    """The nine steps, and those that a swap or a drill has besides; the value is the Temporal activity type."""

    SNAPSHOT_CHECK = "snapshot-check"
    COPY_SNAPSHOT = "copy-snapshot"
    CHECK_COPY_STATUS = "check-copy-status"
    DELETE_RDS = "delete-rds"
    RESTORE_SNAPSHOT = "restore-snapshot"
    CHECK_RESTORE_STATUS = "check-restore-status"
    SETUP_DB_USERS = "setup-db-users"
    ARCHIVE_SNAPSHOT = "archive-snapshot"
    SNS_NOTIFICATION = "sns-notification"
    SWAP_CLUSTERS = "swap-clusters"
    """Only with `target.replacement: swap`."""
    REMOVE_DRILL = "remove-drill"
    """Only with `target.replacement: drill`."""

    @property
    def number(self) -> int:
        """1 to 9 for the nine steps; swap-clusters has 10 and remove-drill 11, wherever they run. `STEPS` has their order."""
        return list(Step).index(self) + 1

    @property
    def destructive(self) -> bool:
        """Whether the step deletes or renames something: then the trail must hold its intent before the first call."""
        return self in (Step.DELETE_RDS, Step.ARCHIVE_SNAPSHOT, Step.SWAP_CLUSTERS, Step.REMOVE_DRILL)


class Replacement(StrEnum):
    """How the restored cluster takes the place of the old one."""

    DELETE_FIRST = "delete_first"
    SWAP = "swap"
    DRILL = "drill"
    """It takes no place: it is restored beside the target, checked and removed."""


BESIDE = (Replacement.SWAP, Replacement.DRILL)
"""With these the snapshot is restored beside the target, which answers meanwhile."""

_BEFORE = (Step.SNAPSHOT_CHECK, Step.COPY_SNAPSHOT, Step.CHECK_COPY_STATUS)
_RESTORE = (Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS, Step.SETUP_DB_USERS)
_AFTER = (Step.ARCHIVE_SNAPSHOT, Step.SNS_NOTIFICATION)

STEPS: dict[Replacement, tuple[Step, ...]] = {
    Replacement.DELETE_FIRST: (*_BEFORE, Step.DELETE_RDS, *_RESTORE, *_AFTER),
    Replacement.SWAP: (*_BEFORE, *_RESTORE, Step.SWAP_CLUSTERS, Step.DELETE_RDS, *_AFTER),
    Replacement.DRILL: (*_BEFORE, *_RESTORE, Step.ARCHIVE_SNAPSHOT, Step.REMOVE_DRILL, Step.SNS_NOTIFICATION),
}
"""The steps in the order in which a restore runs them."""

STEPS_THAT_KEEP_THE_OLD = (*_BEFORE, *_RESTORE, Step.SWAP_CLUSTERS, *_AFTER, Step.DELETE_RDS)
"""With `target.swap.keep_old`: the message goes out at once, and the old cluster is deleted when its time is over."""


class Housekeeping(StrEnum):
    """What changes something outside the steps and has rows in the trail; the value is the Temporal activity type."""

    REMOVE_LEFTOVERS = "remove-leftovers"
    """Removes what a failed restore leaves half-done, if its request says so."""
    REMOVE_ORPHANS = "remove-orphans"
    """Removes what earlier operations left behind: `starter.py cleanup`."""
    SWAP_BACK = "swap-back"
    """Gives the old cluster its name back after swap-clusters has failed, or if an operator rolls the swap back."""

    @property
    def number(self) -> int:
        """0: it has no position among the steps."""
        return 0

    @property
    def destructive(self) -> bool:
        """As for a step."""
        return True


AuditedStep = Step | Housekeeping
"""Everything that has rows in the trail."""


def audited_step(name: str) -> AuditedStep | None:
    """The step of this name; None if the trail has no rows of it."""
    return next((step for step in (*Step, *Housekeeping) if step.value == name), None)


class Status(StrEnum):
    """The statuses of the audit trail."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"


class Outcome(StrEnum):
    """The outcome of an operation, or that it runs; also the last value of the search attribute AuroraRestoreStep."""

    RUNNING = "running"
    WAITING = "waiting"
    """A step failed and waits for an operator's decision."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """It began too late, or while another restore of the target ran, and changed nothing."""
