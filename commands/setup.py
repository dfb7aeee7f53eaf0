"""`starter.py setup`."""

from __future__ import annotations

import argparse
import asyncio

from commands.exit_codes import FINE
from commands.restores import temporal_client
from commands.terminal import say


def arguments(_verb: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(_args: argparse.Namespace) -> int:
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
        say(f"DynamoDB table {table} in {settings.audit_region} …")
        print(f"table {table}: {'made' if create(dynamodb, table) else 'was there'}")
    return asyncio.run(_register_search_attributes())


async def _register_search_attributes() -> int:
    from models.search_attributes import ALL
    from runs.search_attributes import register

    client = await temporal_client()
    say(f"Search attributes in namespace {client.namespace} …")
    registered = await register(client, ALL)
    for key in ALL:
        print(f"search attribute {key.name}: {'registered' if key.name in registered else 'was there'}")
    return FINE
