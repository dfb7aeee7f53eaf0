"""`starter.py setup`."""

from __future__ import annotations

import argparse
import asyncio

from commands.exit_codes import FINE
from commands.restores import temporal_client
from commands.terminal import print_progress


def arguments(_verb: argparse.ArgumentParser) -> None:
    """None."""


def run(_args: argparse.Namespace) -> int:
    """Create the tables of the audit trail and register the search attributes, where they are missing."""
    from audit.setup import create_audit_table, create_operations_table
    from clients.aws import AwsClients
    from settings import TrailSettings, load_settings

    settings = load_settings(TrailSettings)
    dynamodb = AwsClients().dynamodb(settings.audit_region)
    for create, table in (
        (create_audit_table, settings.audit_table),
        (create_operations_table, settings.operations_table),
    ):
        print_progress(f"DynamoDB table {table} in {settings.audit_region} …")
        print(f"table {table}: {'created' if create(dynamodb, table) else 'exists'}")
    return asyncio.run(_register_search_attributes())


async def _register_search_attributes() -> int:
    from models.search_attributes import ALL
    from runs.search_attributes import register

    client = await temporal_client()
    print_progress(f"Search attributes in namespace {client.namespace} …")
    registered = await register(client, ALL)
    for key in ALL:
        print(f"search attribute {key.name}: {'registered' if key.name in registered else 'exists'}")
    return FINE
