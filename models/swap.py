"""What a request says of a swap: the restored cluster takes the name of the old one, which answers until then."""

from datetime import timedelta

from pydantic import Field

from models.model import Model

NEXT, OLD = "-next", "-old"
"""What follows the target's name in that of the cluster which is restored beside it, and of the replaced one."""
OLD_KEPT = "old_cluster_kept"
"""The fact of a swap that keeps the old cluster: its name, and for how long."""
OLD_RESOURCE_ID, NEW_RESOURCE_ID = "old_resource_id", "new_resource_id"
"""The facts of each rename's intent: the cluster that is replaced, and the one that takes its place."""
MAX_CLUSTER = 48
"""The longest name of a target that is swapped, so that its instances' names, with the operation in them, have room."""


class Swap(Model):
    """The limits of a swap."""

    deadline: timedelta = Field(
        default=timedelta(minutes=30),
        gt=timedelta(0),
        le=timedelta(hours=24),
        description="How long the swap may take; then the old cluster gets its name back, for which it has 30 minutes at "
        "least, and the step fails.",
    )
    keep_old: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        le=timedelta(days=7),
        description="How long the old cluster is kept after the swap, as CLUSTER-old. Until then starter.py rollback gives it "
        "its name back, and no other restore of the target begins: shorter than the schedule's interval. Default: it is "
        "deleted at once.",
    )
    restart: bool = Field(
        default=False,
        description="Whether the restored cluster may be stopped and started after it got the name. RDS issues a "
        "certificate with the new name only then, and clients that verify the name are refused until it has.",
    )

    @property
    def keeps_old(self) -> bool:
        """Whether the old cluster is kept for a time."""
        return self.keep_old is not None
