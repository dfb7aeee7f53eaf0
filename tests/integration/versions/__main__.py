"""`make histories` and `make fingerprints`: what is kept of this version, so that a later one can be held against it."""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import logging
import sys
import time
from collections.abc import Sequence

import structlog
from rich.console import Console

from tests.integration.versions import fingerprints
from tests.integration.versions.histories import FOLDER, Recorded, recorded, released, replayed, version
from tests.integration.versions.recording import Studio, studios
from tests.integration.versions.scenarios import SCENARIOS

console = Console()
SECONDS = 90
"""A scenario that takes longer is stuck."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.versions", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    histories = verbs.add_parser("histories", help="play every scenario and keep its history")
    histories.add_argument("only", nargs="*", default=["*"], help="names of scenarios; * and ? stand for anything")
    verbs.add_parser("fingerprints", help="keep the commands of each workflow as they are now")
    args = parser.parse_args(arguments)
    if args.verb == "fingerprints":
        fingerprints.write()
        return 0
    # Nights that fail are meant to.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(_record(args.only))


async def _record(only: Sequence[str]) -> int:
    of = version()
    if released(of):
        console.print(
            f"{of} is released: its histories stay as they are. Raise the version in pyproject.toml first.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return 1
    wanted = {name: play for name, play in SCENARIOS.items() if any(fnmatch.fnmatch(name, each) for each in only)}
    kept: set[str] = set()
    failed: list[str] = []
    async with studios() as studio:
        for number, (name, play) in enumerate(wanted.items()):
            began = time.monotonic()
            try:
                async with studio(f"scenario-{number}") as at:
                    await asyncio.wait_for(play(at), SECONDS)
                    kept |= await _kept(at, of, name)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other scenarios are played
                failed.append(name)
                console.print(f"NOT RECORDED: {name}: {error!r}", markup=False, highlight=False, soft_wrap=True)
            else:
                console.print(
                    f"{time.monotonic() - began:5.1f} s  {name}", markup=False, highlight=False, soft_wrap=True
                )
    if failed:
        console.print(
            f"{len(failed)} scenarios are not recorded: {' '.join(failed)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return 1
    if only == ["*"]:
        for history in recorded():
            if history.version == of and history.name not in kept:
                history.path.unlink()
    console.print(f"{len(kept)} histories in {FOLDER / of}", markup=False, highlight=False, soft_wrap=True)
    return 0


async def _kept(at: Studio, of: str, scenario: str) -> set[str]:
    kept = set()
    for name, handle in at.handles.items():
        history = Recorded(of, f"{scenario}-{name}".rstrip("-"))
        history.write(await handle.fetch_history())
        if failure := (await replayed(history.read())).replay_failure:
            raise RuntimeError(f"{history.name} does not even replay on the code that it was recorded with: {failure}")
        kept.add(history.name)
    return kept


if __name__ == "__main__":
    sys.exit(main())
