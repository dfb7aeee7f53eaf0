"""`starter.py plan`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from commands.arguments import request_argument
from commands.exit_codes import FAILED, FINE
from commands.terminal import print_result


def arguments(verb: argparse.ArgumentParser) -> None:
    """The request to plan."""
    request_argument(verb)


def run(args: argparse.Namespace) -> int:
    """Print what a restore would do and what would stop it; change nothing."""
    from activities.preflight.plan import plan_restore
    from audit.intents import TrailIntents
    from audit.numbers import OperationNumbersTable
    from audit.table import AuditTable
    from clients.aws import AwsClients
    from commands.plan_page import page
    from models.request_file import read_request
    from settings import PlanSettings, load_settings

    request, settings = read_request(args.request_file), load_settings(PlanSettings)
    aws = AwsClients(environment=settings.environment)
    dynamodb = aws.dynamodb(settings.audit_region)
    numbers = OperationNumbersTable(dynamodb, settings.operations_table)
    intents = TrailIntents(AuditTable(dynamodb, settings.audit_table), numbers)
    plan = plan_restore(aws, intents, request, datetime.now(UTC), settings.sql_directory)
    print_result(page(plan))
    return FAILED if plan.failed_checks else FINE
