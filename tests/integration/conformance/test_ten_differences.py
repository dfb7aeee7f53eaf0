"""An emulator that answers otherwise in ten places, and in an eleventh accepts what it should refuse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.check import exit_code
from conformance.questions import Outcome, Verdict
from devstack.aws.rds import clusters
from tests.integration.conformance.conftest import kit_on_an_emulator
from tests.rigs.conformance import DEVIATIONS, deviating, everything_in, with_verdict

ACCEPTED = "create-with-an-unknown-log"


@pytest.fixture(scope="module")
def ran() -> Iterator[tuple[list[Outcome], dict[str, int], set[str]]]:
    """The outcomes of one run, how often each difference came into effect, and what is left."""
    with deviating() as fired, pytest.MonkeyPatch.context() as patch, kit_on_an_emulator() as kit:
        patch.setattr(clusters, "check_log_types", lambda *_: None)
        outcomes = kit.run()
        yield outcomes, dict(fired), everything_in(kit.aws)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_difference_is_found(ran: tuple[list[Outcome], dict[str, int], set[str]], name: str) -> None:
    """By the questions that are about it, with a note that says what differs."""
    outcomes, fired, _ = ran
    different = with_verdict(outcomes, Verdict.DIFFERENT)
    assert fired[name] > 0
    for question in DEVIATIONS[name].found_by:
        assert all("AWS" in note for note in different[question])


def test_nothing_else_is_reported(ran: tuple[list[Outcome], dict[str, int], set[str]]) -> None:
    """The other answers are the same, and the exit code says that some are not."""
    outcomes, _, _ = ran
    expected = {question for deviation in DEVIATIONS.values() for question in deviation.found_by}
    assert set(with_verdict(outcomes, Verdict.DIFFERENT)) == {*expected, ACCEPTED}
    assert with_verdict(outcomes, Verdict.FAILED) == {}
    assert exit_code(outcomes) == 1


def test_what_should_have_been_refused_is_removed(ran: tuple[list[Outcome], dict[str, int], set[str]]) -> None:
    """A cluster that AWS should not have made has the run's name and tags, and goes with the others."""
    outcomes, _, left = ran
    assert "AWS accepts the call" in " ".join(with_verdict(outcomes, Verdict.DIFFERENT)[ACCEPTED])
    assert not [name for name in left if name.startswith("aws-check-")]
