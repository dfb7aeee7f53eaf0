"""No operation can answer a code that botocore's model does not list for it."""

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
"""Module and name."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


@cache
def names(module: str) -> dict[str, str | Function]:
    """What a name means in a module: another module, or a function of one."""
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
    found = [node for node in tree(module).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[0] if found else None


def called(module: str, node: ast.expr) -> Function | None:
    """The function of ours that an expression names."""
    if isinstance(node, ast.Name):
        meant = names(module).get(node.id)
        return meant if isinstance(meant, tuple) else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        meant = names(module).get(node.value.id)
        return (meant, node.attr) if isinstance(meant, str) else None
    return None


def codes(function: Function, seen: set[Function]) -> set[str]:
    """Every code that a function, or what it calls, may refuse with."""
    definition = body(function)
    if function in seen or definition is None:
        return set()
    seen.add(function)
    found: set[str] = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
            code = node.args[0]
            assert isinstance(code, ast.Constant), f"{function}: the code of a Refusal must be a literal"
            found.add(str(code.value))
        elif isinstance(node, ast.Name | ast.Attribute) and (other := called(function[0], node)):
            found |= codes(other, seen)
    return found


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_an_operation_refuses_only_with_codes_of_the_model(operation: str) -> None:
    """Whatever an operation can reach refuses with codes that the model lists, or common ones."""
    handler = OPERATIONS[operation]
    reached = codes((handler.__module__.rpartition(".")[2], handler.__name__), set())
    assert reached <= modelled_codes(operation).keys() | COMMON_CODES.keys()


def test_the_search_finds_refusals_that_are_far_away() -> None:
    """The search follows calls across modules: otherwise the test above would pass on anything."""
    assert codes(("restores", "restore_db_cluster_from_snapshot"), set()) >= {
        "DBClusterAlreadyExistsFault",
        "DBClusterParameterGroupNotFound",
        "DBClusterSnapshotNotFoundFault",
        "DBSubnetGroupNotFoundFault",
        "InvalidDBClusterSnapshotStateFault",
        "KMSKeyNotAccessibleFault",
    }


def test_every_operation_is_one_of_rds() -> None:
    """The emulator serves no operation that RDS does not have."""
    assert OPERATIONS.keys() <= set(service_model().operation_names)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_the_readme_speaks_of_every_operation(operation: str) -> None:
    """What an operation does like AWS, and what not, stands in the README."""
    assert re.search(rf"\b{operation}\b", (PACKAGE.parent / "README.md").read_text())
