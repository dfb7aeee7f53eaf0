"""A drill: the snapshot is restored beside the target under a name of its own, checked, measured and removed."""

import re

DRILL_FACT = "drill"
"""The fact of a row that it is of a drill; its value is the name of the cluster that is restored and removed."""
MAX_CLUSTER = 44
"""The longest name of a target that is drilled, so that its instances' names, with the operation in them, have room."""


def drill_cluster(cluster: str, operation_id: str) -> str:
    """The name of the cluster that one operation restores for its drill; no other operation ever gives it."""
    return f"{cluster}-drill-{operation_id}"


def drill_operation(cluster: str, name: str) -> str | None:
    """The operation whose drill of this target gives a cluster this name; None if none does."""
    form = re.fullmatch(rf"{re.escape(cluster)}-drill-(op-[0-9]{{3,}})", name)
    return form[1] if form else None


def drill_target(name: str) -> str | None:
    """The target whose drill gives a cluster this name; None if none does."""
    form = re.fullmatch(r"(?P<target>.+)-drill-op-[0-9]{3,}", name)
    return form["target"] if form else None
