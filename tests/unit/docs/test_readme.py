"""What README.md says of the commands and the settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from settings import PREFIX, Settings
from starter import EPILOG, parser
from tests.rigs.documents import ROOT, section, text

README = text("README.md")


def test_the_help_block_is_the_help() -> None:
    """The block under starter.py is what `python starter.py --help` prints at 100 columns."""
    command = [sys.executable, "starter.py", "--help"]
    helped = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "100"}, capture_output=True, text=True, check=True
    )
    assert re.findall(r"```text\n(.*?)```", section(README, "starter.py"), re.DOTALL) == [helped.stdout]


def test_every_verb_is_explained() -> None:
    """The table of verbs has each verb that starter.py has, in its order, with what it must and may be told."""
    [verbs] = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    explained = dict(re.findall(r"^\| `([a-z ]+?)(?: ([][A-Z_]+))?` \|", section(README, "starter.py"), re.MULTILINE))
    assert list(explained) == list(verbs)
    for verb, argument in explained.items():
        assert argument.strip("[]") in verbs[verb].format_usage()
        # What is in brackets may be left out: without it the verb is understood.
        assert (argument == "" or argument.startswith("[")) == understood(verb)


def test_exit_codes_are_those_of_the_help() -> None:
    """Each exit code that the help lists stands in the README with the same meaning."""
    codes = re.findall(r"^  ([0-9])  (.+)$", EPILOG, re.MULTILINE)
    assert len(codes) == 6
    for code, meaning in codes:
        assert f"| {code} | {meaning} |" in section(README, "starter.py")


def test_the_settings_table_is_the_model() -> None:
    """Names, defaults and descriptions of the settings are those of settings.Settings."""
    wanted = []
    for name, setting in Settings.model_fields.items():
        default = getattr(setting.default, "value", setting.default)
        shown = "*required*" if setting.is_required() else "*not set*" if default is None else f"`{default}`"
        wanted.append(f"| `{PREFIX}{name.upper()}` | {shown} | {setting.description} |")
    found = [line for line in section(README, "Settings").splitlines() if line.startswith(f"| `{PREFIX}")]
    assert found == wanted


def test_every_setting_that_a_document_names_exists() -> None:
    """No document asks for a variable that nobody reads."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for path in ("README.md", "docs/runbook.md"):
        assert set(re.findall(rf"{PREFIX}[A-Z_]+", text(path))) <= known


def test_every_option_that_a_document_names_exists() -> None:
    """An option of starter.py in a command of the README or the runbook is one that the verb has."""
    [verbs] = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    for path in ("README.md", "docs/runbook.md"):
        for verb, rest in re.findall(r"starter\.py ([a-z]+(?: verify)?)([^\n`|#]*)", text(path)):
            assert verb in verbs
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in verbs[verb]._option_string_actions, f"{path}: starter.py {verb} {option}"


def test_make_has_the_commands() -> None:
    """The targets that the README names are the Makefile's."""
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)$", README, re.MULTILINE)) == {"demo", "test"} <= targets
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def understood(verb: str) -> bool:
    """Whether a verb without anything else is a whole command."""
    try:
        parser().parse_args([verb])
    except SystemExit:
        return False
    return True
