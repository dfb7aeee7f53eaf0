"""What must fit together in a request: how the target is replaced, and which logins it names. Each raises `ValueError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models import drill, swap
from models.configuration import AfterRestore
from models.steps import Replacement
from models.users import DatabaseUser, LoginName, OtherLogins

if TYPE_CHECKING:
    from models.archive import Archive
    from models.request import Target

LONGEST_NAMES = {Replacement.SWAP: swap.MAX_CLUSTER, Replacement.DRILL: drill.MAX_CLUSTER}
"""The longest name of a target that leaves room for the names beside it."""


def check_replacement(target: Target) -> None:
    """What the target has beside its replacement."""
    how = target.replacement
    if target.swap and not target.swaps:
        raise ValueError(f'swap needs replacement "{Replacement.SWAP}"')
    if target.restores_beside and any(instance.identifier for instance in target.instances or ()):
        raise ValueError(
            f"instances: with replacement {how} no instance has an identifier of its own, because the target's "
            f"instances have their names {'meanwhile' if target.drills else 'until it is deleted'}"
        )
    if target.drills and target.after is not AfterRestore.LEAVE:
        raise ValueError(f"after: {target.after} needs a cluster that stays, and with replacement drill it is removed")


def check_names_beside(target: Target, archive: Archive) -> None:
    """Whether the cluster beside the target can have a name, and whether something is kept of it."""
    how, length = target.replacement, len(target.cluster)
    longest = LONGEST_NAMES.get(how)
    if longest and length > longest:
        raise ValueError(
            f"target.replacement: {how} needs a cluster name of at most {longest} characters, because those of the "
            f"cluster beside it and of its instances are longer; {target.cluster} has {length}"
        )
    if target.drills and archive.masked:
        raise ValueError("archive.masked: a drill keeps no snapshot of the masked cluster, which is removed")


def check_logins(
    users: tuple[DatabaseUser, ...], keep_logins: tuple[LoginName, ...], other_logins: OtherLogins
) -> None:
    """The logins that are set, each once, and those of the snapshot that stay as they are."""
    names = [user.name for user in users]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"users: {', '.join(twice)} is listed more than once")
    if keep_logins and other_logins is OtherLogins.KEEP:
        raise ValueError('keep_logins needs other_logins "lock"; with "keep" every login is kept')
    if both := sorted({user.name for user in users} & set(keep_logins)):
        raise ValueError(f"keep_logins: {', '.join(both)} is also listed in users, where its password is set")
