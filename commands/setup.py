"""`starter.py setup`."""

from __future__ import annotations

import argparse
import asyncio

from commands.exit_codes import FINE
from commands.json_output import print_json
from commands.restores import temporal_client
from commands.terminal import print_progress

EXAMPLES = (("setup", "once for each environment; safe to repeat"),)


def arguments(_verb: argparse.ArgumentParser) -> None:
    """None."""


def run(args: argparse.Namespace) -> int:
    """Create the tables of the audit trail and register the search attributes, where they are missing."""
    from audit.setup import create_audit_table, create_operations_table
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    changes: dict[str, list[dict[str, str]]] = {"tables": [], "search_attributes": []}
    for create, table in (
        (create_audit_table, settings.audit_table),
        (create_operations_table, settings.operations_table),
    ):
        print_progress(f"DynamoDB table {table} in {settings.audit_region} …")
        _record(changes["tables"], "table", table, "created" if create(dynamodb, table) else "exists", args.output)
    asyncio.run(_register_search_attributes(changes["search_attributes"], args.output))
    if args.output == "json":
        print_json(changes)
    return FINE


async def _register_search_attributes(changes: list[dict[str, str]], output: str) -> None:
    from models.search_attributes import ALL
    from runs.search_attributes import register

    client = await temporal_client()
    print_progress(f"Search attributes in namespace {client.namespace} …")
    registered = await register(client, ALL)
    for key in ALL:
        _record(changes, "search attribute", key.name, "registered" if key.name in registered else "exists", output)


def _record(changes: list[dict[str, str]], kind: str, name: str, change: str, output: str) -> None:
    """Note what was done, and print it at once unless it goes into a document."""
    changes.append({"name": name, "change": change})
    if output != "json":
        print(f"{kind} {name}: {change}")
