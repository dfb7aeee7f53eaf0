"""Registering search attributes, for `starter.py setup`; one that is registered already is left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_CLOUD_REFUSES = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)


class SearchAttributesRefused(Exception):
    """Temporal does not let this client register them; the text has the command to run instead."""


async def register(client: Client, keys: Sequence[SearchAttributeKey[Any]]) -> list[str]:
    """Register the keyword attributes that the namespace lacks; returns their names.

    Run twice: the second run adds nothing. Raises `SearchAttributesRefused` if one has another type already, and on
    Temporal Cloud, which does not offer the operator service to its customers (Temporal docs, Search Attributes).
    """
    names = [key.name for key in keys]
    try:
        existing = await _list(client)
        wrong = [name for name in names if existing.get(name, KEYWORD) != KEYWORD]
        if wrong:
            raise SearchAttributesRefused(
                f"Search attributes of namespace {client.namespace} that have another type than Keyword: "
                f"{', '.join(wrong)}. Remove them, then repeat the command."
            )
        missing = [name for name in names if name not in existing]
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace, search_attributes=dict.fromkeys(missing, KEYWORD)
                )
            )
        return missing
    except RPCError as error:
        if error.status not in _CLOUD_REFUSES:
            raise
        raise SearchAttributesRefused(_on_cloud(client.namespace, names)) from error


async def list_missing(client: Client, keys: Sequence[SearchAttributeKey[Any]]) -> list[str]:
    """The names of those that the namespace lacks, or has with another type."""
    existing = await _list(client)
    return [key.name for key in keys if existing.get(key.name) != KEYWORD]


async def _list(client: Client) -> dict[str, int]:
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return dict(answer.custom_attributes)


def _on_cloud(namespace: str, names: Sequence[str]) -> str:
    attributes = " ".join(f'--sa "{name}=Keyword"' for name in names)
    return (
        f"Temporal does not let this client register search attributes in namespace {namespace}. "
        "On Temporal Cloud, run:\n"
        f"    tcld namespace search-attributes add --namespace {namespace} {attributes}"
    )
