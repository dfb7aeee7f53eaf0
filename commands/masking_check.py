"""`starter.py masking check`."""

from __future__ import annotations

import argparse

from commands.arguments import request_argument
from commands.exit_codes import FAILED, FINE
from commands.json_output import print_json

EXAMPLES = (("masking check restore.toml", "exit code 1 if a column has no rule that fits"),)


def arguments(verb: argparse.ArgumentParser) -> None:
    """The request, which names the masking file."""
    request_argument(verb)


def run(args: argparse.Namespace) -> int:
    """Compare the request's masking file with the schema of the live target; change nothing."""
    from activities.databases.masking.gate import find_findings
    from activities.databases.masking.rules_file import find_unusable, read_masking_rules
    from commands.live_target import read_live_schema
    from models.request_file import UnreadableRequest, read_request
    from settings import SqlFileSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(SqlFileSettings)
    masking, directory = request.masking, settings.sql_directory
    if masking is None:
        raise UnreadableRequest(f"{args.request_file}: has no masking; docs/masking.md explains it")
    if reason := find_unusable(directory, masking):
        raise UnreadableRequest(f"{reason}. Correct the file or the request's masking.")
    rules, schema = read_masking_rules(directory, masking), read_live_schema(request, settings.task_queue)
    findings = find_findings(schema, rules, masking, files_have_run=True)
    if args.output == "json":
        print_json({"tables": len(schema.tables), "missing": findings.missing, "mistakes": findings.mistakes})
        return FAILED if findings.text else FINE
    if findings.text:
        print(findings.text)
        return FAILED
    print(f"Every column of {len(schema.tables)} tables has a rule that fits.")
    return FINE
