"""The operator's command line: the verbs of `commands`. Results on stdout, progress on stderr."""
# ruff: noqa: PLC0415 - what only an error needs is imported for it; see commands

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from commands import (
    abort,
    apply,
    audit,
    audit_verify,
    aws_check,
    cancel,
    cleanup,
    completion,
    doctor,
    healthy,
    history,
    masking_check,
    masking_init,
    pause,
    plan,
    report,
    resume,
    retry,
    rollback,
    schedule,
    schema,
    setup,
    skip,
    start,
    status,
    targets,
    watch,
)
from commands.arguments import TEXT_OR_JSON, output_argument
from commands.exit_codes import FINE, INTERRUPTED, MISTAKE, UNKNOWN
from version import NAME, VERSION

PROGRAM = "starter.py"
VERBS = {
    "plan": plan,
    "start": start,
    "status": status,
    "watch": watch,
    "list": targets,
    "healthy": healthy,
    "history": history,
    "audit": audit,
    "audit verify": audit_verify,
    "report": report,
    "schedule": schedule,
    "apply": apply,
    "pause": pause,
    "resume": resume,
    "schema": schema,
    "cancel": cancel,
    "retry": retry,
    "skip": skip,
    "abort": abort,
    "rollback": rollback,
    "cleanup": cleanup,
    "masking init": masking_init,
    "masking check": masking_check,
    "setup": setup,
    "doctor": doctor,
    "aws-check": aws_check,
    "completion": completion,
}

EPILOG = """\
exit codes:
  0  done; for a restore or cleanup that the command follows or shows: it succeeded, or is running
  1  the restore or cleanup failed; plan: it would fail; audit verify, masking check, apply --dry-run, doctor: findings
  2  a mistake in the arguments, the request file or the settings
  3  refused: already running, not running, not found, nothing to retry, or the restore was skipped
  4  the restore or cleanup was cancelled
  5  Temporal or AWS is unavailable, or refused the request
healthy has those of a monitoring plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
aws-check has 0 if AWS answers as the emulator does, 1 if not, 2 if it could not ask everything

environment:
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, TEMPORAL_PROFILE
                                   Temporal's own settings; default: localhost:7233, namespace default
  AURORA_RESTORE_TASK_QUEUE        the worker's task queue; default: aurora-restore
  AURORA_RESTORE_AUDIT_REGION      the region of the audit trail; required
  AURORA_RESTORE_AUDIT_TABLE       default: aurora-restore-audit
  AURORA_RESTORE_OPERATIONS_TABLE  default: aurora-restore-operations
  AWS_PROFILE, AWS_ENDPOINT_URL …  AWS's own settings, for setup, audit, healthy, list, history, report and doctor
"""


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Every verb with its options; a verb's help is the docstring of its `run`, and its module's `EXAMPLES`."""
    root = argparse.ArgumentParser(
        prog=program,
        description="Restore an Aurora cluster from another cluster's snapshot, once or nightly.\n"
        "Results on stdout, progress on stderr.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=command.run.__doc__,
            description=command.run.__doc__,
            epilog=_examples(program, command.EXAMPLES),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(verb)
        output_argument(verb, getattr(command, "FORMATS", TEXT_OR_JSON))
        verb.set_defaults(run=command.run)
    return root


def _examples(program: str, examples: Sequence[tuple[str, str]]) -> str:
    """Each command, and below it what it is for."""
    return "examples:\n" + "".join(f"  {program} {command}\n      {meaning}\n" for command, meaning in examples)


def join_verb(arguments: Sequence[str]) -> list[str]:
    """The arguments with a verb of two words joined into the one that argparse knows."""
    verb = " ".join(arguments[:2])
    return [verb, *arguments[2:]] if verb in VERBS and len(arguments) > 1 else list(arguments)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments; raises `SystemExit` for a mistake, and after help."""
    try:
        return parser().parse_args(arguments)
    except SystemExit as refused:
        if refused.code == MISTAKE and arguments[:1] == ["healthy"]:
            raise SystemExit(UNKNOWN) from None
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code; `EPILOG` explains the codes."""
    args = _parse(join_verb(sys.argv[1:] if arguments is None else arguments))
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has closed it, as `| head` does; without this Python complains once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except Exception as error:
        from commands.failures import exit_code_for, print_failure

        failed = exit_code_for(error)
        if failed is None:
            raise
        print_failure(error, failed, args.output)
        return failed


def run_program() -> NoReturn:
    """`main` as a program: the entry point of the script `aurora-restore`."""
    code = main()
    from clients.temporal import exit_process

    exit_process(code)


if __name__ == "__main__":
    run_program()
