"""The command that continues a failed operation: one cure per fault, the same on the terminal, in the notification, in docs.

The convention: after the cause is fixed, `python starter.py retry OPERATION` continues at the failed step. Two tables
have the faults for which that would fail again: because an earlier step has to run again first, or because only a new
restore, with another request or another snapshot, can succeed. What to fix before is in the fault's own message.
"""

from models.operation import RestoreState
from models.steps import Step

START_COMMAND = "python starter.py start REQUEST_FILE"
CREATE_COMMAND = f"{START_COMMAND} --create-target"

RETRY_FROM: dict[tuple[Step, str], Step] = {
    (Step.CHECK_COPY_STATUS, "Copy failed"): Step.COPY_SNAPSHOT,
    (Step.CHECK_COPY_STATUS, "Copy not found"): Step.COPY_SNAPSHOT,
    (Step.CHECK_COPY_STATUS, "Copy is of another snapshot"): Step.COPY_SNAPSHOT,
    (Step.DELETE_RDS, "No snapshot to restore from"): Step.COPY_SNAPSHOT,
    (Step.DELETE_RDS, "Copy is of another snapshot"): Step.COPY_SNAPSHOT,
    (Step.RESTORE_SNAPSHOT, "Invalid snapshot ID"): Step.COPY_SNAPSHOT,
    (Step.RESTORE_SNAPSHOT, "Copy is of another snapshot"): Step.COPY_SNAPSHOT,
    (Step.CHECK_RESTORE_STATUS, "Restored cluster not found"): Step.RESTORE_SNAPSHOT,
    (Step.SETUP_DB_USERS, "Restored cluster not found"): Step.RESTORE_SNAPSHOT,
    (Step.DELETE_RDS, "Restored cluster not found"): Step.RESTORE_SNAPSHOT,
    (Step.SETUP_DB_USERS, "Masking rules changed"): Step.RESTORE_SNAPSHOT,
}
"""By failed step and short text of the fault: the earlier step that makes again what the failed step needs."""

START_ONLY: frozenset[tuple[Step, str]] = frozenset(
    {
        (Step.SNAPSHOT_CHECK, "Target is the source"),
        (Step.SNAPSHOT_CHECK, "Restored by this operation"),
        (Step.SNAPSHOT_CHECK, "Restored since this operation began"),
        (Step.SNAPSHOT_CHECK, "Cluster not found"),
        (Step.SNAPSHOT_CHECK, "Wrong AWS region"),
        (Step.SNAPSHOT_CHECK, "Settings missing"),
        (Step.SNAPSHOT_CHECK, "Serverless scaling needed"),
        (Step.SNAPSHOT_CHECK, "Scaling policy not valid"),
        (Step.SNAPSHOT_CHECK, "KMS key needed"),
        (Step.SNAPSHOT_CHECK, "Instance class not available"),
        (Step.SNAPSHOT_CHECK, "Field of another engine"),
        (Step.COPY_SNAPSHOT, "Invalid snapshot ID"),
        (Step.CHECK_COPY_STATUS, "Snapshot was replaced"),
        (Step.DELETE_RDS, "Cluster not found"),
        (Step.DELETE_RDS, "Restored by this operation"),
        (Step.DELETE_RDS, "Restored since this operation began"),
        (Step.DELETE_RDS, "Snapshot too old"),
        (Step.DELETE_RDS, "Snapshot was replaced"),
        (Step.RESTORE_SNAPSHOT, "Snapshot was replaced"),
        (Step.RESTORE_SNAPSHOT, "Restore not possible"),
        (Step.RESTORE_SNAPSHOT, "Storage type not supported"),
        (Step.RESTORE_SNAPSHOT, "Network type not supported"),
        (Step.RESTORE_SNAPSHOT, "Directory not found"),
        (Step.RESTORE_SNAPSHOT, "Role quota exceeded"),
        (Step.CHECK_RESTORE_STATUS, "Storage type not supported"),
        (Step.CHECK_RESTORE_STATUS, "Network type not supported"),
        (Step.CHECK_RESTORE_STATUS, "Directory not found"),
        (Step.CHECK_RESTORE_STATUS, "Certificate not found"),
        (Step.CHECK_RESTORE_STATUS, "Restore failed"),
        (Step.SETUP_DB_USERS, "Field of another engine"),
        (Step.SNAPSHOT_CHECK, "Swap not possible"),
        (Step.SWAP_CLUSTERS, "Cluster not found"),
        (Step.SWAP_CLUSTERS, "Rolled back"),
        (Step.SWAP_CLUSTERS, "Certificate of another name"),
    }
)
"""By failed step and short text of the fault: a retry keeps the request and the snapshot, and would fail again."""


def retry_command(operation_id: str, step: Step | None = None) -> str:
    """The command that retries a failed operation, from an earlier step if one is given."""
    return f"python starter.py retry {operation_id}{f' --from {step}' if step else ''}"


def retry_step(state: RestoreState) -> Step | None:
    """The step from which a retry of a failed restore continues; None if only a new restore can succeed.

    What the inventory no longer has comes first, then the fault's cure, then the failed step itself.
    """
    failed, short = state.failed_step, state.fault.short if state.fault else ""
    if state.operation_id is None or failed is None or (failed, short) in START_ONLY:
        return None
    return state.retry_from or RETRY_FROM.get((failed, short), failed)


def cure_known_from_trail(operation_id: str, failed: Step, short: str) -> str:
    """The command that continues after a failure of which only the trail's row is known, without an inventory."""
    if (failed, short) in START_ONLY:
        return START_COMMAND
    return retry_command(operation_id, RETRY_FROM.get((failed, short)))


def cure_command(state: RestoreState) -> str:
    """The one command that continues after a failure."""
    step = retry_step(state)
    if step is None or state.operation_id is None:
        return START_COMMAND
    return retry_command(state.operation_id, None if step is state.failed_step else step)
