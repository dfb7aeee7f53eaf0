"""What each workflow asks of Temporal, in order, read from its source: a fingerprint that a comment does not change.

A replay compares commands with the history: activities by their type, timers, children, search attributes. So do these
lines. They follow the code from ``run`` through every function of ours, in the order in which it is written, and name
neither functions nor variables: what may be renamed without breaking a replay leaves no trace. ``if``, ``loop`` and
``except`` stand above the commands that depend on them.

What they do not see: a changed condition, a changed number of turns, the moment at which a coroutine goes on. The
recorded histories see that, as far as a scenario comes by there.
"""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from temporalio import activity

from models.workflow_names import CLEANUP_WORKFLOW, RESTORE_WORKFLOW
from tests.integration.versions.histories import FOLDER, ROOT

FILE = FOLDER / "fingerprints.json"
FOLLOWED = ("workflows", "audit.trail", "audit.interceptor")
"""The modules whose functions may give commands."""
ROOTS = {
    RESTORE_WORKFLOW: ("workflows.aurora_restore", ("AuroraRestoreWorkflow",)),
    CLEANUP_WORKFLOW: ("workflows.cleanup", ("AuroraCleanupWorkflow",)),
    "the trail, in every workflow": ("audit.interceptor", ("_WorkflowInterceptor", "_StepInterceptor")),
}
"""Where each fingerprint begins: with everything in these classes that Temporal calls."""
COMMANDS = {
    "execute_activity": "activity", "execute_activity_method": "activity", "start_activity": "activity",
    "start_activity_method": "activity", "execute_local_activity": "local activity",
    "execute_local_activity_method": "local activity", "start_local_activity": "local activity",
    "start_local_activity_method": "local activity", "execute_child_workflow": "child workflow",
    "start_child_workflow": "child workflow", "upsert_search_attributes": "search attributes", "upsert_memo": "memo",
    "sleep": "timer", "continue_as_new": "continue as new", "patched": "patched", "deprecate_patch": "deprecated patch",
    "get_external_workflow_handle": "another workflow", "get_external_workflow_handle_for": "another workflow",
}  # fmt: skip
"""Functions of `temporalio.workflow` that a history tells of."""
ASYNCIO_TIMERS = ("sleep", "wait_for", "timeout")
NAMED = ("patched", "deprecated patch")
"""Commands that stand in the history under the text that they are given."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """A function of ours: its module, and its class if it has one."""

    module: Module
    owner: ast.ClassDef | None
    function: Function


@dataclass
class Module:
    """One module's source, and what its names stand for."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """Parsed once."""
        return ast.parse(self.source)

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Local name to module and name in it."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and node.module]
        return {each.asname or each.name: (str(node.module), each.name) for node in found for each in node.names}

    @cached_property
    def outermost(self) -> dict[Function, Function]:
        """The function of the module or of a class that a nested one is written in."""
        bodies = [self.tree.body, *(of.body for of in self.classes.values())]
        tops = [node for body in bodies for node in body if isinstance(node, Function)]
        return {node: top for top in tops for node in ast.walk(top) if isinstance(node, Function)}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """By name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    def function(self, name: str, owner: ast.ClassDef | None = None) -> Place | None:
        """A function of this module, or a method of this class."""
        body = owner.body if owner else self.tree.body
        found = (node for node in body if isinstance(node, Function) and node.name == name)
        return next((Place(self, owner, node) for node in found), None)

    def value(self, name: str) -> Any:
        """What a name stands for at run time."""
        return getattr(importlib.import_module(self.name), name, None)


class Sources:
    """The modules that are followed; a test may give one of them another text."""

    def __init__(self, instead: Mapping[str, str] | None = None) -> None:
        instead = instead or {}
        names = ["audit.trail", "audit.interceptor", *(f"workflows.{path.stem}" for path in _workflows())]
        self.modules = {name: Module(name, instead.get(name) or source(name)) for name in names}

    def methods(self, name: str) -> list[Place]:
        """Every method of that name."""
        found = [module.function(name, of) for module in self.modules.values() for of in module.classes.values()]
        return [place for place in found if place]

    def imported(self, module: Module, name: str) -> tuple[Module | None, str]:
        """Where a name of this module is defined, if that is followed."""
        home, original = module.imported.get(name, (module.name, name))
        return self.modules.get(home), original

    def imported_module(self, module: Module, name: str) -> Module | None:
        """The module that a name of this one stands for, if it is followed."""
        home, original = module.imported.get(name, ("", ""))
        return self.modules.get(f"{home}.{original}")


def source(module: str) -> str:
    """The text of a module of ours."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")


