"""What a preflight remembers of its checks: all that it made, and those that it could not make."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import pytest

from activities.preflight.guards import NotChecked, PreflightCheck, Violation
from activities.preflight.passed_checks import PassedChecks
from errors import Refused
from models.checks import Comparison


def fail_to_check() -> NoReturn:
    raise NotChecked("IAM did not answer")


def test_a_check_that_could_not_be_made_is_not_met() -> None:
    """An auditor must not read it as one that was passed; it refuses nothing."""
    passed = PassedChecks()
    compared = Comparison("target-account", "1", "1")
    passed.require(
        [
            PreflightCheck(("network",), list),
            PreflightCheck(("target-account",), list, lambda: [compared]),
            PreflightCheck(("permissions",), fail_to_check),
        ]
    )
    unknown = Comparison("permissions", actual="not checked: IAM did not answer", met=False)
    assert passed.comparisons == [Comparison("network"), compared, unknown]


def test_a_violation_refuses_after_every_check() -> None:
    """What was violated is in the fault, and not among what was passed."""
    passed = PassedChecks()
    violations = [Violation(rule, f"Wrong {rule}", "Correct it.") for rule in ("one", "two")]
    with pytest.raises(Refused, match="and 1 more"):
        passed.require([PreflightCheck((each.rule,), partial(list, [each])) for each in violations])
    assert passed.comparisons == []
