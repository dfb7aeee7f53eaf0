"""Reads deploy/template.yaml and deploy/iam, in forms that can be compared; as a program it writes the second from the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
TEMPLATE = DEPLOY / "template.yaml"
ROLES = ("worker", "operator", "source", "target")
MANAGED = ("denials", "masked", "surroundings")
"""The managed policies that a role may have beside its inline policy, which has a limit of its own."""


class _WithFunctions(yaml.SafeLoader):
    """Loads CloudFormation's short functions: !Sub as its text, the others as a mapping."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return value if name == "Sub" else {name: value}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_WithFunctions.add_multi_constructor("!", _function)


def read_template(file: Path) -> dict[str, Any]:
    """A template as values; the placeholders of !Sub stay `${Name}`, as in deploy/iam."""
    loaded: dict[str, Any] = yaml.load(file.read_text("utf-8"), _WithFunctions)
    return loaded


def template() -> dict[str, Any]:
    """deploy/template.yaml as values."""
    return read_template(TEMPLATE)


def document(role: str) -> dict[str, Any]:
    """All statements of a role's policies in deploy/iam, as one document with its placeholders."""
    documents = [json.loads(file.read_text("utf-8")) for file in policy_files(role)]
    return {"Version": "2012-10-17", "Statement": [each for read in documents for each in read["Statement"]]}


def policy_files(role: str) -> list[Path]:
    """The files of a role: its inline policy, and its managed policies."""
    names = (role, *(f"{role}-{managed}" for managed in MANAGED))
    return [file for name in names if (file := DEPLOY / "iam" / f"{name}.json").exists()]


def deployed_policies(role: str) -> dict[str, dict[str, Any]]:
    """The policy documents of a role in the template, by the name of their file."""
    resources = template()["Resources"]
    (inline,) = resources[f"{role.capitalize()}Role"]["Properties"]["Policies"]
    managed = {
        f"{role}-{name}": resource["Properties"]["PolicyDocument"]
        for name in MANAGED
        if (resource := resources.get(f"{role.capitalize()}{name.capitalize()}"))
    }
    return {role: inline["PolicyDocument"], **managed}


def deployed_document(role: str) -> dict[str, Any]:
    """All statements of a role's policies in the template, as one document."""
    policies = deployed_policies(role).values()
    return {"Version": "2012-10-17", "Statement": [each for policy in policies for each in policy["Statement"]]}


def placeholders() -> set[str]:
    """The names of the template's parameters."""
    return set(template()["Parameters"])


def write_documents() -> None:
    """Write deploy/iam from the template, which is the source."""
    for role in ROLES:
        for name, policy in deployed_policies(role).items():
            (DEPLOY / "iam" / f"{name}.json").write_text(json.dumps(policy, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    write_documents()
