"""The checks that a preflight has passed, for the trail: an auditor asks what was expected, and what was found."""

from __future__ import annotations

from collections.abc import Iterable

from activities.preflight.guards import NotChecked, PreflightCheck, Violation, refuse_if_any
from models.checks import Comparison


class PassedChecks:
    """Runs checks in groups, and remembers what each has compared."""

    def __init__(self) -> None:
        """Nothing is checked yet."""
        self.comparisons: list[Comparison] = []

    def require(self, checks: Iterable[PreflightCheck]) -> None:
        """Run every check that can be made. Raises one `Refused` with the violations of all of them."""
        violations: list[Violation] = []
        for check in checks:
            try:
                found = list(check.run())
            except NotChecked as reason:
                unknown = f"not checked: {reason}"
                self.comparisons += [Comparison(rule, actual=unknown, met=False) for rule in check.rules]
                continue
            violations += found
            if not found:
                self.comparisons += check.compare() if check.compare else map(Comparison, check.rules)
        refuse_if_any(violations)
