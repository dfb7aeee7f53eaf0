"""The one-way imports that docs/architecture.md promises; between the rooms `make lint` holds them (pyproject.toml)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rigs.documents import PRODUCTION, ROOT, ROOT_MODULES, modules, section, text

BESIDE_THE_ROOMS = {
    "errors": {"limits"},
    "heartbeat": set[str](),
    "limits": set[str](),
    "metrics": {"audit", "clients", "errors", "models", "settings"},
    "registrations": {"activities", "audit", "clients", "settings", "workflows"},
    "settings": {"limits", "models"},
    "traces": {"settings", "version"},
    "version": set[str](),
    "logs": {"settings", "errors"},
}
"""What each module beside the rooms may import of ours: import-linter knows packages only."""
PROGRAMS = {"starter", "worker"}


@pytest.mark.parametrize("module", BESIDE_THE_ROOMS)
def test_a_module_beside_the_rooms_imports_what_it_may(module: str) -> None:
    """Errors, limits and settings are the floor: they import nothing of ours but each other.

    Metrics measure what activities get and return; only the worker imports them, the traces and the registrations.
    """
    ours = {*PRODUCTION, *ROOT_MODULES, "devstack", "tests"}
    imported = {name for _, tree in modules(module) for name in imports(tree)}
    assert imported & ours <= BESIDE_THE_ROOMS[module]


def test_every_module_at_the_root_has_a_rule() -> None:
    """Whatever is shipped beside the rooms is a program, or has its place in the order."""
    assert {*BESIDE_THE_ROOMS, *PROGRAMS} == set(ROOT_MODULES)


def test_every_room_has_its_layer() -> None:
    """A new room is linted only if the contract names it."""
    assert {room for layer in layers() for room in layer} == set(PRODUCTION)


def test_the_document_draws_the_same_layers() -> None:
    """The table in docs/architecture.md lists the rooms in the order of the contract, highest first."""
    drawn = re.findall(r"^\| `([a-z]+)/` \|", section(text("docs", "architecture.md"), "Rooms"), re.MULTILINE)
    order = {room: place for place, layer in enumerate(layers()) for room in layer}
    places = [order[room] for room in drawn if room in order]
    assert len(places) == len(order)
    assert places == sorted(places)


def test_the_document_has_the_rooms_inside_activities() -> None:
    """Each room inside activities/ is in the document and in a contract."""
    actual = {path.parent.name for path in (ROOT / "activities").glob("*/__init__.py")}
    named = re.findall(
        r"^\| `activities/([a-z]+)/` \|", section(text("docs", "architecture.md"), "Rooms"), re.MULTILINE
    )
    [contract] = [each for each in contracts() if each.get("containers") == ["activities"]]
    layered = set(re.findall(r"\w+", " ".join(contract["layers"])))
    assert set(named) == actual == layered & actual
    assert {path.stem for path in (ROOT / "activities").glob("[a-z]*.py")} <= layered


def layers() -> list[list[str]]:
    """The rooms by layer, highest first."""
    [contract] = [each for each in contracts() if each["type"] == "layers" and "containers" not in each]
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def contracts() -> list[dict[str, Any]]:
    """The contracts of import-linter."""
    linted: list[dict[str, Any]] = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    return linted


def imports(tree: ast.Module) -> Iterator[str]:
    """The top-level packages that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
