"""What `starter.py cleanup` says after its list: the command that removes, if there is anything to remove."""

from __future__ import annotations

import pytest

from commands.cleanup import _advice
from models.inventory import Orphan, OrphanReason
from models.leftovers import OrphanList


def orphan(reason: OrphanReason) -> Orphan:
    return Orphan(arn="a", identifier="orders-old", reason=reason, status="available", operation_id=None)


DELETE = ":\n    python starter.py cleanup restore.toml --delete"
COMMAND = f"Nothing was changed. To remove {{}}{DELETE}"


@pytest.mark.parametrize(
    ("reasons", "more", "advice"),
    [
        ((), 0, "No orphans of arn:target."),
        ((OrphanReason.OLD,), 0, COMMAND.format("this orphan")),
        ((OrphanReason.FAILED, OrphanReason.OLD), 3, COMMAND.format("these 5 orphans")),
        ((OrphanReason.UNPROVEN,), 0, "Nothing was changed. A cleanup removes none of them."),
        (
            (OrphanReason.DRILL, OrphanReason.UNPROVEN),
            0,
            COMMAND.format("this orphan and keep the rest"),
        ),
    ],
)
def test_it_names_the_command_for_what_a_cleanup_removes(
    reasons: tuple[OrphanReason, ...], more: int, advice: str
) -> None:
    """What is not proven does not count."""
    listed = OrphanList(orphans=tuple(orphan(reason) for reason in reasons), more=more)
    assert _advice(listed, "arn:target", "restore.toml") == advice
