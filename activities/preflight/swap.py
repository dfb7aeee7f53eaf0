"""Whether the names can be swapped in the end: `target.replacement: swap`.

Source: RDS API Reference, ModifyDBCluster, NewDBClusterIdentifier; Aurora User Guide, "Considerations for custom endpoints":
two clusters of a region cannot have endpoints of one name.
"""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.rds import tags
from clients.rds import find_cluster
from models.restored_settings import SURROUNDINGS

LEFT = ", as a restore leaves it that ends between the swap and the deletion of the old cluster"


def swap_checks(context: RestoreContext, operation: str) -> list[PreflightCheck]:
    """The checks of a swap or a drill, if the request asks for one.

    `operation` is this one, as `tags.operation_tag` writes it.
    """
    if context.step_input.target.drills:
        return [PreflightCheck(("drill-name",), lambda: _find_taken_drill_name(context, operation))]
    if not context.step_input.target.swaps:
        return []
    return [
        PreflightCheck(("swap-names",), lambda: _find_taken_names(context, operation)),
        PreflightCheck(("swap-surroundings",), lambda: _find_surroundings(context)),
    ]


def _find_taken_names(context: RestoreContext, operation: str) -> Iterator[Violation]:
    """A cluster of this operation itself is no obstacle: the restore adopts it."""
    target = context.step_input.target
    for name, left_by in ((target.beside.cluster, ""), (target.replaced.cluster, LEFT)):
        if taken := _describe_other(context, name, operation):
            yield Violation(
                "swap-names",
                "Name of the swap is taken",
                f"{taken}{left_by}, but a swap needs its name. Delete the cluster with its instances if nobody needs it, or "
                "rename it; then retry. What a swap left as its old cluster, python starter.py cleanup lists and deletes.",
            )


def _find_taken_drill_name(context: RestoreContext, operation: str) -> Iterator[Violation]:
    name = context.step_input.target.restored_as(context.step_input.operation_id).cluster
    if taken := _describe_other(context, name, operation):
        yield Violation(
            "drill-name",
            "Name of the drill is taken",
            f"{taken}, but the drill restores its cluster under that name. Rename the cluster, or delete it with its "
            "instances if nobody needs it; then retry.",
        )


def _describe_other(context: RestoreContext, name: str, operation: str) -> str | None:
    """The cluster of this name, if another one than this operation's has it."""
    cluster = find_cluster(context.target.reader, name)
    if cluster is None:
        return None
    made_by = tags.tags_of(cluster.get("TagList", [])).get(tags.OPERATION)
    if made_by == operation:
        return None
    origin = f", restored by {tags.describe_operation(made_by, context.target.environment)}" if made_by else ""
    return f"{cluster['DBClusterArn']} exists ({cluster['Status']}{origin})"


def _find_surroundings(context: RestoreContext) -> Iterator[Violation]:
    found = [f"target.{name}" for name in SURROUNDINGS if getattr(context.settings, name)]
    if found:
        yield Violation(
            "swap-surroundings",
            "Swap not possible",
            f"the target has {', '.join(found)}, which a cluster that is restored beside it cannot have at the same time. "
            'Set target.replacement to "delete_first" in the request.',
        )
