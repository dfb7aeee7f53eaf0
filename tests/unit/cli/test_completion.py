"""`starter.py completion`: a script that the shell accepts, and that completes verbs of one and two words, and targets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import starter
from commands.completion import SHELLS
from commands.known_targets import MAX_NAMES, remember_names

COMPLETE = """
source {script}
COMP_WORDS=(aurora-restore {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))
_shtab_aurora_restore aurora-restore "${{COMP_WORDS[COMP_CWORD]}}"
echo "${{COMPREPLY[*]}}"
"""


@pytest.fixture
def scripts(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    written = {}
    for shell in SHELLS:
        assert starter.main(["completion", shell]) == 0
        written[shell] = capsys.readouterr().out
    return written


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_accepts_its_script(shell: str, scripts: dict[str, str]) -> None:
    """Each verb is in it; where the shell is installed, it reads the script."""
    assert all(verb.partition(" ")[0] in scripts[shell] for verb in starter.VERBS)
    if program := shutil.which(shell):
        read = subprocess.run([program, "-n"], input=scripts[shell], text=True, capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("st", "start status"),
        ("audit ver", "verify"),
        ("audit --rep", "--repair"),
        ("masking ''", "init check"),
        ("list --output ''", "table json"),
    ],
)
def test_bash_completes_words(words: str, expected: str, scripts: dict[str, str], tmp_path: Path) -> None:
    """As if the Tab key was pressed."""
    assert complete(words, scripts, tmp_path) == expected.split()


def complete(words: str, scripts: dict[str, str], tmp_path: Path, **environment: str) -> list[str]:
    """What bash offers."""
    script = f"{tmp_path}/completion.bash"
    with open(script, "w", encoding="utf-8") as file:  # noqa: PTH123 - the shell reads it
        file.write(scripts["bash"])
    command = COMPLETE.format(script=script, words=words)
    environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path), **environment}
    ran = subprocess.run(
        ["bash", "-c", command], text=True, capture_output=True, check=True, env=environment, timeout=10
    )
    assert not ran.stderr
    return ran.stdout.split()


def test_bash_completes_the_targets_that_a_command_has_read(
    scripts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this environment, from a file, at once; silently none without it, and no name that is none."""
    assert complete("status ''", scripts, tmp_path) == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remember_names(["orders-staging", "orders-test", "$(reboot)", "a b", "orders-test"], "aurora-restore")
    remember_names(["invoices"], "reporting")
    for verb in ("status", "watch", "history", "healthy", "pause --all", "retry", "report"):
        assert complete(f"{verb} orders-s", scripts, tmp_path) == ["orders-staging"], verb
    assert complete("audit ''", scripts, tmp_path) == ["verify", "orders-staging", "orders-test"]
    assert complete("status ''", scripts, tmp_path, AURORA_RESTORE_ENVIRONMENT="reporting") == ["invoices"]


def test_the_file_of_names_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may have written operations of invented targets."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remember_names((f"t{number}" for number in range(MAX_NAMES + 9)), "aurora-restore")
    [file] = (tmp_path / "aurora-restore").iterdir()
    assert len(file.read_text("ascii").splitlines()) == MAX_NAMES


def test_a_home_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that has read the targets does its work."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember_names(["orders-staging"], "aurora-restore")
