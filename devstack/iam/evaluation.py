"""Whether IAM allows a request: an evaluator of identity policies that raises on what it does not model.

Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Condition operators" and "Multivalued
context keys". What is not modelled raises `NotModelled`, so that no condition is ever ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Context = Mapping[str, tuple[str, ...]]
"""The request context: condition keys with their values; a key that the request does not have is absent."""


class NotModelled(Exception):
    """The evaluator cannot judge a condition."""


@dataclass(frozen=True)
class AccessRequest:
    """What IAM is asked: may this action be performed on this resource, in this context?"""

    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def __str__(self) -> str:
        """The action and the resource."""
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True)
class Decision:
    """Whether the request is allowed, and the statement that decided; None is an implicit deny."""

    allowed: bool
    sid: str | None


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    body: Mapping[str, Any]

    def applies_to(self, request: AccessRequest) -> bool:
        """Whether action, resource and every condition match."""
        conditions: Mapping[str, Mapping[str, Any]] = self.body.get("Condition", {})
        return self.names(request) and all(
            _condition_holds(operator, expected, request) for operator, expected in conditions.items()
        )

    def names(self, request: AccessRequest) -> bool:
        """Whether action and resource match, whatever the conditions say."""
        return _element_matches(self.body, "Action", request.action, ignore_case=True) and _element_matches(
            self.body, "Resource", request.resource
        )


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """The statements of a policy document."""
    return [Statement(body["Sid"], body["Effect"] == "Allow", body) for body in policy["Statement"]]


def evaluate(policy: Sequence[Statement], request: AccessRequest) -> Decision:
    """An explicit deny overrides an allow; without either, the request is denied."""
    for effect in (False, True):
        for statement in policy:
            if statement.allows is effect and statement.applies_to(request):
                return Decision(effect, statement.sid)
    return Decision(allowed=False, sid=None)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether a value matches a pattern in which * is any text and ? any one character."""
    return _expression(pattern, ignore_case).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def as_list(element: Any) -> list[str]:
    """An element of a policy, which may be one text or a list of texts, as a list."""
    return [element] if isinstance(element, str) else list(element)


def _element_matches(body: Mapping[str, Any], element: str, value: str, *, ignore_case: bool = False) -> bool:
    negated = f"Not{element}" in body
    patterns = as_list(body[f"Not{element}" if negated else element])
    return any(matches(pattern, value, ignore_case=ignore_case) for pattern in patterns) is not negated


Comparison = Callable[[str, str], bool]
"""Compares the policy's value with the request's."""
OPERATORS: Mapping[str, tuple[Comparison, bool]] = {
    "StringEquals": (lambda expected, actual: expected == actual, False),
    "StringNotEquals": (lambda expected, actual: expected == actual, True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "ArnEquals": (matches, False),
    "Bool": (lambda expected, actual: expected.lower() == actual.lower(), False),
}
"""By condition operator: the comparison, and whether the operator negates it."""


def _condition_holds(operator: str, condition: Mapping[str, Any], request: AccessRequest) -> bool:
    """Whether the operator holds for every key of the condition. Keys ignore case."""
    context = {key.lower(): values for key, values in request.context.items()}
    return all(
        _key_holds(operator, as_list(expected), context.get(key.lower(), ())) for key, expected in condition.items()
    )


def _key_holds(operator: str, expected: list[str], actual: tuple[str, ...]) -> bool:
    if operator == "Null":
        return (not actual) is (expected[0] == "true")
    quantifier, _, name = operator.rpartition(":")
    if not actual and name.endswith("IfExists"):
        return True
    if (base := name.removesuffix("IfExists")) not in OPERATORS:
        raise NotModelled(f"the condition operator {operator}: add it to OPERATORS")
    compare, negated = OPERATORS[base]
    results = [any(compare(each, value) for each in expected) is not negated for value in actual]
    if quantifier:
        return {"ForAllValues": all, "ForAnyValue": any}[quantifier](results)
    if len(results) > 1:
        raise NotModelled(f"{operator} on a key with several values: it needs ForAllValues or ForAnyValue")
    # An absent key equals nothing: the negated operators hold for it, the others do not.
    return results[0] if results else negated
