"""Registering what a night can be found by, for `starter.py setup`; what is registered already is left as it is."""

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
    """Temporal does not let us register them; the text says what to run instead."""


async def register(client: Client, keys: Sequence[SearchAttributeKey[Any]]) -> list[str]:
    """Register the keyword attributes that the namespace lacks; returns the names of those.

    Run twice: nothing is added. Raises `SearchAttributesRefused` if one is there with another type, and on Temporal
    Cloud, where the operator service is not for customers (Temporal docs, Search Attributes).
    """
    names = [key.name for key in keys]
    try:
        there = await _listed(client)
        if wrong := [name for name in names if there.get(name, KEYWORD) != KEYWORD]:
            raise SearchAttributesRefused(
                f"Registered with another type than Keyword: {', '.join(wrong)}. Remove them in the namespace "
                f"{client.namespace} and run this again."
            )
        missing = [name for name in names if name not in there]
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


async def _listed(client: Client) -> dict[str, int]:
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return dict(answer.custom_attributes)


def _on_cloud(namespace: str, names: Sequence[str]) -> str:
    wanted = " ".join(f'--sa "{name}=Keyword"' for name in names)
    return (
        f"Temporal does not let this client register search attributes in {namespace}. On Temporal Cloud run:\n"
        f"tcld namespace search-attributes add --namespace {namespace} {wanted}"
    )
