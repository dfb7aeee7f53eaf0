"""The operator's command line: one function per verb, the answer on stdout, the talk on stderr.

What a verb needs is imported inside it: `--help` and a mistyped argument are answered before boto3 and temporalio
have been loaded, which takes a second.
"""
# ruff: noqa: PLC0415 - for the reason above

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from temporalio.client import Client

    from clients.nights import Ending, Night, Shown
    from models.request import RestoreRequest

FINE, FAILED, MISTAKE, REFUSED, CANCELLED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EPILOG = """\
exit codes:
  0  done; with a night followed or shown: it succeeded, or goes on
  1  the night failed; with plan: it would not run
  2  your mistake: arguments, request file, settings
  3  refused: already running, not running, not there
  4  the night was cancelled
  5  Temporal or AWS does not answer, or says no

environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_PROFILE
                                   where Temporal is and who you are to it; default localhost:7233, default
  AURORA_RESTORE_TASK_QUEUE        the worker's task queue; default aurora-restore
  AURORA_RESTORE_AUDIT_REGION      the region of the audit trail; required
  AURORA_RESTORE_AUDIT_TABLE       default aurora-restore-audit
  AURORA_RESTORE_OPERATIONS_TABLE  default aurora-restore-operations
  AWS_PROFILE, AWS_ENDPOINT_URL …  AWS's own, for plan, audit and setup
"""


def plan(args: argparse.Namespace) -> int:
    """Print what a night would do and what would stop it; change nothing."""
    from activities.plan import plan_night
    from activities.plan_page import page
    from audit.table import AuditTable, TrailIntents
    from clients.aws import AwsClients
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(TrailSettings)
    aws = AwsClients()
    intents = TrailIntents(AuditTable(aws.dynamodb(settings.audit_region), settings.audit_table))
    planned = plan_night(aws, intents, request, datetime.now(UTC))
    _print(page(planned))
    return FAILED if planned.obstacles else FINE


def start(args: argparse.Namespace) -> int:
    """Start a night now and follow it to its end."""
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    return asyncio.run(_start(read_request(args.request_file), load_settings(TrailSettings).task_queue, args.wait))


async def _start(request: RestoreRequest, task_queue: str, wait: bool) -> int:
    from clients.nights import Nights

    night = await Nights(await _client()).start(request, task_queue, _shown(request))
    _say(f"Started {night.workflow_id}")
    return await _follow(night, task_queue) if wait else FINE


def status(args: argparse.Namespace) -> int:
    """Show how a night stands or how it ended."""
    return asyncio.run(_status(args))


async def _status(args: argparse.Namespace) -> int:
    from clients.following import steps_table
    from clients.nights import NoAnswer

    night = await _night_of(args)
    if not await night.running():
        ending = await night.ending()
        if ending.state:
            _print(steps_table(ending.state))
        return _tell_ending(ending, night)
    _say(f"Asking a worker how {night.workflow_id} stands …")
    try:
        state = await night.state()
    except NoAnswer:
        state = None
    if state is None:
        print(f"{night.workflow_id} is running; no worker answers to say how far it is.")
        return FINE
    from clients.nights import standing, took

    so_far = took(state.started_at, datetime.now(UTC))
    print(f"{state.operation_id or night.workflow_id} runs, {standing(state)}, for {so_far}")
    _print(steps_table(state))
    return FINE


def audit(args: argparse.Namespace) -> int:
    """Print the audit trail of an operation or of the past days."""
    from audit.report import as_json, as_markdown, as_table, report_rows, rows_of_days
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    table = AuditTable(AwsClients().dynamodb(settings.audit_region), settings.audit_table)
    today = datetime.now(UTC).date()
    found = table.operation(args.operation_id) if args.operation_id else rows_of_days(table, *_past(today, args.days))
    rows = report_rows(found, args.attempts)
    if not rows:
        of = f"of {args.operation_id}" if args.operation_id else f"of an operation of the past {args.days} days"
        _say(f"The trail in {settings.audit_table} ({settings.audit_region}) has no row {of}.")
        return REFUSED if args.operation_id else FINE
    match args.format:
        case "table":
            _print(as_table(rows, args.attempts))
        case "markdown":
            print(as_markdown(rows, args.attempts))
        case "json":
            print(as_json(rows))
    return FINE


