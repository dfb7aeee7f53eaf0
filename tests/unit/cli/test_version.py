"""The two programs as they are installed: their version, and the scripts that start them."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from version import NAME, VERSION

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SCRIPTS = PROJECT["project"]["scripts"]


def test_the_version_is_that_of_the_project() -> None:
    """A container has no pyproject.toml, so the programs read version.py; the two agree."""
    assert (PROJECT["project"]["name"], PROJECT["project"]["version"]) == (NAME, VERSION)


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_a_program_prints_its_version(program: str) -> None:
    """Name and version on stdout, exit code 0."""
    done = subprocess.run([sys.executable, ROOT / program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{NAME} {VERSION}\n"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_starts_a_module_that_is_installed(script: str) -> None:
    """Its module is one of the wheel's, and its function ends the process with the exit code, as the program does."""
    module, _, function = SCRIPTS[script].partition(":")
    assert module in PROJECT["tool"]["setuptools"]["py-modules"]
    assert callable(getattr(importlib.import_module(module), function))
    code = f"import sys; sys.argv = ['{script}', '--no-such-option']; import {module}; {module}.{function}()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)


def test_both_programs_have_a_script() -> None:
    """One for the operator, one for the worker."""
    assert SCRIPTS == {"aurora-restore": "starter:run_program", "aurora-restore-worker": "worker:run_program"}


def test_the_wheel_has_every_module_and_package() -> None:
    """Setuptools ships every module and package of the repository but the tests."""
    shipped = PROJECT["tool"]["setuptools"]
    assert set(shipped["py-modules"]) == {path.stem for path in ROOT.glob("*.py")}
    rooms = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    packages = [path.parent for room in rooms for path in room.rglob("__init__.py")]
    assert set(shipped["packages"]) == {str(path.relative_to(ROOT)).replace("/", ".") for path in packages}
