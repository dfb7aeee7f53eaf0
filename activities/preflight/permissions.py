"""Whether IAM will allow the calls of the restore, asked before the first of them: iam:SimulatePrincipalPolicy.

A simulation reads the policies of the role, its permissions boundary and the organization's policies; it does not read
resource policies (of keys, secrets, topics) nor session policies. So what it allows may still be refused.
Source: IAM API Reference, SimulatePrincipalPolicy; IAM User Guide, "Testing IAM policies with the IAM policy simulator".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from activities.preflight.accesses import Access
from activities.preflight.guards import NotChecked, Violation
from activities.rds.aws_errors import pipeline_error_for
from clients.aws import AwsClients
from models.identifiers import partition
from models.source import Location

if TYPE_CHECKING:
    from clients.iam import ContextEntry

PERMISSIONS = "permissions"
"""The rule of the violation."""
MAX_LISTED = 10
"""How many missing permissions a message lists."""
_ALLOWED = "allowed"
_TYPES = {"aws:TagKeys": "stringList", "rds:PubliclyAccessible": "boolean"}
"""By condition key, its type if that is not a string."""


def find_missing_permissions(
    aws: AwsClients, location: Location, operation_id: str, accesses: Iterable[Access]
) -> Iterator[Violation]:
    """One violation that lists what the location's identity may not do.

    Raises `NotChecked` if the identity may not ask, or if IAM does not answer: then nothing is known, which stops no
    restore.
    """
    try:
        principal = _principal(aws, location, operation_id)
        missing = [
            access for group in _groups(accesses) for access in _missing(aws, location, operation_id, principal, group)
        ]
    except ClientError as error:
        raise NotChecked(
            f"permissions were not checked: IAM answered {pipeline_error_for(error).fault.code}"
        ) from error
    except BotoCoreError as error:
        raise NotChecked(f"permissions were not checked: {type(error).__name__}") from error
    if not missing:
        return
    listed = "; ".join(access.text for access in missing[:MAX_LISTED])
    more = f"; and {len(missing) - MAX_LISTED} more" if len(missing) > MAX_LISTED else ""
    yield Violation(
        PERMISSIONS,
        "Permissions missing",
        f"{principal} lacks {len(missing)} permissions that the restore needs: {listed}{more}. Give it these permissions; "
        "deploy/template.yaml has the statements.",
    )


def _principal(aws: AwsClients, location: Location, operation_id: str) -> str:
    """The ARN whose policies count: of the role itself, not of its session."""
    if location.role_arn:
        return location.role_arn
    arn = aws.sts(location, operation_id).get_caller_identity().get("Arn")
    if arn is None:
        raise NotChecked("permissions were not checked: STS does not say whose credentials these are")
    if ":assumed-role/" not in arn:
        return arn
    account, role = arn.split(":")[4], arn.split("/")[1]
    return f"arn:{partition(location.region)}:iam::{account}:role/{role}"


def _groups(accesses: Iterable[Access]) -> list[list[Access]]:
    """The accesses that one call can ask for: of one resource, in one context. Each access is asked for once."""
    groups: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], dict[str, Access]] = {}
    for access in accesses:
        group = groups.setdefault((access.resource, tuple(sorted(access.context.items()))), {})
        group.setdefault(access.action, access)
    return [list(group.values()) for group in groups.values()]


def _missing(
    aws: AwsClients, location: Location, operation_id: str, principal: str, group: list[Access]
) -> list[Access]:
    context = {"aws:RequestedRegion": (location.region,), **group[0].context}
    answer = aws.iam(location, operation_id).simulate_principal_policy(
        PolicySourceArn=principal,
        ActionNames=[access.action for access in group],
        ResourceArns=[group[0].resource],
        ContextEntries=[_entry(key, values) for key, values in context.items()],
    )
    decisions = {result["EvalActionName"].lower(): result["EvalDecision"] for result in answer["EvaluationResults"]}
    return [access for access in group if decisions.get(access.action.lower()) != _ALLOWED]


def _entry(key: str, values: tuple[str, ...]) -> ContextEntry:
    return {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": _TYPES.get(key, "string")}
