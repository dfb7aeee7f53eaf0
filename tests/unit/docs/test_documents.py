"""What every document promises: links and names that lead somewhere, one sentence a line, decisions that are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rigs.documents import (
    DOCUMENTS,
    PRODUCTION,
    ROOT,
    ROOT_MODULES,
    anchor,
    defined_names,
    headings,
    modules,
    text,
    without_code,
)

FOLDERS = (*PRODUCTION, "deploy", "devstack", "docs", "examples", "tests")
TWO_SENTENCES = re.compile(r"[a-z0-9`)*][.!?] [A-Z`*]")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of ours has the file, and its anchor the heading."""
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target
    for target, name in re.findall(r"\]\(([^)#]+\.md)#([^)]+)\)", path.read_text("utf-8")):
        assert name in {anchor(heading) for heading in headings((path.parent / target).read_text("utf-8"))}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_one_sentence_a_line(path: Path) -> None:
    """A line of prose holds one sentence, so that a change shows as the sentence that changed."""
    prose = [line for line in without_code(path.read_text("utf-8")).splitlines() if not line.startswith("|")]
    plain = [re.sub(r"`[^`]*`", "``", re.sub(r"^[ >]*[0-9]+\. ", "", line)) for line in prose]
    assert not [line for line in plain if TWO_SENTENCES.search(line)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_files_that_are_named_exist(path: Path) -> None:
    """A path in code type that begins with a folder of ours is a file or a folder of the repository."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", path.read_text("utf-8"))
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_names_that_are_pointed_at_exist(path: Path) -> None:
    """In `file.py`::`name` the module defines the name: a function, a class, a method as CLASS.METHOD, or a constant."""
    pointed = re.findall(r"`([\w/]+\.py)`::`([\w.]+)`", path.read_text("utf-8"))
    assert not [f"{module}::{name}" for module, name in pointed if name not in defined_names(ROOT / module)]


def test_decisions_are_numbered_and_say_the_same_four_things() -> None:
    """Every decision has its number, context, decision, consequences and what would change it."""
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        written = path.read_text("utf-8")
        assert written.startswith(f"# {path.name[:4]}: ")
        assert headings(written) == ["Context", "Decision", "Consequences", "What would change it"]


def test_documents_that_code_refers_to_exist() -> None:
    """A reference from code to a document leads to its file."""
    code = [path for package in (*PRODUCTION, *ROOT_MODULES) for path, _ in modules(package)]
    named = {name for path in code for name in re.findall(r"docs/[\w./-]+\.md", path.read_text("utf-8"))}
    assert "docs/decisions/0002-durable-timers.md" in named
    assert not [name for name in named if not (ROOT / name).exists()]
    pointed = {each for path in code for each in re.findall(r"(docs/[\w./-]+\.md)#([\w-]+)", path.read_text("utf-8"))}
    assert not [(name, place) for name, place in pointed if place not in map(anchor, headings(text(name)))]


def test_the_licence_is_apaches() -> None:
    """LICENSE is the Apache License 2.0, whole, and pyproject.toml says so."""
    licence = text("LICENSE")
    title = [line.strip() for line in licence.strip().splitlines()[:2]]
    assert title == ["Apache License", "Version 2.0, January 2004"]
    assert "END OF TERMS AND CONDITIONS" in licence
    assert 'license = "Apache-2.0"' in text("pyproject.toml")


def test_libraries_are_decided_upon() -> None:
    """Every library that pyproject.toml asks for is in decision 0008 or was given with the task."""
    decided = text("docs", "decisions", "0008-libraries.md")
    asked = re.findall(r'^    "([a-z0-9-]+)(?:\[|[<>=]|")', text("pyproject.toml").partition("[tool.")[0], re.MULTILINE)
    given = {"boto3", "pydantic", "temporalio"}
    assert not [name for name in asked if name not in given and name not in decided]
