"""The search attributes of a restore and a cleanup in Temporal's lists; `starter.py setup` registers them."""

from temporalio.common import SearchAttributeKey

OPERATION = SearchAttributeKey.for_keyword("AuroraRestoreOperation")
"""The operation number, such as op-001."""
TARGET = SearchAttributeKey.for_keyword("AuroraRestoreTarget")
"""The target cluster's identifier."""
STEP = SearchAttributeKey.for_keyword("AuroraRestoreStep")
"""The current step, "waiting" while a failed step waits for an operator, and at the end the outcome."""

ALL = (OPERATION, TARGET, STEP)
