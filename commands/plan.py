"""`starter.py plan`."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from commands.arguments import request_argument
from commands.exit_codes import FAILED, FINE
from commands.restores import temporal_client
from commands.terminal import print_progress, print_result

if TYPE_CHECKING:
    from models.plan import Plan
    from models.request import RestoreRequest

EXAMPLES = (
    ("plan restore.toml", "what it would do and what would stop it; exit code 1 if a check fails"),
    ("plan restore.toml -o json | jq '.results[] | select(.status == \"failed\")'", "only the checks that fail"),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The request to plan."""
    request_argument(verb)


def run(args: argparse.Namespace) -> int:
    """Let the worker find out what a restore would do and what would stop it, and print it; change nothing."""
    from commands.plan_page import page
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(TrailSettings)
    plan = asyncio.run(_plan(request, settings.task_queue))
    if args.output == "json":
        from commands.json_output import fields_of, print_json

        print_json({"would_run": not plan.failed_checks, **fields_of(plan)})
    else:
        print_result(page(plan))
    return FAILED if plan.failed_checks else FINE


async def _plan(request: RestoreRequest, task_queue: str) -> Plan:
    from runs.worker_calls import WorkerCalls

    client = await temporal_client()
    print_progress(f"A worker of {task_queue} plans the restore of {request.target.cluster} …")
    return await WorkerCalls(client, task_queue).plan(request)