def schedule(args: argparse.Namespace) -> int:
    """Create or update the nightly schedule of a request."""
    from clients.schedules import Nightly, clock_changes
    from models.request_file import read_request
    from settings import TrailSettings, load_settings

    request, task_queue = read_request(args.request_file), load_settings(TrailSettings).task_queue
    when = Nightly(args.at, args.time_zone, args.catch_up)
    for sentence in clock_changes(when, datetime.now(args.time_zone).date()):
        _say(f"Warning: {sentence}. UTC, or a time after 03:00, has no such day.")
    return asyncio.run(_schedule(request, task_queue, args))


async def _schedule(request: RestoreRequest, task_queue: str, args: argparse.Namespace) -> int:
    from clients.schedules import Nightly, apply_schedule, nightly_schedule

    client = await _client()
    schedule_id = args.id or f"aurora-restore-{request.target.cluster}"
    wanted = nightly_schedule(request, Nightly(args.at, args.time_zone, args.catch_up), task_queue, _shown(request))
    applied = await apply_schedule(client, schedule_id, wanted, args.paused)
    there = await client.get_schedule_handle(schedule_id).describe()
    following = there.info.next_action_times[0].astimezone(args.time_zone) if there.info.next_action_times else None
    stands = (
        "paused" if there.schedule.state.paused else f"next {following:%Y-%m-%d %H:%M %Z}" if following else "ended"
    )
    print(f"{applied} schedule {schedule_id}: every night at {args.at:%H:%M} {args.time_zone}, {stands}")
    return FINE


def cancel(args: argparse.Namespace) -> int:
    """Cancel the running night; it ends in order, with its notification."""
    return asyncio.run(_cancel(args))


async def _cancel(args: argparse.Namespace) -> int:
    from models.steps import Outcome
    from settings import TrailSettings, load_settings

    night = await _night_of(args)
    await night.cancel(args.reason)
    _say(f"Asked {night.workflow_id} to end")
    if not args.wait:
        return FINE
    ended = await _follow(night, load_settings(TrailSettings).task_queue)
    if ended == CANCELLED:
        return FINE
    _say(f"It was not {Outcome.CANCELLED}: it ended before the request reached it.")
    return REFUSED


def setup(_args: argparse.Namespace) -> int:
    """Make the tables of the trail and register the search attributes, where they are missing."""
    from audit.setup import create_audit_table, create_operations_table
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    for create, table in (
        (create_audit_table, settings.audit_table),
        (create_operations_table, settings.operations_table),
    ):
        _say(f"DynamoDB table {table} in {settings.audit_region} …")
        print(f"table {table}: {'made' if create(dynamodb, table) else 'was there'}")
    return asyncio.run(_register_search_attributes())


async def _register_search_attributes() -> int:
    from clients.search_attributes import register
    from workflows.search_attributes import ALL

    client = await _client()
    _say(f"Search attributes in namespace {client.namespace} …")
    registered = await register(client, ALL)
    for key in ALL:
        print(f"search attribute {key.name}: {'registered' if key.name in registered else 'was there'}")
    return FINE


async def _client() -> Client:
    from audit.plugin import AuroraRestorePlugin
    from clients.temporal import connect

    return await connect(AuroraRestorePlugin())


def _shown(request: RestoreRequest) -> Shown:
    from temporalio.common import SearchAttributePair, TypedSearchAttributes

    from clients.nights import Shown
    from workflows.progress import static_details, static_summary
    from workflows.search_attributes import TARGET

    target = SearchAttributePair(TARGET, request.target.cluster)
    return Shown(static_summary(request), static_details(request), TypedSearchAttributes([target]))


