"""AWS's error codes are compared in one place of each service: RDS's and its neighbours' in the fault table."""

from __future__ import annotations

import ast

from activities.rds.fault_table import TABLE
from tests.rigs.documents import modules


def test_only_the_fault_table_reads_an_error_response() -> None:
    """A module that asks AWS asks the table what the fault means; it never reads the code itself."""
    readers = {
        path.name
        for package in ("activities", "clients")
        for path, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "response"
    }
    assert readers == {"aws_errors.py"}


def test_one_module_of_the_trail_reads_an_error_code() -> None:
    """Everything else asks it what an error of DynamoDB means."""
    readers = {
        path.name
        for package in ("audit", "runs", "commands", "workflows", "models")
        for path, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == "Code"
    }
    assert readers == {"dynamodb_errors.py"}


def test_no_other_module_compares_a_code() -> None:
    """A code of the table is never one side of a comparison elsewhere."""
    codes = {rule.code for rule in TABLE}
    comparisons = [
        f"{path.name}:{node.lineno}"
        for package in ("activities", "clients")
        for path, tree in modules(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in codes
    ]
    assert not comparisons
