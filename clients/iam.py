"""The part of IAM that the pipeline calls, typed here because it is one operation."""

from __future__ import annotations

from typing import NotRequired, Protocol, TypedDict


class ContextEntry(TypedDict):
    """A condition key of a simulated request."""

    ContextKeyName: str
    ContextKeyValues: list[str]
    ContextKeyType: str


class EvaluationResult(TypedDict):
    """The decision on one action."""

    EvalActionName: str
    EvalDecision: str
    MissingContextValues: NotRequired[list[str]]
    """Condition keys of the identity's policies that the question has no value for."""


class Simulation(TypedDict):
    """The answer."""

    EvaluationResults: list[EvaluationResult]


class IamClient(Protocol):
    """Source: IAM API Reference, SimulatePrincipalPolicy."""

    def simulate_principal_policy(
        self,
        *,
        PolicySourceArn: str,  # noqa: N803 - AWS's names
        ActionNames: list[str],  # noqa: N803
        ResourceArns: list[str],  # noqa: N803
        ContextEntries: list[ContextEntry],  # noqa: N803
    ) -> Simulation:
        """Whether the policies of the principal allow the actions on the resources."""
