"""No operation can return a code that botocore's model does not list for it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import devstack.aws.rds
from devstack.aws.rds.errors import COMMON_CODES
from devstack.aws.rds.operations import OPERATIONS
from devstack.aws.rds.protocol import modelled_codes, service_model

PACKAGE = Path(devstack.aws.rds.__file__).parent
Function = tuple[str, str]
"""The module and the name of a function."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


@cache
def names(module: str) -> dict[str, str | Function]:
    """What each name in a module refers to: another module, or a function of one."""
    known: dict[str, str | Function] = {
        node.name: (module, node.name) for node in tree(module).body if isinstance(node, ast.FunctionDef)
    }
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("devstack.aws.rds"):
            origin = (node.module or "").removeprefix("devstack.aws.rds").lstrip(".")
            known |= {each.name: (origin, each.name) if origin else each.name for each in node.names}
    return known


def body(function: Function) -> ast.FunctionDef | None:
    module, name = function
    definitions = [node for node in tree(module).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return definitions[0] if definitions else None


def called(module: str, node: ast.expr) -> Function | None:
    """The function of the emulator that an expression names."""
    if isinstance(node, ast.Name):
        target = names(module).get(node.id)
        return target if isinstance(target, tuple) else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        target = names(module).get(node.value.id)
        return (target, node.attr) if isinstance(target, str) else None
    return None


def reachable_codes(function: Function, visited: set[Function]) -> set[str]:
    """Every code of an RdsError that a function, or a function that it calls, can raise."""
    definition = body(function)
    if function in visited or definition is None:
        return set()
    visited.add(function)
    codes: set[str] = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RdsError":
            code = node.args[0]
            assert isinstance(code, ast.Constant), f"{function}: the code of an RdsError must be a literal"
            codes.add(str(code.value))
        elif isinstance(node, ast.Name | ast.Attribute) and (other := called(function[0], node)):
            codes |= reachable_codes(other, visited)
    return codes


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_raises_only_codes_that_the_model_lists(operation: str) -> None:
    """Every code that an operation can reach is one that the model lists for it, or a common one."""
    handler = OPERATIONS[operation]
    codes = reachable_codes((handler.__module__.rpartition(".")[2], handler.__name__), set())
    assert codes <= modelled_codes(operation).keys() | COMMON_CODES.keys()


def test_the_search_for_codes_follows_calls_across_modules() -> None:
    """The search finds codes that other modules raise; without that, the test above would prove nothing."""
    assert reachable_codes(("restores", "restore_db_cluster_from_snapshot"), set()) >= {
        "DBClusterAlreadyExistsFault",
        "DBClusterParameterGroupNotFound",
        "DBClusterSnapshotNotFoundFault",
        "DBSubnetGroupNotFoundFault",
        "InvalidDBClusterSnapshotStateFault",
        "KMSKeyNotAccessibleFault",
    }


def test_every_served_operation_exists_in_rds() -> None:
    """The emulator serves no operation that RDS does not have."""
    assert OPERATIONS.keys() <= set(service_model().operation_names)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_readme_describes_every_operation(operation: str) -> None:
    """The README says what each operation does like AWS, and what not."""
    assert re.search(rf"\b{operation}\b", (PACKAGE.parent / "README.md").read_text())
