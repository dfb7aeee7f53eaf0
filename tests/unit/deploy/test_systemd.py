"""The systemd unit is valid, exposes little, and agrees with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands.exit_codes import MISTAKE
from settings import PREFIX, Settings

UNIT = Path(__file__).resolve().parents[3] / "deploy" / "systemd" / "aurora-restore.service"
LINES = UNIT.read_text("utf-8").splitlines()
MOST_EXPOSED = 2.0
"""systemd's own scale from 0 to 10; below 2 is a service that hardly any distribution ships."""


@pytest.fixture
def analyze() -> str:
    """The program, or the test is skipped."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd-analyze; install systemd")
    return found


def setting(name: str) -> list[str]:
    """Every value of a directive."""
    return [line.partition("=")[2] for line in LINES if line.partition("=")[0] == name]


def test_systemd_accepts_the_unit(analyze: str, tmp_path: Path) -> None:
    """Without a warning, once its program exists."""
    [command] = setting("ExecStart")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text("utf-8").replace(command.split()[0], sys.executable), "utf-8")
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_the_service_hardly_exposed(analyze: str) -> None:
    """By the directives that the unit has, without running it."""
    command: list[str] = [analyze, "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) < MOST_EXPOSED, done.stdout


def test_the_unit_agrees_with_the_settings() -> None:
    """The time to stop is longer than the worker's, a mistake in the settings is not repeated, and no variable is a secret."""
    [stop] = setting("TimeoutStopSec")
    assert int(stop) > Settings.model_fields["graceful_shutdown_seconds"].default
    assert setting("RestartPreventExitStatus") == [str(MISTAKE)]
    variables = [each for line in setting("Environment") for each in line.split()]
    own = {each.partition("=")[0].removeprefix(PREFIX).lower() for each in variables if each.startswith(PREFIX)}
    assert own <= set(Settings.model_fields)
    assert "TEMPORAL_CONFIG_FILE=%d/temporal.toml" in variables
    assert setting("LoadCredential") == ["temporal.toml:/etc/aurora-restore/temporal.toml"]


def test_the_service_has_no_user_of_its_own_and_no_capability() -> None:
    """Nor may it write anywhere but into its own /tmp."""
    expected = {"DynamicUser": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "PrivateTmp": "yes"}
    assert {name: setting(name) for name in expected} == {name: [value] for name, value in expected.items()}
