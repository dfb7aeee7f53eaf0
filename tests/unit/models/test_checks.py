"""The checks of a step in the trail: what was expected, what was found, never more than a fact may hold."""

from __future__ import annotations

import pytest

from limits import MAX_COMPARED, MAX_FACT
from models.checks import CHECKS_FACT, Comparison, checks_fact, read_checks


def test_what_is_written_is_read_again_without_repetition() -> None:
    """A check that searches for a violation is only named; two values are kept, and whether they agree."""
    written = [
        Comparison("network"),
        Comparison("opt-in-tag", "arn:a", "arn:a"),
        Comparison("tags", "x", "y", met=False),
    ]
    fact = checks_fact([*written, written[0]])
    assert '["network"]' in fact[CHECKS_FACT]
    assert list(read_checks(fact)) == written
    assert checks_fact([]) == {}


@pytest.mark.parametrize("text", ["x", "\x00", "\U0001f4a5", '"'])
def test_many_long_checks_fit_into_a_fact_and_say_how_many_are_left_out(text: str) -> None:
    """A fact that is too long would be cut, and could not be read."""
    fact = checks_fact(Comparison(f"{number}{text * 1000}", text * 1000, text * 1000) for number in range(500))
    assert len(fact[CHECKS_FACT]) <= MAX_FACT
    checks = read_checks(fact)
    assert checks[-1].name == f"and {500 - len(checks) + 1} more"
    assert len(checks) > 1
    assert all(len(value) <= MAX_COMPARED for check in checks for value in check[:3])


@pytest.mark.parametrize(
    "fact", ["", "{}", "[1]", "[[]]", '[["a", 1]]', '[["a","b","c",1]]', '[["a","b","c",true,""]]', "[" * 9_999]
)
def test_what_is_no_list_of_checks_is_none(fact: str) -> None:
    """Anyone who may write to the trail could have written it."""
    assert read_checks({CHECKS_FACT: fact}) == ()
