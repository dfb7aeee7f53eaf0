"""Plans that once broke a promise. Each is played by every short run from then on."""

from __future__ import annotations

KEPT: dict[str, str] = {}
"""The plan, and what was wrong."""
