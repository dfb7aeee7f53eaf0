"""The sources of the workflows, and what the names in them refer to."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from tests.integration.versions.histories import ROOT

AUDIT_MODULES = ("audit.trail", "audit.interceptor")
"""What issues commands outside `workflows/`."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """A function: its module, and its class if it is a method."""

    module: Module
    owner: ast.ClassDef | None
    function: Function


@dataclass
class Module:
    """The source of one module."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source."""
        return ast.parse(self.source)

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """By local name: the module that a name is imported from, and its name there."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and node.module]
        return {alias.asname or alias.name: (str(node.module), alias.name) for node in nodes for alias in node.names}

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """By name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def outermost(self) -> dict[Function, Function]:
        """By nested function: the function or method that it is written in."""
        bodies = [self.tree.body, *(owner.body for owner in self.classes.values())]
        tops = [node for body in bodies for node in body if isinstance(node, Function)]
        return {node: top for top in tops for node in ast.walk(top) if isinstance(node, Function)}

    def function(self, name: str, owner: ast.ClassDef | None = None) -> Place | None:
        """A function of this module, or a method of this class."""
        body = owner.body if owner else self.tree.body
        functions = (node for node in body if isinstance(node, Function) and node.name == name)
        return next((Place(self, owner, node) for node in functions), None)

    def value(self, name: str) -> Any:
        """The value of a name at run time."""
        return getattr(importlib.import_module(self.name), name, None)


@cache
def read_module(name: str, source: str) -> Module:
    """A module, whose source is parsed once: an edit changes one of thirty."""
    return Module(name, source)


class Sources:
    """The modules whose functions may issue commands."""

    def __init__(self, replacements: Mapping[str, str] | None = None) -> None:
        """`replacements` gives modules another source than their own."""
        sources = {name: read_source(name) for name in (*AUDIT_MODULES, *_workflow_modules())} | dict(
            replacements or {}
        )
        self.modules = {name: read_module(name, source) for name, source in sources.items()}

    def methods(self, name: str) -> list[Place]:
        """Every method of that name, in whichever class."""
        places = [module.function(name, owner) for module in self.modules.values() for owner in module.classes.values()]
        return [place for place in places if place]

    def resolve(self, module: Module, name: str) -> tuple[Module | None, str]:
        """The module that defines a name of this one, if it is among these, and the name there."""
        home, original = module.imports.get(name, (module.name, name))
        return self.modules.get(home), original

    def resolve_module(self, module: Module, name: str) -> Module | None:
        """The module that a name of this one refers to, if it is among these."""
        home, original = module.imports.get(name, ("", ""))
        return self.modules.get(f"{home}.{original}")


def read_source(module: str) -> str:
    """The source of a module of this repository."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text("utf-8")


@cache
def nested_functions(outermost: Function) -> dict[str, Function]:
    """The functions that are written in this one, by name."""
    return {node.name: node for node in ast.walk(outermost) if isinstance(node, Function) and node is not outermost}


@cache
def local_names(outermost: Function) -> set[str]:
    """The parameters and variables of a function and of those in it."""
    nodes = list(ast.walk(outermost))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in nodes if isinstance(node, ast.arg)}


def is_attribute_of(called: ast.expr, *names: str) -> bool:
    """Whether an expression is `name.attribute` or `name().attribute`, for one of these names."""
    if not isinstance(called, ast.Attribute):
        return False
    receiver = called.value.func if isinstance(called.value, ast.Call) else called.value
    return isinstance(receiver, ast.Name) and receiver.id in names


def _workflow_modules() -> list[str]:
    return sorted(f"workflows.{path.stem}" for path in (ROOT / "workflows").glob("*.py") if path.stem != "__init__")
