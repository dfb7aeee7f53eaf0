"""`starter.py completion`: a script that the shell accepts, and that completes verbs of one and two words."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import starter
from commands.completion import SHELLS

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
def test_bash_completes_words(words: str, expected: str, scripts: dict[str, str], tmp_path: object) -> None:
    """As if the tabulator key was pressed."""
    script = f"{tmp_path}/completion.bash"
    with open(script, "w", encoding="utf-8") as file:  # noqa: PTH123 - the shell reads it
        file.write(scripts["bash"])
    command = COMPLETE.format(script=script, words=words)
    ran = subprocess.run(["bash", "-c", command], text=True, capture_output=True, check=True)
    assert ran.stdout.split() == expected.split()
