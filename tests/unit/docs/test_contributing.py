"""What CONTRIBUTING.md promises a contributor: commands that exist, and the same checks before a commit as in `make lint`."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.rigs.documents import DOCUMENTS, ROOT, headings, text

MAKEFILE = text("Makefile")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_make_target_that_a_document_names_exists() -> None:
    """Each `make TARGET` in code type or on a line of its own is a target of the Makefile."""
    named = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"(?:`|^)make ([a-z-]+)(?= AREA|`|$)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {"demo", "test", "test-fast", "test-one", "lint"} <= named <= TARGETS


def test_the_hooks_run_what_lint_runs() -> None:
    """`.pre-commit-config.yaml` has the commands of `make lint`, in their order."""
    recipe = re.split(r"\n\n", MAKEFILE.partition("\nlint:")[2])[0].splitlines()[1:]
    commands = [
        line.strip().lstrip("@").replace("$(IN_VENV)", "$(VENV)/bin/python").replace("$(VENV)", ".venv")
        for line in recipe
    ]
    [repository] = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    assert not any(hook["pass_filenames"] for hook in repository["hooks"])


def test_the_forms_can_be_read() -> None:
    """Each issue form has a name and says what it is for."""
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert len(forms) == 3
    for form in forms:
        front = yaml.safe_load(form.read_text("utf-8").split("---\n")[1])
        assert front["name"]
        assert front["about"]


def test_every_rig_is_in_the_tests_readme() -> None:
    """A contributor finds each rig in tests/README.md, with what is real in it."""
    rigs = {path.name for path in (ROOT / "tests" / "rigs").glob("[a-z]*.py")}
    assert not [rig for rig in sorted(rigs) if f"`tests/rigs/{rig}`" not in text("tests", "README.md")]


def test_the_newest_section_of_the_changelog_is_of_this_version() -> None:
    """A change of this version is written under its number."""
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert headings(text("CHANGELOG.md"))[0].split(" - ")[0] == version
