"""docs/walk.md leads through the code as it is: at most twelve calls, four rooms, one name for the step's input."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.rigs.documents import ROOT, definition, text

WALK = text("docs", "walk.md")
CALLS = {
    number: (caller, path, name, what)
    for number, caller, path, name, what in re.findall(
        r"^\| (\d+) \| (\d*) ?\| `([\w/]+\.py)`::`([\w.]+)` \| (.+) \|$", WALK, re.MULTILINE
    )
}
MOST_CALLS, MOST_ROOMS = 12, 4


def test_it_is_short() -> None:
    """A newcomer finds the way in twelve calls and four rooms."""
    assert list(CALLS) == [str(number) for number in range(1, len(CALLS) + 1)]
    assert 10 <= len(CALLS) <= MOST_CALLS
    assert len({Path(path).parts[0] for _, path, _, _ in CALLS.values()}) <= MOST_ROOMS


def test_each_call_names_the_next() -> None:
    """A function that is called from another one of the walk is named in it."""
    for caller, path, name, _ in CALLS.values():
        assert definition(ROOT / path, name) is not None, name
        if caller:
            _, calling_path, calling_name, _ = CALLS[caller]
            assert name.rpartition(".")[2] in source(calling_path, calling_name), f"{calling_name} does not call {name}"


def test_the_input_of_the_step_has_one_name() -> None:
    """Where the walk says `step_input`, the function has it under that name, or builds it."""
    builders = {"delete_rds_input"}
    for _, path, name, what in CALLS.values():
        if "`step_input`" in what and name not in builders:
            assert re.search(r"\bstep_input\b", source(path, name)), name


def source(path: str, name: str) -> str:
    """The source of a function."""
    found = definition(ROOT / path, name)
    assert found is not None, f"{path}: {name}"
    return ast.unparse(found)
