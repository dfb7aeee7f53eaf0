"""`python -m tests.chaos`: the campaign, or one night of it again."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import as_completed
from pathlib import Path

from rich.console import Console

from tests.chaos.campaign import SINGLES, SLOW, Campaign, Result, Runner, command, plan_of
from tests.chaos.defects import DEFECTS, broken_by, defective
from tests.chaos.regressions import KEPT
from tests.chaos.report import as_markdown, as_table, lines_of, write
from tests.chaos.results import Results

console = Console(soft_wrap=True)


def main() -> int:
    """Exit codes: 0 every promise held and every defect was caught, 1 not, 130 interrupted."""
    options = _parser().parse_args()
    if options.list:
        for seed, plan in enumerate(map(plan_of, range(len(SINGLES)))):
            console.print(seed, plan)
        return 0
    if options.defect:
        return 0 if _caught(options.defect) else 1
    if options.seed is not None or options.plan is not None:
        seed = options.seed or 0
        return _again(plan_of(seed) if options.plan is None else options.plan, seed)
    results = Results(options.resume)
    good = _campaign(options.nights, options.first, options.stages, results, document=options.document)
    caught = [_caught(name) for name in DEFECTS] if options.defects else []
    return 0 if good and all(caught) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Seeded nights into which faults come.")
    parser.add_argument("--seed", type=int, help="play one seed again and show everything about it")
    parser.add_argument("--plan", help="play this plan: fault@place, several with ' + ' between them")
    parser.add_argument("--list", action="store_true", help="every fault at every place, with its seed")
    parser.add_argument("--nights", type=int, default=500, help="how many seeds (default 500)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--stages", type=int, default=4, help="how many worlds side by side (default 4)")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep the results there, and go on with what it has"
    )
    parser.add_argument("--document", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument("--defects", action="store_true", help="afterwards, see each deliberate defect caught")
    parser.add_argument("--defect", choices=DEFECTS, help="only see this defect caught")
    return parser


def _again(plan: str, seed: int) -> int:
    runner = Runner()
    try:
        result = runner.run(plan, seed)
    finally:
        runner.close()
    console.print(result.report, markup=False)
    _tell(result, 0)
    return 0 if result.survived else 1


def _campaign(nights: int, first: int, stages: int, results: Results, *, document: bool) -> bool:
    work = [(plan, 0) for plan in KEPT] + [(plan_of(seed), seed) for seed in range(first, first + nights)]
    left = [(plan, seed) for plan, seed in work if command(plan, seed) not in results.survived]
    campaign, interrupted = Campaign(stages), False
    try:
        # The slow ones first, so that no stage waits for another at the end.
        futures = [
            campaign.submit(plan, seed) for plan, seed in sorted(left, key=lambda of: not of[0].startswith(SLOW))
        ]
        for done in as_completed(futures):
            results.add(done.result())
            _tell(done.result(), results.seconds)
    except KeyboardInterrupt:
        console.print("interrupted; the nights that are being played come to their end first")
        interrupted = True
    finally:
        campaign.close()
    played = results.all
    lines = lines_of(played)
    console.print(as_table(lines))
    survived = sum(result.survived for result in played)
    heading = (
        f"{len(played)} nights in {results.minutes:.0f} minutes, {stages} worlds side by side; {survived} survived."
    )
    console.print(heading)
    for result in played:
        if not result.survived:
            console.print(f"BROKEN {result.plan}: {'; '.join(result.broken)}\n  {result.repeat}", markup=False)
    if interrupted:
        sys.exit(130)
    if document:
        write(as_markdown(lines, heading))
    return survived == len(work) == len(played)


def _tell(result: Result, seconds: float) -> None:
    verdict = "held  " if result.survived else "BROKEN"
    said = f"{seconds:5.0f} s  {verdict} {result.plan or 'a clean night'}: {result.outcome}, {result.seconds:.0f} s"
    console.print(said, markup=False, highlight=False)
    for promise in result.broken:
        console.print(f"         {promise}", markup=False)
    if result.broken:
        console.print(f"         again: {result.repeat}\n{result.report}", markup=False)


def _caught(name: str) -> bool:
    """Whether a clean night goes well in spite of a defect, and the defect's plan shows it."""
    defect = DEFECTS[name]
    with defective(defect) as root:
        runner = Runner(root)
        try:
            clean, shown = runner.run("", 0), runner.run(defect.plan, 0)
        finally:
            runner.close()
    caught = clean.survived and defect.breaks in broken_by(shown.broken)
    console.print(f"defect {name}: {'caught' if caught else 'NOT CAUGHT'} by {defect.plan}", markup=False)
    for promise in (*clean.broken, *shown.broken):
        console.print(f"         {promise}", markup=False)
    return caught


if __name__ == "__main__":
    sys.exit(main())
