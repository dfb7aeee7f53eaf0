"""Fixtures of the command line's unit tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from settings import PREFIX


@pytest.fixture
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's AWS and Temporal settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TEMPORAL_", PREFIX))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv(f"{PREFIX}AUDIT_REGION", "eu-central-1")
    monkeypatch.setenv(f"{PREFIX}DATABASE_TLS", "disable")
