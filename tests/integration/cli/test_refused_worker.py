"""A worker that Temporal refuses ends with a sentence and exit code 1."""

from __future__ import annotations

import subprocess
import sys

import pytest

from devstack.pipeline import own_environment
from devstack.stack import Stack
from tests.rigs.cli import ROOT


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_namespace_that_does_not_exist_is_named(set_up: Stack, verb: str) -> None:
    """The sentence has Temporal's own words, and the variable to check."""
    variables = own_environment(set_up.environment) | {"TEMPORAL_NAMESPACE": "nowhere"}
    done = subprocess.run(
        [sys.executable, ROOT / "worker.py", verb],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "Temporal refused the request: Namespace nowhere is not found. Check TEMPORAL_NAMESPACE.\n" in done.stderr
