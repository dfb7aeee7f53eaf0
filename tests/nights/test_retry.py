"""A night that ended goes on from its failed step, under its number: `starter.py retry`."""

from __future__ import annotations

from tests.nights.going_on import REST, TOLD, GoingOn, asked, through


async def test_a_night_that_failed_at_its_restore_goes_on_there(on: GoingOn) -> None:
    """The trail reads as it was: failure, notification, who let it go on, the step again, the rest; one number, one copy."""
    on.failing("restore-snapshot")
    operation = await on.failed(asked())
    said = await on.operator("retry", operation, "--by", "kim@ops", "--reason", "subnet group mended")
    assert said.code == 0, said
    assert on.trail(operation)[1:] == [
        *through(failed_at="restore-snapshot"),
        ("restore-snapshot", "FAILED", "Invalid VPC configuration"),
        TOLD,
        ("restore-snapshot", "IN_PROGRESS", "Retry, decided by kim@ops: subnet group mended"),
        ("restore-snapshot", "SUCCESS", "Started restore process"),
        *REST,
    ]