def fingerprints(instead: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The commands of every workflow; modules may be given another text than theirs."""
    sources = Sources(instead)
    return {name: list(_of(sources, *root)) for name, root in ROOTS.items()}


def committed() -> dict[str, list[str]]:
    """As they were when somebody last looked at them."""
    found: dict[str, list[str]] = json.loads(FILE.read_text("utf-8"))
    return found


def write() -> None:
    """Keep them as they are now."""
    FILE.write_text(json.dumps(fingerprints(), indent=2) + "\n", "utf-8")


def _of(sources: Sources, module: str, classes: Iterable[str]) -> Iterator[str]:
    home = sources.modules[module]
    for name in classes:
        owner = home.classes[name]
        for node in owner.body:
            if isinstance(node, Function) and _is_called_by_temporal(owner, node):
                yield from _Reading(sources, Place(home, owner, node)).lines()


def _is_called_by_temporal(owner: ast.ClassDef, node: Function) -> bool:
    if owner.bases:  # an interceptor, whose public methods Temporal calls
        return not node.name.startswith("_")
    marked = {each.split("(")[0].split(".")[1] for each in map(ast.unparse, node.decorator_list) if "workflow." in each}
    return node.name == "__init__" or bool(marked & {"run", "signal", "update"})


@dataclass
class _Reading(ast.NodeVisitor):
    """Reads one function in the order in which it is evaluated."""

    sources: Sources
    place: Place
    under: tuple[Function, ...] = ()
    depth: int = 0
    found: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        for statement in self.place.function.body:
            self.visit(statement)
        return self.found

    # What a function does

    def visit_Call(self, node: ast.Call) -> None:
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if (command := self._command(node)) is not None:
            if command.startswith(("activity", "local activity")):
                given = given[1:]
            self._visit_all(given)
            self._say(command)
            return
        if isinstance(node.func, ast.Attribute) and not _is_of(node.func, "self"):
            self.visit(node.func.value)
        self._visit_all(given)
        if isinstance(node.func, ast.Name) or _is_of(node.func, "self"):
            self.visit(node.func)
        self._follow_called(node.func)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if (name := self._activity(node)) is not None:
            self._say(f"given {name}")
        elif isinstance(node.value, ast.Name) and node.value.id == "self" and self.place.owner:
            self._follow(self.place.module.function(node.attr, self.place.owner))
        else:
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            return
        if local := self._nested().get(node.id):
            self._follow(Place(self.place.module, self.place.owner, local))
        elif node.id not in self._own_names():
            module, name = self.sources.imported(self.place.module, node.id)
            self._follow(module.function(name) if module else None)

    # What its commands depend on

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._block("if", node.body)
        self._block("else", node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._block("if", [node.body])
        self._block("else", [node.orelse])

    def visit_While(self, node: ast.While) -> None:
        self._block("loop", [node.test, *node.body])

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._block("loop", node.body)

    def visit_Try(self, node: ast.Try) -> None:
        self._visit_all(node.body)
        for handler in node.handlers:
            self._block("except", handler.body)
        self._visit_all(node.orelse)
        self._block("finally", node.finalbody)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Read where it is used, not where it is written."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As above."""

    # How names are understood

    def _command(self, node: ast.Call) -> str | None:
        called = node.func
        if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
            return None
        if called.value.id == "asyncio":
            return "timer" if called.attr in ASYNCIO_TIMERS else None
        if called.value.id != "workflow":
            return None
        if called.attr == "wait_condition":
            return "wait or timer" if any(keyword.arg == "timeout" for keyword in node.keywords) else "wait"
        command = COMMANDS.get(called.attr)
        if command in ("activity", "local activity"):
            return f"{command} {self._activity(node.args[0]) or self._text(node.args[0])}"
        return f"{command} {self._text(node.args[0])}" if command in NAMED else command

    def _activity(self, node: ast.expr) -> str | None:
        """The type of the activity that ``Class.method`` is, or None."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return None
        home, name = self.place.module.imported.get(node.value.id, ("", ""))
        if not home.startswith(("activities.", "audit.activities")):
            return None
        method = getattr(getattr(importlib.import_module(home), name, None), node.attr, None)
        found = activity._Definition.from_callable(method) if method else None
        return str(found.name) if found else ast.unparse(node)

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name) and node.id not in self._own_names():
            return str(self.place.module.value(node.id))
        return "as given"

    def _follow_called(self, called: ast.expr) -> None:
        """A constructor of ours, a function of a module of ours, or a method of whatever class of ours has it."""
        if isinstance(called, ast.Name) and called.id not in self._own_names():
            module, name = self.sources.imported(self.place.module, called.id)
            if module and name in module.classes:
                self._follow(module.function("__init__", module.classes[name]))
        elif isinstance(called, ast.Attribute) and not _is_of(called, "self", "super"):
            named = called.value.id if isinstance(called.value, ast.Name) else ""
            if module := self.sources.imported_module(self.place.module, named):
                self._follow(module.function(called.attr))
            elif not self._is_a_module(named):
                for place in self.sources.methods(called.attr):
                    self._follow(place)

    def _is_a_module(self, name: str) -> bool:
        return name in ("workflow", "asyncio")

    def _nested(self) -> dict[str, Function]:
        return _nested(self._outermost())

    def _own_names(self) -> set[str]:
        """Parameters and variables, which stand for something else than a function of that name would."""
        return _names(self._outermost())

    def _outermost(self) -> Function:
        """The function that this one is written in."""
        return self.place.module.outermost.get(self.place.function, self.place.function)

    def _follow(self, place: Place | None) -> None:
        if place is None or place.function in (*self.under, self.place.function):
            return
        below = (*self.under, self.place.function)
        self.found += _Reading(self.sources, place, below, self.depth).lines()

    def _say(self, line: str) -> None:
        self.found.append("  " * self.depth + line)

    def _block(self, heading: str, body: Iterable[ast.AST]) -> None:
        inner = _Reading(self.sources, self.place, self.under, self.depth + 1)
        inner._visit_all(body)
        if inner.found:
            self._say(heading)
            self.found += inner.found

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


@cache
def _nested(outermost: Function) -> dict[str, Function]:
    """The functions that are written in this one."""
    return {node.name: node for node in ast.walk(outermost) if isinstance(node, Function) and node is not outermost}


@cache
def _names(outermost: Function) -> set[str]:
    """Its parameters and variables, and those of the functions in it."""
    inside = list(ast.walk(outermost))
    stored = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in inside if isinstance(node, ast.arg)}


def _is_of(called: ast.expr, *receivers: str) -> bool:
    if not isinstance(called, ast.Attribute):
        return False
    of = called.value.func if isinstance(called.value, ast.Call) else called.value
    return isinstance(of, ast.Name) and of.id in receivers


def _workflows() -> list[Any]:
    return sorted(path for path in (ROOT / "workflows").glob("*.py") if path.stem != "__init__")
