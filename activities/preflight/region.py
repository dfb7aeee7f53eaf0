"""A wrong region: nothing that the request names exists there, and that is one mistake, not one for each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from botocore.exceptions import ClientError

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation

FEWEST = 2
"""A single resource that is missing says nothing about the region."""


def region_checks(context: RestoreContext) -> list[PreflightCheck]:
    """One check, for a target that does not exist; it comes before those of the single resources."""
    return [PreflightCheck(("target-region",), lambda: _find_wrong_region(context))]


def _find_wrong_region(context: RestoreContext) -> Iterator[Violation]:
    target = context.step_input.target
    reads = dict(_named_resources(context))
    if len(reads) < FEWEST or any(_exists_or_is_unknown(read) for read in reads.values()):
        return
    yield Violation(
        "target-region",
        "Wrong AWS region",
        f"nothing that the request names exists in {target.region} of account {target.account_id}: not the cluster "
        f"{target.cluster}, and neither {', nor '.join(reads)}. Correct target.region.",
    )


def _named_resources(context: RestoreContext) -> Iterator[tuple[str, Callable[[], object]]]:
    """What must exist in the target's region, in words, and how it is read: the first of each kind."""
    settings, target = context.settings, context.step_input.target
    if name := settings.db_subnet_group_name:
        yield f"the DB subnet group {name}", partial(context.find_subnet_group, name)
    for group in (settings.vpc_security_group_ids or ())[:1]:
        yield f"the security group {group}", partial(context.find_security_group, group)
    if parameters := settings.db_cluster_parameter_group_name:
        families = context.cluster_group_families
        yield f"the DB cluster parameter group {parameters}", lambda: families(parameters) or None
    if key := settings.kms_key_id:
        yield f"the KMS key {key}", partial(context.find_key, key)
    if secret := target.master_user_secret_id:
        yield f"the secret {secret}", partial(context.find_secret, secret)


def _exists_or_is_unknown(read: Callable[[], object]) -> bool:
    """A resource that AWS does not let us read may exist; its own check says so."""
    try:
        return read() is not None
    except ClientError:
        return True
