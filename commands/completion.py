"""`starter.py completion`: the script with which a shell completes the command line. shtab writes it from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from commands.arguments import output_argument
from commands.exit_codes import FINE

PROGRAM = "aurora-restore"
"""The installed script; a shell completes no `python starter.py`."""
TARGETS = ("TARGET", "OPERATION", "NAME")
"""The arguments that take a target's name."""
SHELLS = ("bash", "zsh", "fish")
FORMATS = ("text", "json")
EXAMPLES = (
    ("completion bash > ~/.local/share/bash-completion/completions/aurora-restore", "for bash"),
    ("completion zsh > ~/.zfunc/_aurora-restore", "for zsh, with ~/.zfunc in fpath before compinit"),
    ("completion fish > ~/.config/fish/completions/aurora-restore.fish", "for fish"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """Which shell."""
    verb.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    """Print a script that completes the commands and options of aurora-restore in a shell."""
    import shtab

    from commands.json_output import print_json

    parser = completed_parser()
    _complete_files(parser, shtab.FILE)
    _complete_targets(parser)
    script = shtab.complete(parser, args.shell)
    if args.output == "json":
        print_json({"shell": args.shell, "script": script})
    else:
        print(script)
    return FINE


def completed_parser() -> argparse.ArgumentParser:
    """As `starter.parser`, but a verb of two words is a verb of a verb, or of a group of its own."""
    from starter import VERBS

    root = argparse.ArgumentParser(prog=PROGRAM)
    root.add_argument("--version", action="store_true", help="print the version")
    verbs = root.add_subparsers(dest="verb")
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for name, command in VERBS.items():
        first, _, second = name.partition(" ")
        if second and first not in VERBS:
            if first not in groups:  # shtab leaves out what has no help
                groups[first] = verbs.add_parser(first, help=f"see {name}").add_subparsers(dest="second")
            parser = groups[first].add_parser(second, help=command.run.__doc__)
        elif second:
            _add_to_first(verbs.choices[first], second, command.arguments)
            continue
        else:
            parser = verbs.add_parser(first, help=command.run.__doc__)
        command.arguments(parser)
        output_argument(parser, getattr(command, "FORMATS", FORMATS))
    return root


def _add_to_first(
    first: argparse.ArgumentParser, second: str, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> None:
    """The second word completes as an argument of the first, and its options as the first's."""
    scratch = argparse.ArgumentParser(add_help=False)
    add_arguments(scratch)
    for action in first._actions:
        if not action.option_strings:
            action.choices = (second,)
    known = set(first._option_string_actions)
    for action in scratch._actions:
        if action.option_strings and not known & set(action.option_strings):
            first._add_action(action)


def _complete_files(parser: argparse.ArgumentParser, files: object) -> None:
    for action in parser._actions:
        if action.type is Path:
            action.complete = files  # type: ignore[attr-defined]
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            _complete_files(below, files)


def _complete_targets(parser: argparse.ArgumentParser) -> None:
    """By the names that earlier commands have written down; an operation can be named by its target, too."""
    from commands.known_targets import name_completion

    for action in parser._actions:
        if not action.option_strings and action.metavar in TARGETS:
            also = "".join(action.choices or ())
            action.complete = name_completion(also)  # type: ignore[attr-defined]
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            _complete_targets(below)
