"""What SECURITY.md names as protection exists: guards in the code, statements in the policies."""

from __future__ import annotations

import json
import re

from activities.preflight.guards import GUARDS
from tests.rigs.documents import ROOT, text

SECURITY = text("SECURITY.md")


def test_every_statement_that_it_names_is_in_its_policy() -> None:
    """A statement of IAM that it names has that name in the file beside it."""
    named = re.findall(r"statements? ((?:`\w+`(?:, )?)+) of `(deploy/iam/[\w-]+\.json)`", SECURITY)
    named += re.findall(r", ((?:`\w+`(?:, )?)+) of `(deploy/iam/[\w-]+\.json)`", SECURITY)
    assert len(named) >= 4
    for statements, policy in named:
        actual = {statement["Sid"] for statement in json.loads((ROOT / policy).read_text("utf-8"))["Statement"]}
        assert set(re.findall(r"`(\w+)`", statements)) <= actual, policy


def test_every_guard_is_in_the_threat_model() -> None:
    """The table says what each guard prevents, except the one that only waits for a status."""
    named = set(re.findall(r"`activities/preflight/guards\.py`::`(\w+)`", SECURITY))
    assert {guard.__name__ for guard in GUARDS.values()} - named <= {"target_can_be_deleted"}
