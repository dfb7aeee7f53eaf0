"""The one-way imports that docs/architecture.md promises."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.rigs.documents import PRODUCTION, ROOT_MODULES, modules, section, text

ALLOWED = {
    "errors": set(),
    "settings": set(),
    "models": {"models", "errors"},
    "clients": {"clients", "models", "errors"},
    "activities": {"activities", "clients", "models", "errors"},
    "audit": {"audit", "clients", "models", "errors"},
    "workflows": {"workflows", "activities", "audit", "models", "errors"},
    "commands": {*PRODUCTION, "errors", "settings"},
    "logs": {"settings", "errors"},
    "worker": {*PRODUCTION, "errors", "logs", "settings"},
    "starter": {*PRODUCTION, "errors", "logs", "settings"},
}
OURS = {*PRODUCTION, *ROOT_MODULES, "devstack", "tests"}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    """A module imports only what stands below it, and nothing of production imports the devstack."""
    wrong = [
        f"{path.name}:{line} imports {name}"
        for path, tree in modules(package)
        for line, name in imported(tree)
        if name in OURS - ALLOWED[package] - {package}
    ]
    assert not wrong


def test_every_package_has_a_rule() -> None:
    """Whatever is shipped has its place in the order."""
    assert set(ALLOWED) == {*PRODUCTION, *ROOT_MODULES}


@pytest.mark.parametrize("package", [name for name in PRODUCTION if name != "workflows"])
def test_the_document_names_the_same_rule(package: str) -> None:
    """The table in docs/architecture.md allows what this test allows."""
    rows = [line for line in section(text("docs", "architecture.md"), "Modules").splitlines() if line.startswith("|")]
    [row] = [line for line in rows if line.startswith(f"| `{package}/` |")]
    assert set(row.split("|")[2].replace("`", "").replace(" ", "").split(",")) == ALLOWED[package] - (
        {package} if package != "models" else set()
    )


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module.partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
