"""What the data converter keeps for each workflow in a worker's memory."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from clients.data_converter import DATA_CONVERTER
from models.request import RestoreRequest
from tests.rigs.requests import request


def test_the_workflows_in_memory_share_the_validator_of_their_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK makes a converter for each workflow, and only the first one builds the validator of a request."""
    hints: list[Any] = [RestoreRequest | None]
    first, second = DATA_CONVERTER.payload_converter_class(), DATA_CONVERTER.payload_converter_class()
    payloads = first.to_payloads([request()])
    assert first.from_payloads(payloads, hints) == [request()]

    def build(*_: Any, **__: Any) -> None:
        raise AssertionError("a second validator of the same type")

    monkeypatch.setattr(TypeAdapter, "__init__", build)
    assert second.from_payloads(payloads, hints) == [request()]
