"""What a campaign keeps of itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import __main__ as campaign
from tests.chaos.campaign import Result, command
from tests.chaos.results import Results

HELD = Result("killed@a", command("killed@a", 1), "succeeded", 20.5, 8.0, (("killed", "a"),), ())
BROKEN = Result(
    "frozen@b", command("frozen@b", 2), "stuck", 300.0, None, (("frozen", "b"),), ("trail: no row",), "long"
)


def test_a_campaign_that_broke_off_goes_on(tmp_path: Path) -> None:
    """Nights that held are not played again, the others are, and the table has each as it was played last."""
    file = tmp_path / "results.jsonl"
    for result in (HELD, BROKEN):
        Results(file).add(result)
    resumed = Results(file)
    assert resumed.survived == {HELD.repeat}
    assert resumed.all == [HELD, replace(BROKEN, report="")]
    mended = replace(BROKEN, outcome="succeeded", broken=(), report="")
    resumed.add(mended)
    assert Results(file).all == [HELD, mended]


def test_without_a_file_a_campaign_is_of_one_run() -> None:
    """Nothing is read and nothing kept."""
    results = Results(None)
    results.add(HELD)
    assert results.all == [HELD]
    assert Results(None).all == []


class Interrupted:
    """A campaign during which somebody presses Ctrl-C."""

    def __init__(self, stages: int) -> None:
        pass

    def submit(self, plan: str, seed: int) -> None:
        raise KeyboardInterrupt

    def close(self) -> None:
        pass


def test_an_interrupted_campaign_plays_no_defects_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends there, and says so by its exit code."""
    went_on: list[str] = []
    monkeypatch.setattr(campaign, "Campaign", Interrupted)
    monkeypatch.setattr(campaign, "write", went_on.append)
    monkeypatch.setattr(campaign, "_caught", went_on.append)
    monkeypatch.setattr(sys, "argv", ["tests.chaos", "--nights", "1", "--document", "--defects"])
    with pytest.raises(SystemExit) as ended:
        campaign.main()
    assert (ended.value.code, went_on) == (130, [])
