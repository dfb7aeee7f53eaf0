"""The quotas of the target's account: whether the restored cluster has room once the old one is deleted.

Source: RDS API Reference, DescribeAccountAttributes; Aurora User Guide, "Quotas and constraints for Amazon Aurora".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds.copies import copies_that_make_room
from activities.rds.masked_snapshots import masked_ones_that_make_room, own_masked_snapshots
from models.identifiers import copy_identifier


@dataclass(frozen=True)
class Freed:
    """What the deletion of the target frees."""

    clusters: int = 0
    instances: int = 0


@dataclass(frozen=True)
class _Need:
    """How much of a quota the restore needs, and how much it frees before it needs that."""

    what: str
    needed: int
    count_freed: Callable[[], int]


class QuotaChecks:
    """Checked in the target's account and region."""

    def __init__(self, context: RestoreContext, freed: Freed) -> None:
        """`context` is the planned restore, `freed` what its deletion frees."""
        self._context = context
        self._freed = freed

    def checks(self) -> list[PreflightCheck]:
        """One check of all quotas: one call of AWS answers them."""
        return [PreflightCheck(("account-quota",), self._check_quotas)]

    def _check_quotas(self) -> Iterator[Violation]:
        """A quota that AWS does not list is not checked."""
        needs = self._needs()
        for quota in self._context.target.reader.describe_account_attributes().get("AccountQuotas", []):
            need, used, limit = needs.get(quota.get("AccountQuotaName", "")), quota.get("Used"), quota.get("Max")
            if need is None or used is None or limit is None or used + need.needed <= limit:
                continue
            freed = need.count_freed()
            if need.needed > freed and used + need.needed - freed > limit:
                yield Violation(
                    "account-quota",
                    "Account quota too small",
                    f"the account has {used} {need.what} in {self._context.step_input.target.region}, of at most {limit}; "
                    f"the restore frees {freed} before it needs {need.needed}. "
                    "Delete what nobody needs there, or ask AWS for a higher quota.",
                )

    def _needs(self) -> dict[str, _Need]:
        """By AWS's name of the quota. RDS counts an Aurora cluster as 1 GiB (DBCluster, AllocatedStorage)."""
        needs = {
            "DBClusters": _Need("clusters", 1, lambda: self._freed.clusters),
            "DBInstances": _Need(
                "instances", len(self._context.settings.instances or ()), lambda: self._freed.instances
            ),
            "AllocatedStorage": _Need("GiB of allocated storage", 1, lambda: self._freed.clusters),
        }
        step_input = self._context.step_input
        # The masked snapshot is taken while the copy exists: both count at the same time.
        if snapshots := int(step_input.copy_needed) + int(step_input.archive.masked):
            needs["ManualClusterSnapshots"] = _Need("manual cluster snapshots", snapshots, self._count_snapshot_room)
        return needs

    def _count_snapshot_room(self) -> int:
        """How many own snapshots copy-snapshot and archive-snapshot remove if the quota is used up."""
        step_input, target = self._context.step_input, self._context.target
        room = self._count_room_for_copy() if step_input.copy_needed else 0
        if not step_input.archive.masked:
            return room
        masked = own_masked_snapshots(target.reader, step_input.target, target.environment)
        return room + len(masked_ones_that_make_room(masked, step_input.archive))

    def _count_room_for_copy(self) -> int:
        """How many own copies copy-snapshot removes if the quota is used up; one at least if the copy exists already."""
        step_input, snapshot, target = self._context.step_input, self._context.snapshot, self._context.target
        arn = step_input.target.arn
        if target.find_snapshot(copy_identifier(target.environment, arn, snapshot.arn, snapshot.created_at)):
            return 1
        return len(copies_that_make_room(target.list_own_copies(), snapshot.arn, step_input.archive.copies_to_keep))
