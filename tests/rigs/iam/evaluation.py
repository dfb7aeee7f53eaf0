"""Whether IAM allows a call: a small evaluator of identity policies, strict about what it does not know.

Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Condition operators" and "Multivalued
context keys". An operator that is not modelled here raises, so that no condition is ever passed by being ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Context = Mapping[str, tuple[str, ...]]
"""The condition keys of a request with their values; a key that the request does not have is not in it."""


@dataclass(frozen=True)
class Ask:
    """One question to IAM: may this action be done to this resource, in this context?"""

    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def __str__(self) -> str:
        """The action and the resource."""
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True)
class Answer:
    """Allowed or not, and by which statement; None if no statement speaks of it, which denies too."""

    allowed: bool
    sid: str | None


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    body: Mapping[str, Any]

    def speaks_of(self, ask: Ask) -> bool:
        """Whether action, resource and every condition fit."""
        return (
            _element_fits(self.body, "Action", ask.action, ignore_case=True)
            and _element_fits(self.body, "Resource", ask.resource)
            and all(_condition_fits(operator, wanted, ask) for operator, wanted in self._conditions())
        )

    def _conditions(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        conditions: Mapping[str, Mapping[str, Any]] = self.body.get("Condition", {})
        return conditions.items()


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """The statements of a policy document."""
    return [Statement(body["Sid"], body["Effect"] == "Allow", body) for body in policy["Statement"]]


def decide(policy: Sequence[Statement], ask: Ask) -> Answer:
    """Deny over Allow over nothing."""
    for effect in (False, True):
        for statement in policy:
            if statement.allows is effect and statement.speaks_of(ask):
                return Answer(effect, statement.sid)
    return Answer(allowed=False, sid=None)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether a value fits a pattern in which * is any text and ? any one character."""
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def listed(value: Any) -> list[str]:
    """An element of a policy may be one text or a list of them."""
    return [value] if isinstance(value, str) else list(value)


def _element_fits(body: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    negated = f"Not{element}" in body
    patterns = listed(body[f"Not{element}" if negated else element])
    return any(matches(pattern, value, ignore_case=ignore_case) for pattern in patterns) is not negated


Test = Callable[[str, str], bool]
"""Of a wanted value and a found one."""
TESTS: Mapping[str, tuple[Test, bool]] = {
    "StringEquals": (lambda wanted, found: wanted == found, False),
    "StringNotEquals": (lambda wanted, found: wanted == found, True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "ArnEquals": (matches, False),
    "Bool": (lambda wanted, found: wanted.lower() == found.lower(), False),
}
"""By operator: how two values are compared, and whether the operator is the negation of that."""


def _condition_fits(operator: str, wanted: Mapping[str, Any], ask: Ask) -> bool:
    context = {key.lower(): values for key, values in ask.context.items()}
    return all(_key_fits(operator, listed(values), context.get(key.lower(), ())) for key, values in wanted.items())


def _key_fits(operator: str, wanted: list[str], found: tuple[str, ...]) -> bool:
    if operator == "Null":
        return (not found) is (wanted[0] == "true")
    quantifier, _, name = operator.rpartition(":")
    if not found and name.endswith("IfExists"):
        return True
    test, negated = TESTS[name.removesuffix("IfExists")]
    fits = [any(test(each, value) for each in wanted) is not negated for value in found]
    if quantifier:
        return {"ForAllValues": all, "ForAnyValue": any}[quantifier](fits)
    # A key that is absent is unlike anything: the negated operators are true for it, the others false.
    return fits[0] if fits else negated
