"""What the command that swaps clusters under faults makes of its results; the swaps themselves are in the short campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.campaign import Result, replay_command
from tests.chaos.login_watch import Data, LoginWatch
from tests.chaos.swaps import Distribution, describe

OLD, NEW = Data.OLD, Data.NEW
SWAPPED = Result(
    "swapped@1", replay_command("swapped@1", 0), "succeeded", 20.0, None, (("swapped", "1"),), (), absence=4.0
)


def watch(*answers: tuple[float, Data | None]) -> LoginWatch:
    """A client that has read these answers."""
    environment: Any = None
    return LoginWatch(environment, answers=list(answers))


@pytest.mark.parametrize(
    ("answers", "absence"),
    [
        ([(0.0, OLD), (0.2, OLD), (5.0, NEW)], 0.0),
        ([(0.0, OLD), (0.2, None), (0.4, None), (3.0, NEW)], 3.0),
        ([(0.0, OLD), (0.2, None), (0.4, OLD), (0.6, None), (2.0, NEW)], 1.6),
        ([(0.0, OLD), (0.2, None), (9.0, None)], 9.0),
    ],
)
def test_an_absence_is_from_one_answer_to_the_next(answers: list[tuple[float, Data | None]], absence: float) -> None:
    """Only if an attempt between them had none: a slow attempt that succeeds is an answer."""
    assert watch(*answers).absence == pytest.approx(absence)


def test_a_distribution_has_values_that_were_measured() -> None:
    """The 95th percentile of twenty is the nineteenth."""
    assert Distribution.of([float(value) for value in range(20, 0, -1)]) == (20, 1.0, 10.5, 19.0, 20.0)
    assert Distribution.of([3.0]) == (1, 3.0, 3.0, 3.0, 3.0)


def test_the_tables_count_what_was_run() -> None:
    """A plan whose fault was not injected is no measure of a kill."""
    name = "swap-killed-after-effect"
    killed = replace(SWAPPED, plan=f"{name}@rename-1", injections=((name, "swap-clusters"),), absence=21.0)
    missed = replace(killed, plan=f"{name}@start+6", injections=(), absence=1.0, broken=("swap: -",))
    lines = describe([SWAPPED, killed, missed], 2.0, 3).splitlines()
    assert lines[0] == "3 swaps in 2 minutes, in 3 parallel environments; 2 survived."
    assert "| undisturbed | 1 | 4.0 s | 4.0 s | 4.0 s | 4.0 s |" in lines
    assert "| the worker killed at each call | 1 | 21.0 s | 21.0 s | 21.0 s | 21.0 s |" in lines
    assert lines[-1].startswith(f"| {name} | SIGKILL of the worker")
    assert lines[-1].endswith("| 2 | 1 | succeeded | 21.0 s |")
