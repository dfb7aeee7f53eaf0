"""What a night can be found by in Temporal's lists; registered by `starter.py setup`."""

from temporalio.common import SearchAttributeKey

OPERATION = SearchAttributeKey.for_keyword("AuroraRestoreOperation")
"""op-001 …"""
TARGET = SearchAttributeKey.for_keyword("AuroraRestoreTarget")
"""The target cluster's identifier."""
STEP = SearchAttributeKey.for_keyword("AuroraRestoreStep")
"""The step that the night is at, then its outcome: succeeded, failed or cancelled."""

ALL = (OPERATION, TARGET, STEP)