async def _night_of(args: argparse.Namespace) -> Night:
    from clients.nights import Nights
    from models.request_file import read_request

    if args.request:
        request = read_request(args.request)
        return await Nights(await _client()).of_request(request)
    nights = Nights(await _client())
    return await nights.named(args.target) if args.target else await nights.newest()


async def _follow(night: Night, task_queue: str) -> int:
    from clients.following import follow

    try:
        return _tell_ending(await follow(night, _console(sys.stderr), task_queue), night)
    except asyncio.CancelledError:
        _say(
            f"\nNo longer following; the night goes on. See it: python starter.py status {night.workflow_id}\n"
            f"End it: python starter.py cancel {night.workflow_id}"
        )
        raise


def _tell_ending(ending: Ending, night: Night) -> int:
    from clients.following import ending_text
    from models.steps import Outcome

    print(ending_text(ending, night.workflow_id))
    return {Outcome.SUCCEEDED: FINE, Outcome.CANCELLED: CANCELLED}.get(ending.outcome, FAILED)


def _console(stream: TextIO) -> Console:
    """As wide as the terminal; in a pipe as wide as it takes, because a folded line cannot be searched."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 10_000, highlight=False)


def _print(shown: RenderableType) -> None:
    """By way of a text: rich itself would end the program with exit code 1 when nobody reads on, as `| head`."""
    console = _console(sys.stdout)
    with console.capture() as drawn:
        console.print(shown)
    print(drawn.get(), end="")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _past(today: date, days: int) -> tuple[date, date]:
    return today - timedelta(days=days), today


def parser() -> argparse.ArgumentParser:
    """Every verb with its options."""
    root = argparse.ArgumentParser(
        prog="starter.py",
        description="Restore an Aurora cluster from another's snapshot every night, see how it stands, read the trail.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    _request_argument(_verb(verbs, "plan", plan))
    _start_arguments(_verb(verbs, "start", start))
    _night_arguments(_verb(verbs, "status", status))
    _audit_arguments(_verb(verbs, "audit", audit))
    _schedule_arguments(_verb(verbs, "schedule", schedule))
    _cancel_arguments(_verb(verbs, "cancel", cancel))
    _verb(verbs, "setup", setup)
    return root


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A verb's help is its function's docstring."""
    verb = verbs.add_parser(name, help=run.__doc__, description=run.__doc__)
    verb.set_defaults(run=run)
    return verb


def _start_arguments(verb: argparse.ArgumentParser) -> None:
    _request_argument(verb)
    _wait_argument(verb)


def _night_arguments(verb: argparse.ArgumentParser, *, required: bool = False) -> None:
    which = verb.add_mutually_exclusive_group(required=required)
    which.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="the target cluster's name or ARN, an operation such as op-005, or a workflow id"
        + ("" if required else "; default, the newest"),
    )
    which.add_argument("--request", type=Path, metavar="FILE", help="the night of this request's target")


def _audit_arguments(verb: argparse.ArgumentParser) -> None:
    which = verb.add_mutually_exclusive_group()
    which.add_argument("operation_id", nargs="?", metavar="OPERATION_ID", help="one operation, such as op-005")
    which.add_argument("--days", type=_days, default=10, metavar="N", help="operations of the past N days; default 10")
    verb.add_argument("--format", choices=["table", "markdown", "json"], default="table", help="default table")
    verb.add_argument("--attempts", action="store_true", help="every row: beginnings, failed attempts and faults too")


