"""docs/reliability.md claims only what is shown: promises have tests, defects have plans, the table is of a good campaign."""

from __future__ import annotations

import re

import pytest

from tests.chaos.defects import DEFECTS
from tests.chaos.invariants import PROMISES
from tests.chaos.plans import FAULTS
from tests.chaos.report import BEGIN, END, HEADINGS
from tests.rigs.documents import ROOT, defined_names, section, text

RELIABILITY = text("docs", "reliability.md")
PROMISED = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section(RELIABILITY, "What is promised"), re.MULTILINE)[1:]
CAMPAIGNS_OWN = "message"
"""Checked apart from the others, because some faults keep every message from being sent."""


@pytest.mark.parametrize(("promise", "shown_by"), PROMISED, ids=[promise[:50] for promise, _ in PROMISED])
def test_each_promise_names_tests_that_exist(promise: str, shown_by: str) -> None:
    """A test is named by its module and its name, an invariant or a fault of the campaign by its own."""
    tests = re.findall(r"`(tests/[\w/]+\.py)`::`(\w+)`", shown_by)
    for module, name in tests:
        assert name in defined_names(ROOT / module), module
    campaign = shown_by.partition("the campaign")[2]
    named = re.findall(r"`([^`]+)`", campaign)
    assert set(named) <= {*PROMISES, *FAULTS, CAMPAIGNS_OWN}
    assert tests or campaign, promise


def test_every_invariant_of_the_campaign_is_a_promise() -> None:
    """Everything that the campaign checks is in the table."""
    named = set(re.findall(r"`([^`]+)`", " ".join(shown_by for _, shown_by in PROMISED)))
    assert {*PROMISES, CAMPAIGNS_OWN} <= named


def test_the_defects_are_those_of_the_campaign() -> None:
    """The table has each deliberate defect with its plan and the promise that it breaks."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \| (\w+) \|$", RELIABILITY, re.MULTILINE)
    assert rows == [(name, defect.description, defect.plan, defect.breaks) for name, defect in DEFECTS.items()]


def test_the_campaigns_table_is_of_a_good_run() -> None:
    """The table is of a whole campaign: at least 500 restores with every kind of fault, and every restore survived."""
    table = RELIABILITY.partition(BEGIN)[2].partition(END)[0]
    [(total, total_survived)] = re.findall(
        r"^(\d+) restores in \d+ minutes, .*; (\d+) survived\.$", table, re.MULTILINE
    )
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (\d+) \| (\d+) \| [^|]+ \|$", table, re.MULTILINE)
    assert f"| {' | '.join(HEADINGS)} |" in table
    assert {fault for fault, *_ in rows} >= set(FAULTS)
    assert all(restores == survived for *_, restores, survived in rows)
    assert sum(int(restores) for _, _, restores, _ in rows) == int(total) == int(total_survived) >= 500
