"""Finding the targets that an operator or a monitoring system names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from audit.health import Level, TargetHealth
from limits import join_names

MAX_LISTED = 300
"""Characters of the names that are listed for one that is not known."""


def find_targets(known: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[TargetHealth]]:
    """The ARNs of the named targets, of all without names, in the order of their names; and what is not known.

    A name that clusters of two regions or accounts have means all of them.
    """
    by_name = sorted(known, key=lambda arn: (_cluster(arn), arn))
    if not names:
        return by_name, [] if known else [_nothing_known()]
    asked = {name: [arn for arn in by_name if name.lower() in (arn, _cluster(arn))] for name in names}
    found = dict.fromkeys(arn for arns in asked.values() for arn in arns)
    return list(found), [_unknown(name, by_name) for name, arns in asked.items() if not arns]


def _cluster(arn: str) -> str:
    return arn.rpartition(":")[2]


def _nothing_known() -> TargetHealth:
    return TargetHealth(
        target="every target",
        level=Level.UNKNOWN,
        text="the trail has no operation; expected at least one restore. Check that AURORA_RESTORE_OPERATIONS_TABLE and "
        "AURORA_RESTORE_AUDIT_REGION are those of the worker",
    )


def _unknown(name: str, known: Sequence[str]) -> TargetHealth:
    clusters = list(dict.fromkeys(map(_cluster, known)))
    choices = list(known) if ":" in name else clusters
    hint = f"it has {join_names(clusters, MAX_LISTED)}" if clusters else "it has none"
    for close in get_close_matches(name.lower(), choices, n=1):
        hint = f"did you mean {close}?"
    return TargetHealth(target=name, level=Level.UNKNOWN, text=f"the trail has no operation of this target; {hint}")
