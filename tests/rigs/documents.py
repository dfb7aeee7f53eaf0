"""Reads the project's documents and the code that they describe."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
DOCUMENTS = tuple(
    path
    for folder in (".", "docs/**", "tests/**", "deploy", "devstack/**")
    for path in sorted(ROOT.glob(f"{folder}/*.md"))
)
"""Every document."""
PRODUCTION = (
    "activities",
    "audit",
    "clients",
    "commands",
    "conformance",
    "events",
    "models",
    "reports",
    "runs",
    "waiting",
    "workflows",
)
ROOT_MODULES: tuple[str, ...] = tuple(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["py-modules"]
)
"""The modules beside the rooms."""


def text(*path: str) -> str:
    """The content of a file of the repository."""
    return ROOT.joinpath(*path).read_text("utf-8")


def headings(markdown: str) -> list[str]:
    """The second-level headings, in their order."""
    return re.findall(r"^## (.+)$", without_code(markdown), re.MULTILINE)


def section(markdown: str, heading: str) -> str:
    """Everything below a second-level heading."""
    return re.split(r"^## ", markdown.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def without_code(markdown: str) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", markdown, flags=re.DOTALL | re.MULTILINE)


def modules(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of a package of ours, or the one module of that name."""
    folder = ROOT / package
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]:
        yield path, ast.parse(path.read_text("utf-8"))


def literals(package: str) -> Iterator[str]:
    """Every text of a package, with … in place of each value that is put into it."""
    for _, tree in modules(package):
        for node in ast.walk(tree):
            match node:
                case ast.Constant(str(value)):
                    yield value
                case ast.JoinedStr(values=parts):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


def anchor(heading: str) -> str:
    """The anchor that a renderer of Markdown gives a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def definition(path: Path, name: str) -> ast.stmt | None:
    """The function, method (CLASS.METHOD) or class of that name in a module, or None."""
    body: list[ast.stmt] = ast.parse(path.read_text("utf-8")).body
    found: ast.stmt | None = None
    for part in name.split("."):
        found = next((node for node in body if getattr(node, "name", None) == part), None)
        body = found.body if isinstance(found, ast.ClassDef) else []
    return found


@cache
def defined_names(path: Path) -> frozenset[str]:
    """What a module defines: functions, classes, constants, and methods as CLASS.METHOD; none if there is no such file."""
    if not path.is_file():
        return frozenset()
    return frozenset(_defined(ast.parse(path.read_text("utf-8")).body))


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=members):
                yield name
                yield from (f"{name}.{member}" for member in _defined(members))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
