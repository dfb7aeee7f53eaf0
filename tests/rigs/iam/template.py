"""Reads deploy/template.yaml and deploy/iam, in forms that can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
TEMPLATE = DEPLOY / "template.yaml"
ROLES = ("worker", "operator", "source", "target")


class _WithFunctions(yaml.SafeLoader):
    """Loads CloudFormation's short functions: !Sub as its text, the others as a mapping."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return value if name == "Sub" else {name: value}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_WithFunctions.add_multi_constructor("!", _function)


def template() -> dict[str, Any]:
    """The template as values; the placeholders of !Sub stay `${Name}`, as in deploy/iam."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text("utf-8"), _WithFunctions)
    return loaded


def document(role: str) -> dict[str, Any]:
    """The policy document of a role, with its placeholders."""
    loaded: dict[str, Any] = json.loads((DEPLOY / "iam" / f"{role}.json").read_text("utf-8"))
    return loaded


def deployed_document(role: str) -> dict[str, Any]:
    """The policy document of a role in the template."""
    (policy,) = template()["Resources"][f"{role.capitalize()}Role"]["Properties"]["Policies"]
    deployed: dict[str, Any] = policy["PolicyDocument"]
    return deployed


def placeholders() -> set[str]:
    """The names of the template's parameters."""
    return set(template()["Parameters"])
