"""The texts of the errors that the code raises, read from its source: short text, message, and the cure at its end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rigs.documents import modules

ROOMS = ("activities", "audit", "clients", "workflows")
FIRST_IS_SHORT = {
    "Refused", "StepFailed", "DatabaseUnreachable", "ResourceBusy", "AwsUnavailable", "TrailUnavailable",
    "TrailConflict", "InvalidRequest", "RestoreAlreadyRunning", "Skipped", "StaleRead", "WebhookUnavailable",
}  # fmt: skip
SECOND_IS_SHORT = {"Violation", "end_wait_if_final"}
FEWEST_WORDS = 3
SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z…])")


@dataclass(frozen=True)
class Message:
    """What one call raises. Each value that is put in at run time is an ellipsis."""

    where: str
    """File and line."""
    short: str
    """The trail's Details."""
    text: str | None
    """The message; None if the source alone does not say it."""

    @property
    def cure(self) -> str | None:
        """The last sentence of the message: what to do next. None if the source does not have its words."""
        last = SENTENCE_ENDS.split(" ".join(self.text.split()))[-1] if self.text else ""
        return last if len(re.findall(r"[A-Za-z]{2,}", last)) >= FEWEST_WORDS else None


def raised_messages() -> Iterator[Message]:
    """Each message whose short text is written in the source; short texts that are composed are left out."""
    for room in ROOMS:
        for path, tree in modules(room):
            constants = {name: value for name, _, value in _assigned(tree)}
            for function in [
                node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]:
                calls = list(_raising_calls(function))
                assigned = list(_assigned(function)) if calls else []
                for call, first in calls:
                    local = {name: value for name, line, value in assigned if line <= call.lineno}
                    short, *rest = (_text(each, constants | local) for each in call.args[first:])
                    if short is not None and "…" not in short:
                        yield Message(f"{path.name}:{call.lineno}", short, rest[0] if rest else None)


def _raising_calls(function: ast.AST) -> Iterator[tuple[ast.Call, int]]:
    """The calls in a function that have a short text, each with the place of this argument."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            first = _place_of_short(node)
            if first is not None and len(node.args) > first:
                yield node, first


def _place_of_short(call: ast.Call) -> int | None:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name in FIRST_IS_SHORT:
        return 0
    return 1 if name in SECOND_IS_SHORT else None


def _assigned(tree: ast.AST) -> Iterator[tuple[str, int, ast.expr]]:
    """The names that get a value, in the order of the source: the last one before a call is the one that it uses."""
    assignments = sorted((n for n in ast.walk(tree) if isinstance(n, ast.Assign)), key=lambda node: node.lineno)
    for node in assignments:
        yield from ((target.id, node.lineno, node.value) for target in node.targets if isinstance(target, ast.Name))


def _text(node: ast.expr, names: dict[str, ast.expr]) -> str | None:
    match node:
        case ast.Constant(str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.Name(id=name) if name in names:
            return _text(names[name], {other: value for other, value in names.items() if other != name})
        case _:
            return None
