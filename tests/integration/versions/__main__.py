"""`make histories` and `make fingerprints`: record what this version does, for later versions to be compared with."""

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
from tests.integration.versions.histories import (
    FOLDER,
    RecordedHistory,
    current_version,
    is_released,
    list_recorded,
    replay,
)
from tests.integration.versions.recording import ScenarioRig, scenario_rigs
from tests.integration.versions.scenarios import SCENARIOS

SECONDS = 90
"""A scenario that takes longer is stuck."""
console = Console(markup=False, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.versions", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    histories = verbs.add_parser("histories", help="run every scenario and keep its history")
    histories.add_argument("only", nargs="*", default=["*"], help="names of scenarios, with * and ? as wildcards")
    verbs.add_parser("fingerprints", help="keep the present commands of each workflow")
    args = parser.parse_args(arguments)
    if args.verb == "fingerprints":
        fingerprints.write()
        return 0
    # Many scenarios fail on purpose.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(_record(args.only))


async def _record(patterns: Sequence[str]) -> int:
    version = current_version()
    if is_released(version):
        console.print(
            f"{version} is released, and its histories must stay as they are.\n"
            "Raise the version in pyproject.toml, then run this again."
        )
        return 1
    names = [name for name in SCENARIOS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    recorded: set[str] = set()
    failed: list[str] = []
    async with scenario_rigs() as scenario_rig:
        for number, name in enumerate(names):
            started = time.monotonic()
            try:
                async with scenario_rig(f"scenario-{number}") as rig:
                    await asyncio.wait_for(SCENARIOS[name](rig), SECONDS)
                    recorded |= await _keep_histories(rig, version, name)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other scenarios still run
                failed.append(name)
                console.print(f"NOT RECORDED: {name}: {error!r}")
            else:
                console.print(f"{time.monotonic() - started:5.1f} s  {name}")
    if failed:
        console.print(f"{len(failed)} scenarios are not recorded: {' '.join(failed)}")
        return 1
    if patterns == ["*"]:
        _delete_others(version, recorded)
    console.print(f"{len(recorded)} histories in {FOLDER / version}")
    return 0


async def _keep_histories(rig: ScenarioRig, version: str, scenario: str) -> set[str]:
    names = set()
    for suffix, handle in rig.handles.items():
        history = RecordedHistory(version, f"{scenario}-{suffix}".rstrip("-"))
        history.write(await handle.fetch_history())
        if failure := (await replay(history.read())).replay_failure:
            raise RuntimeError(f"{history.name} does not replay on the code that recorded it: {failure}")
        names.add(history.name)
    return names


def _delete_others(version: str, recorded: set[str]) -> None:
    """Delete the histories of scenarios that no longer exist."""
    for history in list_recorded():
        if history.version == version and history.name not in recorded:
            history.path.unlink()


if __name__ == "__main__":
    sys.exit(main())
