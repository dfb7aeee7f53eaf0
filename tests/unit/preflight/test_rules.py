"""The names of the rules: each belongs to a check, which the plan lists when it passes."""

from __future__ import annotations

import ast
import re

from activities.preflight import guards
from tests.rigs.cli import ROOT


def test_every_rule_belongs_to_a_check() -> None:
    """A rule that no check names would be missing among the checks that pass."""
    named: dict[str, set[str]] = {"Violation": set(), "PreflightCheck": set(), "missing_resource": set()}
    for module in (ROOT / "activities" / "preflight").glob("*.py"):
        tree = ast.parse(module.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in named:
                named[name] |= set(re.findall(r"'([a-z0-9-]+)'", ast.unparse(node.args[0])))
    assert len(named["Violation"]) > 10
    raises = {"trail"}  # what its check finds is an error of the trail
    assert named["Violation"] | named["missing_resource"] | raises == named["PreflightCheck"] | set(guards.GUARDS)
