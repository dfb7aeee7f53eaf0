"""repair-trail: adds the rows that Temporal's history has and the trail lacks, under the identity that may write the trail."""

from __future__ import annotations

from temporalio import activity

from audit.chain import SealChains
from audit.numbers import OperationNumbersTable
from audit.table import AuditTable
from audit.verify.verifier import UnknownOperation, Verifier
from errors import StepFailed
from limits import MAX_RESOURCES
from models.repair import Repaired, RepairInput

REPAIR_TRAIL = "repair-trail"


class RepairActivities:
    """Repairs the trail."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable, chains: SealChains) -> None:
        """`table` is the trail, `numbers` the operations table, `chains` are the seals of each target."""
        self._table = table
        self._numbers = numbers
        self._chains = chains

    @activity.defn(name=REPAIR_TRAIL)
    async def repair_trail(self, repair: RepairInput) -> Repaired:
        """Add the missing rows of one operation, marked as added, and seal them; nothing that is there is changed.

        Raises `StepFailed` if the operation is not known, `TrailUnavailable` (transient) if DynamoDB is unavailable.
        Run twice: adds the rows that are still missing; seals what is not sealed.
        """
        verifier = Verifier(activity.client(), self._table, self._numbers, self._chains)
        try:
            verification = await verifier.repair(repair.operation_id)
        except UnknownOperation as unknown:
            raise StepFailed("Operation not known", str(unknown)) from None
        return Repaired(added=verification.added[:MAX_RESOURCES])
