"""The verifier's canonical form is that of audit/digest.py, for every row that the trail can hold."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given, settings

from audit import digest
from audit.rows import AuditRow, to_item
from reports import evidence_verifier
from tests.rigs.audit_tables import ROWS


def as_read(item: dict[str, Any]) -> dict[str, Any]:
    """An item as the verifier reads it from evidence.json."""
    return dict(json.loads(json.dumps(json.loads(digest.canonical_form(item)), indent=1)))


@settings(deadline=None)  # on a busy machine an example may take a while
@given(row=ROWS)
def test_a_row_has_the_same_digest_in_both(row: AuditRow) -> None:
    """Whatever its texts and numbers are."""
    item = to_item(row)
    assert evidence_verifier.digest_of(as_read(item)) == digest.digest_of(item)


@pytest.mark.parametrize(
    "value",
    [
        b"\x00\xff binary",
        Decimal("-1.50E-100"),
        10**37,
        "\u2028 \x00 \x7f \ud800 \U0001f4a5 </script>",
        {"z": [None, True, {"ä": b""}], "a": "", "": "empty name", "\uffff": 1, "\U00010000": 2},
    ],
)
def test_every_type_of_dynamodb_has_the_same_digest_in_both(value: Any) -> None:
    """Numbers keep their digits, names their order, bytes are base64."""
    item = {"value": TypeSerializer().serialize(value)}
    assert evidence_verifier.digest_of(as_read(item)) == digest.digest_of(item)


def test_no_text_controls_the_terminal() -> None:
    """Only printable ASCII is left."""
    printed = evidence_verifier.shown("".join(map(chr, range(0x2100))) + "\u202e\ud800")
    assert printed.isascii()
    assert printed.isprintable()
