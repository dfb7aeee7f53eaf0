"""The Dockerfile matches pyproject.toml: every package and nothing else, no root user, no secret."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, with continued lines joined; the stage without a name is `last`."""
    instructions: dict[str, list[str]] = {}
    for line in DOCKERFILE.replace("\\\n", " ").splitlines():
        if named := re.match(r"FROM (?:\S+ AS )?(\S+)$", line):
            name = named[1] if " AS " in line else "last"
            instructions[name] = []
        if line and not line.startswith("#"):
            instructions[name].append(line)
    return instructions


def copied(stage: str) -> set[str]:
    """The folders and files of the project that a stage copies."""
    lines = [line.split()[1:-1] for line in stages()[stage] if line.startswith("COPY ")]
    return {source.rstrip("/") for sources in lines for source in sources}


def test_the_images_contain_exactly_the_packages_of_the_project() -> None:
    """The worker's image has every package and module of pyproject.toml; only the devstack's image has the devstack."""
    packages = set(PROJECT["tool"]["setuptools"]["packages"])
    modules = {f"{name}.py" for name in PROJECT["tool"]["setuptools"]["py-modules"]}
    tops = {package.split(".")[0] for package in packages}
    assert copied("worker") - {"requirements.lock"} == (tops - {"devstack"}) | modules
    assert copied("devstack") == {"devstack", "pyproject.toml", "requirements-dev.lock"}


def test_dockerignore_admits_exactly_the_copied_files() -> None:
    """.dockerignore excludes everything that no stage copies."""
    admitted = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert admitted == copied("worker") | copied("devstack")


def test_both_programs_start_from_the_copied_files_alone(tmp_path: Path) -> None:
    """worker.py and starter.py start in a folder that has only the copied files."""
    for name in copied("worker"):
        (tmp_path / name).symlink_to(ROOT / name)
    for program in ("worker.py", "starter.py"):
        script = (
            f"import runpy, sys; sys.argv = ['{program}', '--help']; sys.path.insert(0, '.'); "
            f"runpy.run_path('{program}', run_name='__main__')"
        )
        completed = subprocess.run(
            [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (completed.returncode, completed.stdout[:6]) == (0, "usage:"), completed.stderr


def test_the_worker_image_installs_only_the_lock_file() -> None:
    """The worker's stage installs requirements.lock and nothing else."""
    installed = [line for line in stages()["worker"] if "pip install" in line]
    assert installed == ["RUN pip install --requirement requirements.lock"]


def test_no_stage_ends_as_root() -> None:
    """Every stage ends as a user other than root, named by a number, which Kubernetes can check."""
    for name, lines in stages().items():
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert (users[-1] if users else "10001:10001") == "10001:10001", name
    assert stages()["last"] == ["FROM worker"]


def test_the_image_has_the_oldest_supported_python() -> None:
    """The image has the Python version for which mypy checks the types."""
    assert re.search(r"FROM python:(\S+)-slim", DOCKERFILE)[1] == PROJECT["tool"]["mypy"]["python_version"]  # type: ignore[index]


def test_the_image_starts_stops_and_checks_the_worker() -> None:
    """The image runs worker.py, stops it by SIGTERM, and its health check is `worker.py check`."""
    worker = stages()["worker"]
    assert "STOPSIGNAL SIGTERM" in worker
    assert 'CMD ["python", "worker.py"]' in worker
    assert any(line.startswith("HEALTHCHECK") and '["python", "worker.py", "check"]' in line for line in worker)


def test_the_image_has_the_databases_certificates() -> None:
    """Where the setting says, readable by the image's user, from the address that a missing file's message names."""
    [added] = [line for line in stages()["worker"] if line.startswith("ADD ")]
    [_, mode, address, path] = added.split()
    assert mode == "--chmod=0444"
    assert f"ENV {PREFIX}DATABASE_TLS_CA_FILE={path}" in stages()["worker"]
    assert address in (ROOT / "settings.py").read_text()
    assert "database_tls_ca_file" in Settings.model_fields


def test_the_dockerfile_contains_no_secret() -> None:
    """The Dockerfile has no secret, neither as a variable nor as a build argument."""
    assert not re.search(r"(?i)(password|secret|token|api_key)\s*=", DOCKERFILE)
    assert not re.search(r"^ARG ", DOCKERFILE, re.MULTILINE)
