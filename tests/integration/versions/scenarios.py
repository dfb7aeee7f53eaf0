"""Every kind of run of which a history is kept. A scenario's name is the name of its file."""

from __future__ import annotations

from tests.integration.versions import scenarios_in_real_time, scenarios_in_skipped_time
from tests.integration.versions.recording import Scenario

SCENARIOS: dict[str, Scenario] = scenarios_in_real_time.SCENARIOS | scenarios_in_skipped_time.SCENARIOS
"""In the order in which they run: first those in real time, because the emulator's clock never goes back."""
