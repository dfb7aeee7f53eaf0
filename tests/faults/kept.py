"""Plans that once broke a promise. Each is played by every short run from then on."""

from __future__ import annotations

KEPT: dict[str, str] = {
    "cancelled-in-compensation@sns-notification": "the following night stood still in snapshot-check, once, on a busy machine",
}
"""The plan, and what was wrong."""
