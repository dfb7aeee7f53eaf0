"""The results file of a campaign, and its interruption."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import __main__ as command_line
from tests.chaos.campaign import Result, replay_command
from tests.chaos.results import Results

SURVIVED = Result("killed@a", replay_command("killed@a", 1), "succeeded", 20.5, 8.0, (("killed", "a"),), ())
BROKEN = Result(
    "frozen@b", replay_command("frozen@b", 2), "stuck", 300.0, None, (("frozen", "b"),), ("trail: no row",), "long"
)


def test_a_resumed_campaign_runs_only_the_plans_that_have_not_survived(tmp_path: Path) -> None:
    """Plans that survived are not run again, the others are, and the last result of each plan counts."""
    file = tmp_path / "results.jsonl"
    for result in (SURVIVED, BROKEN):
        Results(file).add(result)
    resumed = Results(file)
    assert resumed.survived == {SURVIVED.replay}
    assert resumed.all == [SURVIVED, replace(BROKEN, report="")]
    fixed = replace(BROKEN, outcome="succeeded", broken=(), report="")
    resumed.add(fixed)
    assert Results(file).all == [SURVIVED, fixed]


def test_without_a_file_the_results_are_of_one_run() -> None:
    """Without a file no result is read or written."""
    results = Results(None)
    results.add(SURVIVED)
    assert results.all == [SURVIVED]
    assert Results(None).all == []


class InterruptedCampaign:
    """A campaign that the operator interrupts with Ctrl-C."""

    def __init__(self, environments: int) -> None:
        pass

    def submit(self, plan: str, seed: int) -> None:
        raise KeyboardInterrupt

    def close(self) -> None:
        pass


def test_an_interrupted_campaign_runs_no_defects_and_writes_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the campaign ends with exit code 130."""
    later_calls: list[str] = []
    monkeypatch.setattr(command_line, "Campaign", InterruptedCampaign)
    monkeypatch.setattr(command_line, "write", later_calls.append)
    monkeypatch.setattr(command_line, "_catches", later_calls.append)
    monkeypatch.setattr(sys, "argv", ["tests.chaos", "--restores", "1", "--document", "--defects"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert (ended.value.code, later_calls) == (130, [])
