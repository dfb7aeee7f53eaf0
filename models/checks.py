"""The checks of a step as the trail keeps them: what each expected, and what it found."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from limits import MAX_COMPARED, MAX_FACT, shorten

CHECKS_FACT = "checks"
"""The fact of a row with the checks that were made in it: a list in JSON, without the values at the end that are usual."""


class Comparison(NamedTuple):
    """One check; never with a secret."""

    name: str
    """The rule or the setting that was checked."""
    expected: str = "no violation"
    actual: str = "none found"
    met: bool = True
    """Whether it found what it expected. A step that fails has its reasons in its fault instead."""

    @property
    def fields(self) -> dict[str, str | bool]:
        """As JSON has it for a reader."""
        return {"check": self.name, "expected": self.expected, "actual": self.actual, "met": self.met}


_USUAL = Comparison("")
_MORE = "and {count} more"
_ROOM_FOR_MORE = 30


def checks_fact(comparisons: Iterable[Comparison]) -> dict[str, str]:
    """The fact of a row, none without a check. Never longer than a fact may be: it says how many are left out."""
    distinct = list(dict.fromkeys(comparisons))
    written: list[str] = []
    length = 0
    for comparison in distinct:
        text = json.dumps(_without_usual(comparison), ensure_ascii=False, separators=(",", ":"))
        if length + len(text) > MAX_FACT - _ROOM_FOR_MORE:
            written.append(json.dumps([_MORE.format(count=len(distinct) - len(written)), "", ""]))
            break
        written.append(text)
        length += len(text) + 1
    return {CHECKS_FACT: f"[{','.join(written)}]"} if written else {}


def read_checks(facts: Mapping[str, str]) -> tuple[Comparison, ...]:
    """The checks among the facts of a row; none of what is no list of this form, because anyone may write a row."""
    try:
        listed: Any = json.loads(facts.get(CHECKS_FACT, "[]"))
    except (ValueError, RecursionError):
        return ()
    return tuple(Comparison(*each) for each in listed if _is_comparison(each)) if isinstance(listed, list) else ()


def _without_usual(comparison: Comparison) -> list[str | bool]:
    cut = [shorten(value, MAX_COMPARED) if isinstance(value, str) else value for value in comparison]
    while len(cut) > 1 and cut[-1] == _USUAL[len(cut) - 1]:
        cut.pop()
    return cut


def _is_comparison(value: Any) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= len(_USUAL):
        return False
    return all(isinstance(each, type(usual)) for each, usual in zip(value, _USUAL, strict=False))
