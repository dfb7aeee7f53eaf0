"""The nine steps of a restore. A step's name is the same in the code, in Temporal, in the trail and in the runbook."""

from enum import StrEnum


class Step(StrEnum):
    """The steps in the order in which a restore runs them; the value is the Temporal activity type."""

    SNAPSHOT_CHECK = "snapshot-check"
    COPY_SNAPSHOT = "copy-snapshot"
    CHECK_COPY_STATUS = "check-copy-status"
    DELETE_RDS = "delete-rds"
    RESTORE_SNAPSHOT = "restore-snapshot"
    CHECK_RESTORE_STATUS = "check-restore-status"
    SETUP_DB_USERS = "setup-db-users"
    ARCHIVE_SNAPSHOT = "archive-snapshot"
    SNS_NOTIFICATION = "sns-notification"

    @property
    def number(self) -> int:
        """1 to 9, the step's position."""
        return list(Step).index(self) + 1

    @property
    def destructive(self) -> bool:
        """Whether the step deletes something: then the trail must hold its intent before the first call."""
        return self in (Step.DELETE_RDS, Step.ARCHIVE_SNAPSHOT)


class Housekeeping(StrEnum):
    """What deletes outside the nine steps and therefore has rows in the trail; the value is the Temporal activity type."""

    REMOVE_LEFTOVERS = "remove-leftovers"
    """Removes what a failed restore leaves half-done, if its request says so."""
    REMOVE_ORPHANS = "remove-orphans"
    """Removes what earlier operations left behind: `starter.py cleanup`."""

    @property
    def number(self) -> int:
        """0: it has no position among the nine."""
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
