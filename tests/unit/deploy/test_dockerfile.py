"""The Dockerfile against pyproject.toml: nothing forgotten, nothing slipped in, no root, no secret."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, continued lines joined; the last stage has no name."""
    found: dict[str, list[str]] = {}
    for line in DOCKERFILE.replace("\\\n", " ").splitlines():
        if named := re.match(r"FROM (?:\S+ AS )?(\S+)$", line):
            name = named[1] if " AS " in line else "last"
            found[name] = []
        if line and not line.startswith("#"):
            found[name].append(line)
    return found


def copied(stage: str) -> set[str]:
    """What a stage copies of the project, by its first names."""
    lines = [line.split()[1:-1] for line in stages()[stage] if line.startswith("COPY ")]
    return {source.rstrip("/") for sources in lines for source in sources}


def shipped(names: list[str]) -> set[str]:
    return {f"{name}.py" for name in names}


def test_it_copies_exactly_what_the_project_ships() -> None:
    """Every package and module of pyproject.toml; the devstack only into the devstack's image."""
    packages = set(PROJECT["tool"]["setuptools"]["packages"])
    modules = shipped(PROJECT["tool"]["setuptools"]["py-modules"])
    tops = {package.split(".")[0] for package in packages}
    assert copied("worker") - {"requirements.lock"} == (tops - {"devstack"}) | modules
    assert copied("devstack") == {"devstack", "pyproject.toml", "requirements-dev.lock"}


def test_what_it_copies_reaches_the_builder() -> None:
    """.dockerignore leaves out everything but that."""
    let_in = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert let_in == copied("worker") | copied("devstack")


def test_the_worker_runs_from_what_is_copied(tmp_path: Path) -> None:
    """With nothing else of the repository around, both programs start: no module was forgotten."""
    for name in copied("worker"):
        (tmp_path / name).symlink_to(ROOT / name)
    for program in ("worker.py", "starter.py"):
        script = (
            f"import runpy, sys; sys.argv = ['{program}', '--help']; sys.path.insert(0, '.'); "
            f"runpy.run_path('{program}', run_name='__main__')"
        )
        answer = subprocess.run(
            [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (answer.returncode, answer.stdout[:6]) == (0, "usage:"), answer.stderr


def test_only_the_lock_file_says_what_is_installed() -> None:
    """The worker's stage installs requirements.lock and nothing besides."""
    installed = [line for line in stages()["worker"] if "pip install" in line]
    assert installed == ["RUN pip install --requirement requirements.lock"]


def test_every_stage_ends_as_somebody_else_than_root() -> None:
    """By number, which Kubernetes can check."""
    for name, lines in stages().items():
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert (users[-1] if users else "10001:10001") == "10001:10001", name
    assert stages()["last"] == ["FROM worker"]


def test_python_is_the_oldest_that_the_project_supports() -> None:
    """What runs in production is what the types were checked for."""
    assert re.search(r"FROM python:(\S+)-slim", DOCKERFILE)[1] == PROJECT["tool"]["mypy"]["python_version"]  # type: ignore[index]


def test_it_stops_and_answers_as_the_worker_does() -> None:
    """SIGTERM lets activities finish; the health check asks Temporal."""
    worker = stages()["worker"]
    assert "STOPSIGNAL SIGTERM" in worker
    assert 'CMD ["python", "worker.py"]' in worker
    assert any(line.startswith("HEALTHCHECK") and '["python", "worker.py", "check"]' in line for line in worker)


def test_no_secret_is_baked_in() -> None:
    """Neither as a variable nor as an argument of the build."""
    assert not re.search(r"(?i)(password|secret|token|api_key)\s*=", DOCKERFILE)
    assert not re.search(r"^ARG ", DOCKERFILE, re.MULTILINE)
