"""What the client that started a workflow wrote into its memo: anyone may who may start one."""

from __future__ import annotations

from temporalio import workflow


def memo_text(name: str) -> str | None:
    """The text of this name in the memo; None if there is none, and for what is no text, so that it strands no restore."""
    try:
        value = workflow.memo_value(name, None, type_hint=str)
    except Exception:  # noqa: BLE001 - each encoding has errors of its own
        return None
    return value if isinstance(value, str) else None
