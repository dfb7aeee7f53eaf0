"""A worker with a collector needs the extra, and says so."""

from __future__ import annotations

import sys

import pytest

import traces
from settings import WrongSettings


async def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mistake in the settings, before anything is connected."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(WrongSettings, match=r"TRACES_OTLP_URL: .* is not installed; run: pip install"):
        async with traces.traced("http://127.0.0.1:4318/v1/traces"):
            pass
