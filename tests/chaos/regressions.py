"""Plans that once broke a promise; every short run plays them."""

from __future__ import annotations

REGRESSIONS: dict[str, str] = {
    "replaced-while-frozen@setup-db-users": "both workers created the same role at once, and the later one reported a refusal",
    "cancelled-in-compensation@sns-notification": "the next restore once stopped in snapshot-check, on a busy machine",
}
"""Each plan, and what was wrong."""
