"""The result of `audit verify` as lines, as a table and as JSON."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from audit.verify.findings import FIND_WRITER, Finding, FindingKind, State, Verification, as_fields, as_plain, as_table

KEY = "2024-03-20T00:05:00.000Z#2-copy-snapshot#4-outcome#00001.00001#run-1"
MISMATCH = Finding(
    kind=FindingKind.FIELD_MISMATCH,
    operation_id="op-001",
    event_key=KEY,
    step="copy-snapshot",
    field="details",
    actual="[bold]another",
    expected="Started copy to target region",
    what_to_do=FIND_WRITER,
)
MISSING_SEAL = Finding(
    kind=FindingKind.MISSING_SEAL,
    operation_id="op-001",
    actual="no seal",
    expected="a seal over all rows",
    what_to_do="Seal it:\npython starter.py audit verify op-001 --repair",
)
NOTE = Finding(kind=FindingKind.LATE_ROW, operation_id="op-001", event_key="late")


def verification(**changes: object) -> Verification:
    """The result for an operation that has ended, without a finding."""
    fields: dict[str, object] = {
        "operation_id": "op-001",
        "state": State.ENDED,
        "rows": 2,
        "seals": 1,
        "runs": ("run-1",),
    }
    return Verification.model_validate(fields | changes)


def test_lines_state_what_is_wrong_both_values_and_what_to_do() -> None:
    """One block per finding; a command is on a line of its own; a note without anything to do ends with its message."""
    text = as_plain(verification(findings=(MISSING_SEAL, MISMATCH), notes=(NOTE,), added=("added-key",)))
    assert text.splitlines() == [
        "op-001 (ended): 2 findings (2 rows, 1 seal, 1 run; 1 added)",
        "",
        "Findings:",
        "- missing seal: op-001",
        "  The operation has ended, and it has no seal.",
        "  actual: no seal",
        "  expected: a seal over all rows",
        "  Seal it:",
        "  python starter.py audit verify op-001 --repair",
        f"- field mismatch: {KEY}",
        "  A field of the row differs from Temporal's history.",
        "  field: details",
        "  actual: [bold]another",
        "  expected: Started copy to target region",
        "  Find out who wrote the item: search CloudTrail's data events of the DynamoDB table for its key.",
        "",
        "Notes:",
        "- late row: late",
        f"  {FindingKind.LATE_ROW.message}",
        "added: added-key",
    ]


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, "op-001 (ended): the trail agrees with Temporal's history and its seals (2 rows, 1 seal, 1 run)"),
        (
            {"state": State.HISTORY_EXPIRED, "runs": (), "seals": 2},
            "op-001 (history expired): the trail agrees with its seals (2 rows, 2 seals, 0 runs)",
        ),
        ({"findings": (MISMATCH,)}, "op-001 (ended): 1 finding (2 rows, 1 seal, 1 run)"),
    ],
)
def test_the_headline_says_what_the_trail_was_compared_with(changes: dict[str, object], headline: str) -> None:
    """Or how many findings there are; then the counts."""
    assert verification(**changes).headline == headline


def test_the_table_wraps_texts_and_does_not_interpret_markup() -> None:
    """On a terminal of 80 columns every text is complete, also one that reads like rich's markup."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(as_table(verification(findings=(MISMATCH,), notes=(NOTE,), added=("added-key",))))
    text = console.export_text()
    assert "op-001 (ended): 1 finding" in text
    assert "[bold]another" in text
    assert "added: added-key" in text


def test_json_has_the_result_and_each_finding_with_its_message() -> None:
    """Fields without a value are left out."""
    document = as_fields(verification(findings=(MISMATCH,), notes=(NOTE,)))
    assert (document["ok"], document["state"], document["operation_id"]) == (False, "ended", "op-001")
    [finding] = document["findings"]
    assert finding == {
        "kind": "field mismatch",
        "operation_id": "op-001",
        "event_key": KEY,
        "step": "copy-snapshot",
        "field": "details",
        "actual": "[bold]another",
        "expected": "Started copy to target region",
        "what_to_do": FIND_WRITER,
        "message": "A field of the row differs from Temporal's history.",
    }
    assert "what_to_do" not in document["notes"][0]


@pytest.mark.parametrize("kind", FindingKind)
def test_every_kind_has_a_message(kind: FindingKind) -> None:
    """A sentence with a full stop."""
    assert kind.message.endswith(".")
