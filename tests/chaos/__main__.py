"""`python -m tests.chaos`: run the campaign, or one plan of it."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import as_completed
from pathlib import Path

from rich.console import Console

from tests.chaos.campaign import (
    NO_FAULTS,
    SINGLE_FAULT_PLANS,
    SLOW_FAULTS,
    Campaign,
    Result,
    Runner,
    plan_for_seed,
    replay_command,
)
from tests.chaos.defects import DEFECTS, broken_names, defective_copy
from tests.chaos.regressions import REGRESSIONS
from tests.chaos.report import as_markdown, as_table, rows_of, summary, write
from tests.chaos.results import Results

console = Console(soft_wrap=True)


def main() -> int:
    """Exit codes: 0 every promise held and every defect was caught, 1 not, 130 interrupted."""
    options = _parser().parse_args()
    if options.list:
        for seed, plan in enumerate(map(plan_for_seed, range(len(SINGLE_FAULT_PLANS)))):
            console.print(seed, plan)
        return 0
    if options.defect:
        return 0 if _catches(options.defect) else 1
    if options.seed is not None or options.plan is not None:
        seed = options.seed or 0
        return _replay(plan_for_seed(seed) if options.plan is None else options.plan, seed)
    results = Results(options.resume)
    survived = _run_campaign(options.restores, options.first, options.environments, results, document=options.document)
    caught = [_catches(name) for name in DEFECTS] if options.defects else []
    return 0 if survived and all(caught) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Run restores while faults are injected, and check every promise."
    )
    parser.add_argument("--seed", type=int, help="run the plan of this seed and print everything about it")
    parser.add_argument("--plan", help="run this plan: fault@place, several with ' + ' between them")
    parser.add_argument("--list", action="store_true", help="print every fault at every place, with its seed")
    parser.add_argument("--restores", type=int, default=650, help="how many seeds to run (default 650)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--environments", type=int, default=4, help="how many environments run in parallel (default 4)")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="write the results to FILE, and skip the plans that it has"
    )
    parser.add_argument("--document", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument("--defects", action="store_true", help="afterwards check that each deliberate defect is caught")
    parser.add_argument("--defect", choices=DEFECTS, help="only check that this deliberate defect is caught")
    return parser


def _replay(plan: str, seed: int) -> int:
    runner = Runner()
    try:
        result = runner.run(plan, seed)
    finally:
        runner.close()
    console.print(result.report, markup=False)
    _print_result(result, 0)
    return 0 if result.survived else 1


def _run_campaign(restores: int, first: int, environments: int, results: Results, *, document: bool) -> bool:
    plans = [(plan, 0) for plan in REGRESSIONS]
    plans += [(plan_for_seed(seed), seed) for seed in range(first, first + restores)]
    interrupted = _run_plans(plans, environments, results)
    rows = rows_of(results.all)
    console.print(as_table(rows))
    heading = summary(results.all, results.minutes, environments)
    console.print(heading)
    for result in results.all:
        if not result.survived:
            console.print(f"BROKEN {result.plan}: {'; '.join(result.broken)}\n  {result.replay}", markup=False)
    if interrupted:
        sys.exit(130)
    if document:
        write(as_markdown(rows, heading))
    return len(results.survived) == len(plans) == len(results.all)


def _run_plans(plans: list[tuple[str, int]], environments: int, results: Results) -> bool:
    """Run the plans without a result; returns whether the operator interrupted them."""
    missing = [(plan, seed) for plan, seed in plans if replay_command(plan, seed) not in results.survived]
    # The slow ones first, so that the campaign does not wait for one of them at its end.
    missing.sort(key=lambda plan_and_seed: not plan_and_seed[0].startswith(SLOW_FAULTS))
    campaign = Campaign(environments)
    try:
        futures = [campaign.submit(plan, seed) for plan, seed in missing]
        for future in as_completed(futures):
            results.add(future.result())
            _print_result(future.result(), results.seconds)
    except KeyboardInterrupt:
        console.print("Interrupted. The restores that are running end first.")
        return True
    finally:
        campaign.close()
    return False


def _print_result(result: Result, seconds: float) -> None:
    verdict = "held  " if result.survived else "BROKEN"
    plan = result.plan or "no faults"
    console.print(
        f"{seconds:5.0f} s  {verdict} {plan}: {result.outcome}, {result.seconds:.0f} s", markup=False, highlight=False
    )
    for promise in result.broken:
        console.print(f"         {promise}", markup=False)
    if result.broken:
        console.print(f"         replay: {result.replay}\n{result.report}", markup=False)


def _catches(name: str) -> bool:
    """Whether, with a defect in the pipeline, a restore without faults succeeds and the defect's plan breaks its promise."""
    defect = DEFECTS[name]
    with defective_copy(defect) as root:
        runner = Runner((sys.executable, root / "worker.py"))
        try:
            undisturbed, disturbed = runner.run(NO_FAULTS, 0), runner.run(defect.plan, 0)
        finally:
            runner.close()
    caught = undisturbed.survived and defect.breaks in broken_names(disturbed.broken)
    console.print(f"defect {name}: {'caught' if caught else 'NOT CAUGHT'} by {defect.plan}", markup=False)
    for promise in (*undisturbed.broken, *disturbed.broken):
        console.print(f"         {promise}", markup=False)
    return caught


if __name__ == "__main__":
    sys.exit(main())
