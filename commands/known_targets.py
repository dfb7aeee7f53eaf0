"""The names of the targets that the trail knows, kept in a file of the user for the completion of a shell.

A shell that asked the trail at each press of the Tab key would wait for Python, AWS and a network. So the commands that read
the targets anyway write their names down, and the shell only reads a file. Without the file it completes no name, and says nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audit.numbers import OperationNumbersTable

MAX_NAMES = 10_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
"""What may be a cluster's name. Nothing else is written: a shell reads it, and anyone may have written to the trail."""
_FILE = '"${{XDG_CACHE_HOME:-$HOME/.cache}}/aurora-restore/targets-${{AURORA_RESTORE_ENVIRONMENT:-{environment}}}"'
_FISH = """\
function {function}
    set -l cache $HOME/.cache
    set -q XDG_CACHE_HOME; and set cache $XDG_CACHE_HOME
    set -l environment {environment}
    set -q AURORA_RESTORE_ENVIRONMENT; and set environment $AURORA_RESTORE_ENVIRONMENT
    {first}cat $cache/aurora-restore/targets-$environment 2>/dev/null
end"""


def list_known_targets(numbers: OperationNumbersTable) -> list[str]:
    """The ARN of every target that the trail knows; their names are written down. Raises `TrailUnavailable`."""
    from models.identifiers import environment_of_table

    arns = numbers.list_targets()
    remember_names((arn.rpartition(":")[2] for arn in arns), environment_of_table(numbers.name))
    return arns


def remember_names(names: Iterable[str], environment: str) -> None:
    """Write the names down, one a line. A file that cannot be written is no error: only the completion lacks them."""
    text = "".join(f"{name}\n" for name in sorted(set(filter(_NAME.fullmatch, names)))[:MAX_NAMES])
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home
        file = _folder() / f"targets-{environment}"
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.write_text(text, encoding="ascii")
        new.replace(file)


def _folder() -> Path:
    """Source: XDG Base Directory Specification, XDG_CACHE_HOME."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "aurora-restore"


def name_completion(also: str = "") -> dict[str, object]:
    """The names for shtab, in the languages of the shells; `also` is a word that completes beside them."""
    from models.identifiers import DEFAULT_ENVIRONMENT

    function = f"_aurora_restore_targets{f'_and_{also}' if also else ''}"
    file, first = _FILE.format(environment=DEFAULT_ENVIRONMENT), f"echo {also}; " if also else ""
    read = f"cat {file} 2>/dev/null"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f'{function}() {{\n  compgen -W "$({first}{read})" -- $1\n}}',
            "zsh": f'{function}() {{\n  local -a names; names=(${{(f)"$({first}{read})"}})\n  compadd -a names\n}}',
            "fish": _FISH.format(function=function, environment=DEFAULT_ENVIRONMENT, first=first),
        },
    }