def _schedule_arguments(verb: argparse.ArgumentParser) -> None:
    _request_argument(verb)
    verb.add_argument("--id", metavar="ID", help="the schedule's id; default aurora-restore-CLUSTER")
    verb.add_argument("--at", type=_time_of_day, default=time(0, 5), metavar="HH:MM", help="default 00:05")
    verb.add_argument(
        "--time-zone", type=_zone, default="UTC", metavar="ZONE", help="such as Europe/Berlin; default UTC"
    )
    verb.add_argument(
        "--catch-up",
        type=_duration,
        default="1h",
        metavar="LENGTH",
        help="how late a missed night may still start, such as 90m or 2h; default 1h",
    )
    paused = verb.add_mutually_exclusive_group()
    paused.add_argument(
        "--paused",
        action="store_true",
        default=None,
        help="start no night; default, as it was, and not paused at first",
    )
    paused.add_argument("--unpaused", action="store_false", dest="paused", default=None, help="start nights again")


def _cancel_arguments(verb: argparse.ArgumentParser) -> None:
    # The newest would be a guess, and this ends it.
    _night_arguments(verb, required=True)
    verb.add_argument("--reason", default="cancelled with starter.py", help="why, for Temporal's history")
    _wait_argument(verb)


def _request_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("request_file", type=Path, metavar="REQUEST_FILE", help="a .json or .toml file; see examples/")


def _wait_argument(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--no-wait", action="store_false", dest="wait", help="do not follow the night to its end")


def _days(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a number of days from 1 to 999")
    return int(text)


def _time_of_day(text: str) -> time:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a time of day such as 00:05")
    return time.fromisoformat(text)


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a time zone such as Europe/Berlin or UTC") from None


def _duration(text: str) -> timedelta:
    parts = re.fullmatch(r"([0-9]{1,4})([smh])", text)
    length = timedelta(seconds=int(parts[1]) * {"s": 1, "m": 60, "h": 3600}[parts[2]]) if parts else timedelta(0)
    if not timedelta(seconds=10) <= length <= timedelta(hours=24):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a length from 10s to 24h, such as 90m or 2h")
    return length


def _exit_code(error: Exception) -> int | None:
    """The exit code for what an operator can put right; None for what is a mistake of this program."""
    from botocore.exceptions import BotoCoreError, ClientError
    from temporalio.service import RPCError

    from clients.nights import NightRefused
    from clients.schedules import OtherSchedule
    from clients.search_attributes import SearchAttributesRefused
    from clients.temporal import TemporalUnreachable
    from errors import PipelineError
    from models.request_file import UnreadableRequest
    from settings import WrongSettings

    kinds: dict[int, tuple[type[Exception], ...]] = {
        MISTAKE: (WrongSettings, UnreadableRequest),
        REFUSED: (NightRefused, OtherSchedule),
        UNREACHABLE: (
            TemporalUnreachable,
            SearchAttributesRefused,
            RPCError,
            PipelineError,
            ClientError,
            BotoCoreError,
        ),
    }
    return next((code for code, errors in kinds.items() if isinstance(error, errors)), None)


def _sentence(error: Exception) -> str:
    from botocore.exceptions import BotoCoreError, ClientError
    from temporalio.service import RPCError

    from errors import PipelineError
    from settings import WrongSettings

    match error:
        case PipelineError():
            return f"{error.fault.short}: {error.fault.message}"
        case WrongSettings():
            return f"The settings are wrong:\n{error}"
        case RPCError() if "search attribute" in error.message.lower():
            return f"Temporal refused: {error.message}\nRegister the search attributes first: python starter.py setup"
        case RPCError():
            return f"Temporal refused: {error.message}"
        case ClientError() | BotoCoreError():
            return f"AWS: {error}. Credentials and endpoint are AWS's own: AWS_PROFILE, AWS_ENDPOINT_URL …"
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit codes stand in `EPILOG`."""
    args = parser().parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our answer has enough, as `| head` does; without this Python complains once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except Exception as error:
        failed = _exit_code(error)
        if failed is None:
            raise
        _say(_sentence(error))
        return failed


if __name__ == "__main__":
    exit_code = main()
    from clients.temporal import leave

    leave(exit_code)
