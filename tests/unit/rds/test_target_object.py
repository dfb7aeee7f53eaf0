"""Every change of RDS goes through the object that checks the account first."""

from __future__ import annotations

import ast
import re

from tests.rigs.documents import PRODUCTION, modules

RDS_CHANGE = re.compile(r"(add|copy|create|delete|modify|remove|restore|start|stop)_.*(db_|tags_to|tags_from)")
"""The boto3 methods of RDS that change something."""


def changes() -> list[tuple[str, str]]:
    """The module and the method of each call in production code that sends RDS a change."""
    return [
        (path.name, node.func.attr)
        for package in PRODUCTION
        for path, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and RDS_CHANGE.match(node.func.attr)
    ]


def test_only_the_target_object_changes_rds() -> None:
    """`TargetCluster` checks the account before each change; no module but it and `deletion` sends one.

    `aws-check` has a guard of its own, which changes only what the check has made: tests/integration/conformance/test_guards.py.
    """
    assert {module for module, _ in changes()} == {"target.py", "deletion.py", "own_resources.py"}
