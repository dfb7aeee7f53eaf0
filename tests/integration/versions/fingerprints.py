"""A fingerprint of each workflow: the commands that its source issues, in order.

A replay fails if a workflow issues other commands than its history has: activities by their type, timers, children,
search attributes. A fingerprint lists these, read from the source: it follows the code from ``run`` through every
function, in the order of evaluation. It names neither functions nor variables, so a renaming does not change it.
``if``, ``loop`` and ``except`` precede the commands that depend on them.

It does not see a changed condition, a changed number of iterations, or when a coroutine continues. The recorded
histories see that, if a scenario gets there.

After a change that is meant, regenerate the file: `make fingerprints`.
"""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from temporalio import activity

from models.workflow_names import (
    CLEANUP_WORKFLOW,
    DECISION_WORKFLOW,
    ORPHANS_WORKFLOW,
    PLAN_WORKFLOW,
    REPAIR_WORKFLOW,
    RESTORE_WORKFLOW,
    SCHEMA_WORKFLOW,
    SUMMARY_WORKFLOW,
)
from tests.integration.versions.histories import FOLDER
from tests.integration.versions.workflow_sources import (
    Function,
    Place,
    Sources,
    is_attribute_of,
    local_names,
    nested_functions,
)

FILE = FOLDER / "fingerprints.json"
TRAIL = "the trail, in every workflow"
ROOTS = {
    RESTORE_WORKFLOW: ("workflows.aurora_restore", ("AuroraRestoreWorkflow",)),
    CLEANUP_WORKFLOW: ("workflows.cleanup", ("AuroraCleanupWorkflow",)),
    PLAN_WORKFLOW: ("workflows.worker_calls", ("AuroraPlanWorkflow",)),
    ORPHANS_WORKFLOW: ("workflows.worker_calls", ("AuroraOrphansWorkflow",)),
    DECISION_WORKFLOW: ("workflows.worker_calls", ("AuroraDecisionWorkflow",)),
    SCHEMA_WORKFLOW: ("workflows.worker_calls", ("AuroraSchemaWorkflow",)),
    REPAIR_WORKFLOW: ("workflows.worker_calls", ("AuroraRepairWorkflow",)),
    SUMMARY_WORKFLOW: ("workflows.summary", ("AuroraSummaryWorkflow",)),
    TRAIL: ("audit.interceptor", ("_WorkflowInterceptor", "_StepInterceptor")),
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
"""Functions of `temporalio.workflow` that issue a command."""
ASYNCIO_TIMERS = ("sleep", "wait_for", "timeout")
PATCHES = ("patched", "deprecated patch")
"""Commands whose argument is part of the history."""


def fingerprint(name: str, replacements: Mapping[str, str] | None = None) -> list[str]:
    """The commands of one of `ROOTS`; `replacements` gives modules another source than their own."""
    return list(_commands(Sources(replacements), *ROOTS[name]))


def committed_fingerprints() -> dict[str, list[str]]:
    """The fingerprints in the repository."""
    content: dict[str, list[str]] = json.loads(FILE.read_text("utf-8"))
    return content


def write() -> None:
    """Write the present fingerprints to the repository."""
    FILE.write_text(json.dumps({name: fingerprint(name) for name in ROOTS}, indent=2) + "\n", "utf-8")


def _commands(sources: Sources, module_name: str, class_names: Iterable[str]) -> Iterator[str]:
    module = sources.modules[module_name]
    for class_name in class_names:
        owner = module.classes[class_name]
        for node in owner.body:
            if isinstance(node, Function) and _is_called_by_temporal(owner, node):
                yield from _FunctionReader(sources, Place(module, owner, node)).read()


def _is_called_by_temporal(owner: ast.ClassDef, node: Function) -> bool:
    if owner.bases:  # an interceptor: Temporal calls its public methods
        return not node.name.startswith("_")
    decorators = {
        text.split("(")[0].split(".")[1] for text in map(ast.unparse, node.decorator_list) if "workflow." in text
    }
    return node.name == "__init__" or bool(decorators & {"run", "signal", "update"})


@dataclass
class _FunctionReader(ast.NodeVisitor):
    """Reads one function in the order of evaluation, and the functions that it calls."""

    sources: Sources
    place: Place
    callers: tuple[Function, ...] = ()
    depth: int = 0
    lines: list[str] = field(default_factory=list)

    def read(self) -> list[str]:
        """The commands of the function, indented by what they depend on."""
        for statement in self.place.function.body:
            self.visit(statement)
        return self.lines

    # What a function does

    def visit_Call(self, node: ast.Call) -> None:
        args = [*node.args, *(keyword.value for keyword in node.keywords)]
        if (command := self._command(node)) is not None:
            if command.startswith(("activity", "local activity")):
                args = args[1:]
            self._visit_all(args)
            self._append(command)
            return
        if isinstance(node.func, ast.Attribute) and not is_attribute_of(node.func, "self"):
            self.visit(node.func.value)
        self._visit_all(args)
        if isinstance(node.func, ast.Name) or is_attribute_of(node.func, "self"):
            self.visit(node.func)
        self._read_called(node.func)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if (activity_type := self._activity_type(node)) is not None:
            self._append(f"given {activity_type}")
        elif isinstance(node.value, ast.Name) and node.value.id == "self" and self.place.owner:
            self._read(self.place.module.function(node.attr, self.place.owner))
        else:
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            return
        if nested := nested_functions(self._outermost()).get(node.id):
            self._read(Place(self.place.module, self.place.owner, nested))
        elif node.id not in local_names(self._outermost()):
            module, name = self.sources.resolve(self.place.module, node.id)
            self._read(module.function(name) if module else None)

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
        """A nested function is read where it is called."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As above."""

    # What its names refer to

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
            return f"{command} {self._activity_type(node.args[0]) or self._text(node.args[0])}"
        return f"{command} {self._text(node.args[0])}" if command in PATCHES else command

    def _activity_type(self, node: ast.expr) -> str | None:
        """The activity type if the expression is ``Class.method`` of an activity, else None."""
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            return None
        module, name = self.place.module.imports.get(node.value.id, ("", ""))
        owner = getattr(importlib.import_module(module), name, None) if module else None
        method = getattr(owner, node.attr, None)
        definition = activity._Definition.from_callable(method) if callable(method) else None
        return str(definition.name) if definition else None

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name) and node.id not in local_names(self._outermost()):
            return str(self.place.module.value(node.id))
        return "as given"

    def _read_called(self, called: ast.expr) -> None:
        """Read a constructor, a function of a module, or every method of that name."""
        if isinstance(called, ast.Name) and called.id not in local_names(self._outermost()):
            module, name = self.sources.resolve(self.place.module, called.id)
            if module and name in module.classes:
                self._read(module.function("__init__", module.classes[name]))
        elif isinstance(called, ast.Attribute) and not is_attribute_of(called, "self", "super"):
            receiver = called.value.id if isinstance(called.value, ast.Name) else ""
            if module := self.sources.resolve_module(self.place.module, receiver):
                self._read(module.function(called.attr))
            elif receiver not in ("workflow", "asyncio"):
                for place in self.sources.methods(called.attr):
                    self._read(place)

    def _outermost(self) -> Function:
        """The function or method that this one is written in."""
        return self.place.module.outermost.get(self.place.function, self.place.function)

    def _read(self, place: Place | None) -> None:
        if place is None or place.function in (*self.callers, self.place.function):
            return
        callers = (*self.callers, self.place.function)
        self.lines += _FunctionReader(self.sources, place, callers, self.depth).read()

    def _append(self, line: str) -> None:
        self.lines.append("  " * self.depth + line)

    def _block(self, heading: str, body: Iterable[ast.AST]) -> None:
        inner = _FunctionReader(self.sources, self.place, self.callers, self.depth + 1)
        inner._visit_all(body)
        if inner.lines:
            self._append(heading)
            self.lines += inner.lines

    def _visit_all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)
