"""What a reader has to take in at once stays small: a module, a class, a room."""

from __future__ import annotations

import ast
import subprocess

from tests.rigs.documents import ROOT

MAX_MODULE_LINES, MAX_CLASS_LINES, MAX_ENTRIES = 300, 200, 14


def test_every_module_is_short() -> None:
    """Tests and devstack included; what grows over it has a second idea, which gets a module of its own."""
    longer = {str(path): lines for path, lines in lengths().items() if lines > MAX_MODULE_LINES}
    assert not longer


def test_every_class_is_short() -> None:
    """Its docstrings included."""
    longer = {
        f"{path}: {node.name}"
        for path in lengths()
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and node.end_lineno and node.end_lineno - node.lineno >= MAX_CLASS_LINES
    }
    assert not longer


def test_activities_is_no_corridor() -> None:
    """Its first level can be read at a glance."""
    entries = {path.split("/")[1] for path in lengths() if path.startswith("activities/")} - {"__init__.py"}
    assert len(entries) <= MAX_ENTRIES


def lengths() -> dict[str, int]:
    """The lines of each module of the project, by its path."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {
        path: len((ROOT / path).read_text("utf-8").splitlines()) for path in listed.split() if (ROOT / path).exists()
    }
