"""The evidence of an operation: what cannot be read is said, and does not hide the rest."""

from __future__ import annotations

from typing import Any

import pytest

from audit.rows import to_item
from audit.seal_rows import SealLink
from reports.evidence import collect_evidence, find_gaps, read_sealed_items, to_document
from reports.measures import Objectives
from tests.rigs.report_trail import NOW, monthly_rows


@pytest.mark.parametrize("spoiled", [{"status": {"S": "FINE"}}, {"details": {"N": "1"}}, {"step": {"S": "dance"}}])
def test_an_item_that_cannot_be_read_is_a_gap(spoiled: dict[str, Any]) -> None:
    """Of another version, or written by somebody else: the other rows are shown, and the item is there as it is."""
    opened, rows = next(monthly_rows())
    items = [to_item(row) for row in rows]
    items[3] |= spoiled
    evidence = collect_evidence(opened, items, Objectives(), NOW, "-")
    assert evidence is not None
    key = items[3]["event_key"]["S"]
    said = f"The item {key} cannot be read as a row of the trail: evidence.json has it as it is stored."
    assert said in list(find_gaps(evidence))
    assert len(evidence.rows) == len(items) - 1
    assert len(to_document(evidence)["items"]) == len(items)


def test_a_seal_that_is_written_between_the_two_reads_is_read_too() -> None:
    """Otherwise the verifier would miss it among the items and find nothing proven."""
    opened, rows = next(monthly_rows())
    row, seal = to_item(next(iter(rows))), {"event_key": {"S": "seal-2"}}
    head = SealLink(operation_id=opened.operation_id, event_key="seal-2", digest="-", number=2)
    reads = [[row], [row, seal]]
    assert read_sealed_items(opened, lambda _: reads.pop(0), lambda _: head) == ([row, seal], head)
    of_another = head.model_copy(update={"operation_id": "op-999"})
    assert read_sealed_items(opened, lambda _: [row], lambda _: of_another) == ([row], of_another)


def test_a_seal_that_was_deleted_is_missed_and_not_waited_for() -> None:
    """The head names it, and it never comes."""
    opened, _ = next(monthly_rows())
    head = SealLink(operation_id=opened.operation_id, event_key="seal-2", digest="-", number=2)
    assert read_sealed_items(opened, lambda _: [], lambda _: head) == ([], head)
