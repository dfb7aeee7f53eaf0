"""The nine steps of a night. A step's name is the same string in the code, in Temporal, in the trail, in the runbook."""

from enum import StrEnum


class Step(StrEnum):
    """The steps in the order in which a night takes them; the value is the Temporal activity type."""

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
        """1 to 9, the position in the night."""
        return list(Step).index(self) + 1

    @property
    def destructive(self) -> bool:
        """Whether the step deletes something: then the trail must hold its intent before the first call."""
        return self in (Step.DELETE_RDS, Step.ARCHIVE_SNAPSHOT)


class Housekeeping(StrEnum):
    """What deletes outside the nine steps, and therefore has rows in the trail; the value is the Temporal activity type."""

    REMOVE_LEFTOVERS = "remove-leftovers"
    """What a failed night leaves half-done, if its request says so."""
    REMOVE_ORPHANS = "remove-orphans"
    """What earlier nights left behind: `starter.py cleanup`."""

    @property
    def number(self) -> int:
        """0: it has no place among the nine."""
        return 0

    @property
    def destructive(self) -> bool:
        """As of a step."""
        return True


AuditedStep = Step | Housekeeping
"""Whatever the trail has rows of."""


def audited_step(name: str) -> AuditedStep | None:
    """The one of this name, if the trail has rows of it."""
    return next((one for one in (*Step, *Housekeeping) if one.value == name), None)


class Status(StrEnum):
    """The statuses of the audit trail."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    IN_PROGRESS = "IN_PROGRESS"


class Outcome(StrEnum):
    """How an operation stands or ended; also the last value of the search attribute AuroraRestoreStep."""

    RUNNING = "running"
    WAITING = "waiting"
    """A step failed, and the operation is open for an operator's decision."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
