"""deploy/template.yaml and deploy/iam, read so that they can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
TEMPLATE = DEPLOY / "template.yaml"
ROLES = ("worker", "operator", "source", "target")


class _WithFunctions(yaml.SafeLoader):
    """YAML with CloudFormation's short functions: !Sub gives its text, the others a mapping."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return value if name == "Sub" else {name: value}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_WithFunctions.add_multi_constructor("!", _function)


def template() -> dict[str, Any]:
    """The template as values; what !Sub would fill in stands as `${Name}`, as in deploy/iam."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text("utf-8"), _WithFunctions)
    return loaded


def document(role: str) -> dict[str, Any]:
    """The policy document of a role, with its placeholders."""
    loaded: dict[str, Any] = json.loads((DEPLOY / "iam" / f"{role}.json").read_text("utf-8"))
    return loaded


def deployed_document(role: str) -> dict[str, Any]:
    """The policy of a role as the template has it."""
    (policy,) = template()["Resources"][f"{role.capitalize()}Role"]["Properties"]["Policies"]
    found: dict[str, Any] = policy["PolicyDocument"]
    return found


def placeholders() -> set[str]:
    """The parameters of the template."""
    return set(template()["Parameters"])
