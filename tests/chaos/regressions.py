"""Plans that once broke a promise. Each is played by every short run from then on."""

from __future__ import annotations

KEPT: dict[str, str] = {
    "replaced-while-frozen@setup-db-users": "both workers made the same role at once, and the later one took that for a refusal",
    "cancelled-in-compensation@sns-notification": "the following night stood still in snapshot-check, once, on a busy machine",
}
"""The plan, and what was wrong."""
