"""`doctor`: what it says of a topic that it cannot read."""

from __future__ import annotations

from typing import Any

from commands.diagnosis import Level, _check_topic
from tests.rigs.scripted_aws import ScriptedAws


def test_a_topic_of_another_account_is_a_warning() -> None:
    """Its attributes are not known, which is not fine."""
    aws: Any = ScriptedAws("111122223333")
    [finding] = _check_topic(aws, "arn:aws:sns:eu-central-1:444455556666:aurora-restore")
    assert (finding.level, finding.text.split(":")[0]) == (
        Level.WARNING,
        "not checked, because it belongs to account 444455556666",
    )
