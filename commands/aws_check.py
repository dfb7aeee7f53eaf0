"""`starter.py aws-check`: does AWS answer as the emulator does? With exit codes of its own."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from commands.exit_codes import COULD_NOT_ASK, FINE
from commands.json_output import print_json
from commands.terminal import print_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.account import Account
    from conformance.life import Life
    from conformance.own_resources import OwnResource, OwnResources
    from conformance.questions import Outcome
    from conformance.removal import Pace
    from conformance.report import Report

EXAMPLES = (
    ("aws-check --region eu-central-1", "ask what changes nothing"),
    ("aws-check --region eu-central-1 --write --account 111122223333", "also make a small cluster, and remove it"),
    ("aws-check --region eu-central-1 --clean --account 111122223333", "remove what a killed run has left"),
)
INTERRUPTIONS = (signal.SIGTERM, signal.SIGHUP)
"""What ends a run early, besides Ctrl-C."""
PLAN = """\
In the account {account}, region {region}, aws-check will make, and remove at the end:
    two Aurora PostgreSQL clusters without data, one of them with one Serverless v2 instance of 0.5 to 1 ACU,
    a cluster snapshot of each, and a copy of one{copy}.
Their names begin with {run}, their tags are {tag} and {expiry}.
No other cluster, instance or snapshot is changed or deleted.
It costs about as much as one ACU for an hour and a half: less than one US dollar by AWS's list prices, not measured.
It should take about an hour, most of it waiting for AWS. To leave nothing behind if it is killed, run it with --clean.\
"""


def arguments(verb: argparse.ArgumentParser) -> None:
    """Where to ask, and whether anything may be made for it."""
    verb.add_argument("--region", metavar="REGION", help="the region to ask; default: that of AWS's own settings")
    verb.add_argument(
        "--second-region", metavar="REGION", help="where --write copies its snapshot to; default: the same region"
    )
    what = verb.add_mutually_exclusive_group()
    what.add_argument(
        "--write", action="store_true", help="make a small throw-away cluster, ask about its life, and remove it"
    )
    what.add_argument("--clean", action="store_true", help="only remove what earlier runs with --write have left")
    verb.add_argument(
        "--account", type=_account, metavar="ID", help="required by --write and --clean: the account of the credentials"
    )
    verb.add_argument(
        "--subnet-group",
        metavar="NAME",
        help="the DB subnet group of the clusters; default: the account's default group",
    )
    verb.add_argument("--yes", action="store_true", help="do not ask; required where there is no terminal")
    verb.add_argument(
        "--poll-seconds", type=_seconds, default=5.0, metavar="SECONDS", help="time between two polls; default: 5"
    )
    verb.add_argument(
        "--file", type=Path, metavar="FILE", help="write the report to this file, and print only a summary"
    )


def _account(text: str) -> str:
    if not re.fullmatch(r"[0-9]{12}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an account number of twelve digits")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.01 to 99")
    return float(text)


def run(args: argparse.Namespace) -> int:
    """Ask AWS what the emulator claims, and report where AWS answers otherwise; read only, unless --write is given."""
    from commands.failures import exit_code_for, print_failure

    try:
        return _run(args)
    except Exception as error:
        # Every failure means that AWS could not be asked; a defect of this program deserves its traceback.
        if exit_code_for(error) is None:
            raise
        print_failure(error, COULD_NOT_ASK, args.output)
        return COULD_NOT_ASK


def _run(args: argparse.Namespace) -> int:
    from conformance.account import Account, default_region

    region = args.region or default_region()
    if region is None:
        print_progress("No region is known. Give --region, or set AWS_REGION.")
        return COULD_NOT_ASK
    account = Account(region, args.second_region if args.second_region != region else None)
    number = account.identity()
    if (args.write or args.clean) and args.account != number:
        given = f"--account is {args.account}" if args.account else "--account is missing"
        print_progress(
            f"Nothing was asked: {given}, and the credentials belong to {number}. "
            "Give --account with the account in which clusters may be made and removed."
        )
        return COULD_NOT_ASK
    if args.clean:
        return _clean(args, account, number)
    return _check(args, account, number)


def _own(account: Account, number: str) -> list[OwnResources]:
    from conformance.own_resources import OwnResources

    regions = [account.region, *([account.second_region] if account.second_region else [])]
    return [OwnResources(account, number, region) for region in regions]


def _pace(args: argparse.Namespace) -> Pace:
    from conformance.removal import Pace

    return Pace(args.poll_seconds)


def _clean(args: argparse.Namespace, account: Account, number: str) -> int:
    """Remove what every earlier run has left, also one that is still going on, after a question."""
    from conformance.removal import find_left, remove

    own = _own(account, number)
    left = find_left(own, lambda _: True)
    for resource in left:
        print_progress(_line(resource))
    if left and not _may(args, f"Remove {'it' if len(left) == 1 else f'these {len(left)}'}?"):
        return COULD_NOT_ASK
    remaining = remove(own, lambda _: True, _pace(args)) if left else []
    removed = len(left) - len(remaining)
    if args.output == "json":
        print_json({"removed": removed, "left": [resource.name for resource in remaining]})
    else:
        print(f"Removed {removed} of {len(left)} resources." if left else "Nothing of aws-check is left.")
    return COULD_NOT_ASK if remaining else FINE


def _line(resource: OwnResource) -> str:
    return (
        f"{resource.kind.name} {resource.name} in {resource.region}: {resource.status}, of a run that ends by "
        f"{resource.expires:%Y-%m-%d %H:%M} UTC"
    )


def _may(args: argparse.Namespace, question: str) -> bool:
    if args.yes:
        return True
    if not sys.stdin.isatty():
        print_progress("Nothing was changed, because nobody can be asked here. To go on, add --yes")
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _check(args: argparse.Namespace, account: Account, number: str) -> int:
    from conformance.check import ask_questions, exit_code
    from conformance.read_questions import READ_QUESTIONS
    from conformance.report import Report

    life = None
    if args.write and (life := _new_life(args, account, number)) is None:
        return COULD_NOT_ASK
    outcomes = ask_questions(account, READ_QUESTIONS, _report_progress)
    left: Sequence[str] = ()
    if life is not None:
        answers, left = _live(life, number)
        outcomes += answers
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    _print(args, Report(outcomes, account.region, account.second_region, args.write, day))
    _print_lines(left)
    return COULD_NOT_ASK if left else exit_code(outcomes)


def _new_life(args: argparse.Namespace, account: Account, number: str) -> Life | None:
    """A run that may begin: its plan is accepted, and what expired runs left is removed. None if it is refused."""
    from conformance.life import Life
    from conformance.own_resources import EXPIRY_TAG, RUN_TAG
    from conformance.removal import find_left, is_expired, remove

    own, pace = _own(account, number), _pace(args)
    life = Life(account, own[0], own[-1], pace, args.subnet_group, print_progress)
    copy = f" into {account.second_region}" if account.second_region else ""
    print_progress(
        PLAN.format(account=number, region=account.region, copy=copy, run=life.run, tag=RUN_TAG, expiry=EXPIRY_TAG)
    )
    for resource in find_left(own, lambda _: True):
        print_progress(f"There already is the {_line(resource)}.")
    if not _may(args, "Make this cluster, and remove what earlier runs have left if their time is over?"):
        return None
    if find_left(own, expired := is_expired(life.started_at)):
        remove(own, expired, pace)
    return life


def _live(life: Life, number: str) -> tuple[list[Outcome], list[str]]:
    """The run with a cluster, and its removal, which Ctrl-C, a closed terminal and SIGTERM only bring forward.

    Returns what is known of the questions, and what an operator has to know of the removal: nothing if nothing is left.
    """
    from conformance.write_check import run_life

    before = {each: signal.signal(each, _interrupt) for each in INTERRUPTIONS}
    try:
        outcomes = run_life(life)
    except BaseException:
        _print_lines(_remove(life, number))
        raise
    else:
        return outcomes, _remove(life, number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _remove(life: Life, number: str) -> list[str]:
    """Remove what the run has made; a line for each resource that is left, and how to remove it. Raises nothing of AWS."""
    from botocore.exceptions import BotoCoreError, ClientError

    from conformance.write_check import remove_run
    from errors import StaleRead

    _print_if_possible("Removing what the run has made …")
    try:
        lines = [f"Left behind: {_line(resource)}." for resource in remove_run(life)]
    except (BotoCoreError, ClientError, StaleRead, KeyboardInterrupt) as error:
        reason = " ".join(str(error).split()) or "interrupted"
        lines = [f"The removal ended early: {reason}", f"Left behind: what has a name that begins with {life.run}."]
    if not lines:
        return []
    second = "" if life.target is life.own else f" --second-region {life.target.region}"
    regions = f"--region {life.own.region}{second}"
    return [*lines, "To remove it:", f"    python starter.py aws-check {regions} --clean --account {number}"]


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # The signals that follow, such as systemd's SIGHUP after its SIGTERM, must not end the removal.
    for number in INTERRUPTIONS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _print_if_possible(text: str) -> None:
    """Print to a terminal that may be closed already."""
    with suppress(OSError):
        print_progress(text)


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        _print_if_possible(line)


def _report_progress(outcome: Outcome) -> None:
    print_progress(f"{outcome.verdict:15} {outcome.question.name}")


def _print(args: argparse.Namespace, report: Report) -> None:
    """The report on stdout, or in the file with its first line on stdout."""
    if args.file is not None:
        page = json.dumps(report.as_json(), indent=2) if args.output == "json" else report.as_markdown()
        try:
            args.file.write_text(page, "utf-8")
        except OSError as error:
            print_progress(f"Cannot write {args.file}: {error.strerror}. Here is the report:")
            print(page)
            return
        print(f"{report.as_markdown().partition(chr(10))[0].removeprefix('# ')}\nThe report is in {args.file}")
    elif args.output == "json":
        print_json(report.as_json())
    else:
        print(report.as_markdown(), end="")
