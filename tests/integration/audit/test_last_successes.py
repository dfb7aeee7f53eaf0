"""What a worker that starts reads from the trail for its gauges of last successes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from audit.last_successes import read_last_successes
from models.steps import Step
from tests.integration.audit.test_healthy import BILLING, ORDERS, restore
from tests.rigs.verification import Tables


def test_the_last_good_restore_counts_and_a_damaged_row_hides_no_other_target(tables: Tables) -> None:
    """A failed restore is passed over; a target whose rows cannot be read is logged, and the worker starts all the same."""
    restore(tables, ORDERS, 29)
    restore(tables, BILLING, 8)
    restore(tables, BILLING, 2, fails_at=Step.RESTORE_SNAPSHOT)
    [billing, orders] = sorted(read_last_successes(tables.trail, tables.numbers))
    assert (orders.target_arn, billing.target_arn) == (ORDERS, BILLING)
    for success, hours in ((orders, 29), (billing, 8)):
        assert abs(datetime.now(UTC) - success.restored_at - timedelta(hours=hours)) < timedelta(minutes=5)
    newest = restore(tables, ORDERS, 1)
    damaged = {"operation_id": {"S": newest}, "event_key": {"S": "~"}, "phase": {"S": "outcome"}}
    tables.dynamodb.put_item(TableName=tables.audit, Item=damaged)
    with capture_logs() as lines:
        assert [success.target_arn for success in read_last_successes(tables.trail, tables.numbers)] == [BILLING]
    assert [(line["log_level"], line["target_arn"]) for line in lines] == [("warning", ORDERS)]
