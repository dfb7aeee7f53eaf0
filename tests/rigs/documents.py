"""Reading our own documents and the code that they speak of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
PRODUCTION = ("activities", "audit", "clients", "commands", "models", "runs", "workflows")
ROOT_MODULES = ("errors", "heartbeat", "logs", "settings", "starter", "worker")


def text(*path: str) -> str:
    return ROOT.joinpath(*path).read_text("utf-8")


def headings(markdown: str) -> list[str]:
    return re.findall(r"^## (.+)$", without_code(markdown), re.MULTILINE)


def section(markdown: str, heading: str) -> str:
    return re.split(r"^## ", markdown.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def without_code(markdown: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", markdown, flags=re.DOTALL | re.MULTILINE)


def modules(package: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of a package of ours, or the one module of that name."""
    folder = ROOT / package
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]:
        yield path, ast.parse(path.read_text("utf-8"))


def anchor(heading: str) -> str:
    """The anchor that a renderer of Markdown gives a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
