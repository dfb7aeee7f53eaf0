"""The search attributes of a restore and a cleanup in Temporal's lists; `starter.py setup` registers them."""

from temporalio.common import SearchAttributeKey

OPERATION = SearchAttributeKey.for_keyword("AuroraRestoreOperation")
"""The operation number, such as op-001."""
TARGET = SearchAttributeKey.for_keyword("AuroraRestoreTarget")
"""The target cluster's identifier."""
STEP = SearchAttributeKey.for_keyword("AuroraRestoreStep")
"""The current step, "waiting" while a failed step waits for an operator, `KEEPING_OLD`, and at the end the outcome."""
KEEPING_OLD = "keeping-old"
"""The value of `STEP` while nothing is left to do but to delete the old cluster of a swap, which is kept."""

ALL = (OPERATION, TARGET, STEP)
