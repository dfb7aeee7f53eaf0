"""The operator's command line: the verbs of `commands`. Results on stdout, progress on stderr."""
# ruff: noqa: PLC0415 - what only an error needs is imported for it; see commands

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from commands import abort, audit, audit_verify, cancel, cleanup, plan, retry, schedule, setup, skip, start, status
from commands.exit_codes import FINE, INTERRUPTED, MISTAKE, REFUSED, UNREACHABLE
from commands.terminal import print_progress

VERBS = {
    "plan": plan,
    "start": start,
    "status": status,
    "audit": audit,
    "audit verify": audit_verify,
    "schedule": schedule,
    "cancel": cancel,
    "retry": retry,
    "skip": skip,
    "abort": abort,
    "cleanup": cleanup,
    "setup": setup,
}

EPILOG = """\
exit codes:
  0  done; for a restore or cleanup that the command follows or shows: it succeeded, or is running
  1  the restore or cleanup failed; plan: the restore would fail; audit verify: the trail has findings
  2  a mistake in the arguments, the request file or the settings
  3  refused: already running, not running, not found, or nothing to retry
  4  the restore or cleanup was cancelled
  5  Temporal or AWS is unavailable, or refused the request

environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_PROFILE
                                   Temporal's own settings; default: localhost:7233, namespace default
  AURORA_RESTORE_TASK_QUEUE        the worker's task queue; default: aurora-restore
  AURORA_RESTORE_AUDIT_REGION      the region of the audit trail; required
  AURORA_RESTORE_AUDIT_TABLE       default: aurora-restore-audit
  AURORA_RESTORE_OPERATIONS_TABLE  default: aurora-restore-operations
  AWS_PROFILE, AWS_ENDPOINT_URL …  AWS's own settings, for plan, audit, retry, cleanup and setup
"""


def parser() -> argparse.ArgumentParser:
    """Every verb with its options; a verb's help is the docstring of its `run`."""
    root = argparse.ArgumentParser(
        prog="starter.py",
        description="Restore an Aurora cluster from another cluster's snapshot, once or nightly.\n"
        "Results on stdout, progress on stderr.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in VERBS.items():
        verb = verbs.add_parser(name, help=command.run.__doc__, description=command.run.__doc__)
        command.arguments(verb)
        verb.set_defaults(run=command.run)
    return root


def _as_verbs(arguments: Sequence[str]) -> list[str]:
    """The arguments with a verb of two words as the one that argparse knows."""
    verb = " ".join(arguments[:2])
    return [verb, *arguments[2:]] if verb in VERBS and len(arguments) > 1 else list(arguments)


def _exit_code(error: Exception) -> int | None:
    """The exit code for what an operator can put right; None for what is a mistake of this program."""
    from botocore.exceptions import BotoCoreError, ClientError
    from temporalio.service import RPCError

    from audit.verify.verifier import UnknownOperation
    from clients.aws import WrongEndpoint
    from clients.temporal import TemporalUnreachable
    from errors import PipelineError
    from models.request_file import UnreadableRequest
    from runs.decisions import DecisionUnknown
    from runs.restores import RestoreRefused
    from runs.schedules import OtherSchedule
    from runs.search_attributes import SearchAttributesRefused
    from settings import WrongSettings

    kinds: dict[int, tuple[type[Exception], ...]] = {
        MISTAKE: (WrongSettings, WrongEndpoint, UnreadableRequest),
        REFUSED: (RestoreRefused, OtherSchedule, UnknownOperation),
        UNREACHABLE: (
            TemporalUnreachable,
            SearchAttributesRefused,
            DecisionUnknown,
            RPCError,
            PipelineError,
            ClientError,
            BotoCoreError,
        ),
    }
    return next((code for code, errors in kinds.items() if isinstance(error, errors)), None)


def _sentence(error: Exception) -> str:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from temporalio.service import RPCError

    from clients.aws import WrongEndpoint
    from errors import PipelineError
    from settings import WrongSettings

    # Also where the trail was what could not be read: it is the credentials that are missing.
    nobody = isinstance(error, PipelineError) and isinstance(error.__cause__, NoCredentialsError)
    told = error.__cause__ if nobody else error
    match told:
        case PipelineError():
            return f"{told.fault.short}: {told.fault.message}"
        case WrongSettings() | WrongEndpoint():
            return f"The settings are wrong:\n{told}"
        case RPCError() if "search attribute" in told.message.lower():
            return f"Temporal refused: {told.message}\nRegister the search attributes first: python starter.py setup"
        case RPCError():
            return f"Temporal refused: {told.message}"
        case ClientError() | BotoCoreError():
            return f"AWS: {told}. Credentials and endpoint are AWS's own: AWS_PROFILE, AWS_ENDPOINT_URL …"
    return str(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit codes stand in `EPILOG`."""
    args = parser().parse_args(_as_verbs(sys.argv[1:] if arguments is None else arguments))
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
        print_progress(_sentence(error))
        return failed


if __name__ == "__main__":
    exit_code = main()
    from clients.temporal import exit_process

    exit_process(exit_code)
