"""The command that continues a failed operation: one cure per fault, the same on the terminal, in the notification, in docs.

The convention: after the cause is fixed, `python starter.py retry OPERATION` continues at the failed step. Two tables
have the faults for which that would fail again: because an earlier step has to run again first, or because only a new
restore, with another request or another snapshot, can succeed. What to fix before is in the fault's own message.
"""

from models.restore_state import RestoreState
from models.steps import Outcome, Replacement, Status, Step
from models.swap import OLD

START_COMMAND = "python starter.py start REQUEST_FILE"
CREATE_COMMAND = f"{START_COMMAND} --create-target"
CLEANUP_COMMAND = "python starter.py cleanup REQUEST_FILE --delete"

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
    """The one command that continues after a failure, or that deletes the old cluster that a cancelled swap left."""
    step = retry_step(state)
    if state.operation_id is None or (step is None and not _only_left_old(state)):
        return START_COMMAND
    return retry_command(state.operation_id, None if step is state.failed_step else step)


def describe_left_old(state: RestoreState) -> str | None:
    """What to know of the old cluster that a restore left after its swap; None if it left none."""
    if (name := left_old_cluster(state)) is None:
        return None
    subject = "the old cluster" if _is_listed(state, name) else "if the target existed before, its old cluster"
    left = f"{subject} is left as {name}, and the next swap is refused while it exists"
    if cure_command(state) == START_COMMAND:
        return f"{left}; rename it, or delete it with {CLEANUP_COMMAND}, before the next restore"
    # Only the newest operation of a target can be retried, also if snapshot-check refuses it.
    left = f"{left}; if another restore of the target has begun, {CLEANUP_COMMAND} deletes it, otherwise"
    if state.keeps_old and state.failed_step is not Step.DELETE_RDS:
        return f"{left} a retry keeps it until the time of target.swap.keep_old is over, then deletes it"
    return f"{left} a retry deletes it"


def left_old_cluster(state: RestoreState) -> str | None:
    """The name of the old cluster, if the restore ended between the swap and the deletion of that one."""
    done = {step.step for step in state.steps if step.status is Status.SUCCESS}
    swapped = state.replacement is Replacement.SWAP and Step.SWAP_CLUSTERS in done and Step.DELETE_RDS not in done
    if not swapped or state.outcome not in (Outcome.FAILED, Outcome.CANCELLED):
        return None
    name, inventory = state.target_arn.rpartition(":")[2] + OLD, state.inventory
    if inventory is None or inventory.incomplete_reason:
        return name
    return name if _is_listed(state, name) else None


def _is_listed(state: RestoreState, name: str) -> bool:
    """Whether the inventory has a resource of this name."""
    return state.inventory is not None and any(resource.name == name for resource in state.inventory.resources)


def _only_left_old(state: RestoreState) -> bool:
    """Whether every step that ran succeeded, and only the deletion of the old cluster is missing."""
    return state.failed_step is None and left_old_cluster(state) is not None
