"""`python -m tests.chaos.swaps`: swaps with and without faults, each seen by a client that logs in every 200 ms.

Writes for how long that client got no answer into docs/reliability.md: of undisturbed swaps, and of swaps whose worker was
killed at each call; and how each fault of a swap ended.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from devstack.pipeline import ROOT
from tests.chaos.campaign import Campaign, Result, replay_command
from tests.chaos.plans import SWAP_FAULTS
from tests.chaos.report import write
from tests.chaos.results import Results

BEGIN, END = "<!-- swaps: written by make faults -->", "<!-- swaps: end -->"
DOCUMENT = ROOT / "docs" / "reliability.md"
UNDISTURBED = "swapped"
KILLS = ("swap-killed-after-effect", "swap-killed-before-effect")

console = Console(soft_wrap=True)


class Distribution(NamedTuple):
    """How long nobody answered under the target's name, in seconds."""

    swaps: int
    shortest: float
    median: float
    p95: float
    longest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """The distribution of at least one value; the 95th percentile is one of them."""
        ordered = sorted(values)
        p95 = ordered[-(-95 * len(ordered) // 100) - 1]
        return cls(len(ordered), ordered[0], statistics.median(ordered), p95, ordered[-1])


def main() -> int:
    """Exit codes: 0 every promise held, 1 not."""
    options = _parser().parse_args()
    results = Results(options.resume)
    faults = {} if options.without_faults else SWAP_FAULTS
    plans = [f"{name}@{place}" for name, fault in faults.items() if name != UNDISTURBED for place in fault.places]
    plans += [f"{UNDISTURBED}@{number}" for number in range(1, options.swaps + 1)]
    missing = [plan for plan in plans if replay_command(plan, 0) not in results.survived]
    campaign = Campaign(options.environments)
    try:
        # After a swap that succeeded, the next plan shows already that another one does.
        futures = [campaign.submit(plan, 0, always_run_next=False) for plan in missing]
        for future in as_completed(futures):
            result = future.result()
            results.add(result)
            _print(result, results.seconds)
    finally:
        campaign.close()
    text = describe(results.all, results.minutes, options.environments)
    console.print(text, markup=False)
    if options.document:
        write(text, DOCUMENT, (BEGIN, END))
    return 0 if len(results.survived) == len(plans) == len(results.all) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.swaps", description="Swap clusters with and without faults while a client logs in."
    )
    parser.add_argument(
        "--swaps", type=int, default=100, help="how many undisturbed swaps to run, at most 100 (default)"
    )
    parser.add_argument("--without-faults", action="store_true", help="only the undisturbed swaps")
    parser.add_argument("--environments", type=int, default=4, help="how many environments run in parallel (default 4)")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="write the results to FILE, and skip the plans that it has"
    )
    parser.add_argument("--document", action="store_true", help="write the tables into docs/reliability.md")
    return parser


def _print(result: Result, seconds: float) -> None:
    verdict = "held  " if result.survived else "BROKEN"
    absence = f", no answer for {result.absence:.1f} s" if result.absence is not None else ""
    line = f"{seconds:5.0f} s  {verdict} {result.plan}: {result.outcome}, {result.seconds:.0f} s{absence}"
    console.print(line, markup=False, highlight=False)
    if result.broken:
        console.print("\n".join([*result.broken, result.replay, result.report]), markup=False)


def describe(results: Sequence[Result], minutes: float, environments: int) -> str:
    """Both tables, in Markdown."""
    survived = sum(result.survived for result in results)
    return "\n".join(
        [
            f"{len(results)} swaps in {minutes:.0f} minutes, in {environments} parallel environments; {survived} survived.",
            "",
            "| no answer for | swaps | min | median | 95th percentile | max |",
            "|---|---|---|---|---|---|",
            *_distribution_line("undisturbed", [each for each in results if _fault(each) == UNDISTURBED]),
            *_distribution_line("the worker killed at each call", [each for each in results if _fault(each) in KILLS]),
            "",
            "| fault | what happens | swaps | survived | how they ended | longest time without an answer |",
            "|---|---|---|---|---|---|",
            *(_fault_line(name, [each for each in results if _fault(each) == name]) for name in _names(results)),
        ]
    )


def _fault(result: Result) -> str:
    return result.plan.partition("@")[0]


def _names(results: Sequence[Result]) -> list[str]:
    run = {_fault(result) for result in results}
    return [name for name in SWAP_FAULTS if name in run]


def _distribution_line(label: str, results: Sequence[Result]) -> list[str]:
    absences = [result.absence for result in results if result.absence is not None and result.injections]
    if not absences:
        return []
    count, *seconds = Distribution.of(absences)
    return [f"| {label} | {count} | {' | '.join(f'{value:.1f} s' for value in seconds)} |"]


def _fault_line(name: str, results: Sequence[Result]) -> str:
    survived = sum(result.survived for result in results)
    outcomes = ", ".join(sorted({result.outcome for result in results}))
    longest = max((result.absence or 0.0 for result in results), default=0.0)
    cells = (name, SWAP_FAULTS[name].description, str(len(results)), str(survived), outcomes, f"{longest:.1f} s")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
