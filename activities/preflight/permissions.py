"""Whether IAM will allow the calls of the restore, asked before the first of them: iam:SimulatePrincipalPolicy.

A simulation reads the policies of the role, its permissions boundary and the organization's policies; it does not read
resource policies (of keys, secrets, topics) nor session policies. So what it allows may still be refused.
Source: IAM API Reference, SimulatePrincipalPolicy; IAM User Guide, "Testing IAM policies with the IAM policy simulator".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from activities.preflight.access import Access
from activities.preflight.guards import NotChecked, Violation
from activities.rds.aws_errors import pipeline_error_for
from models.identifiers import partition

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

    from clients.iam import ContextEntry, IamClient

TARGET_PERMISSIONS, WORKER_PERMISSIONS = "target-permissions", "worker-permissions"
"""The rules, by whose permissions are asked about."""
MAX_LISTED = 10
"""How many missing permissions, or condition keys, a message lists."""
_ALLOWED = "allowed"
_TYPES = {"aws:TagKeys": "stringList", "rds:PubliclyAccessible": "boolean"}
"""By condition key, its type if that is not a string."""
_KNOWN_KEYS = ("aws:resourcetag/", "aws:requesttag/", "aws:tagkeys")
"""How the condition keys begin, in lower case, that an access has in full: one that is missing is not there."""


@dataclass(frozen=True)
class Identity:
    """Whose permissions are asked about, and the clients with its credentials."""

    rule: str
    role_arn: str | None
    """None is the worker's own identity, which STS knows."""
    sts: STSClient
    iam: IamClient
    region: str
    """Where it makes its calls."""

    def find_arn(self) -> str:
        """The ARN whose policies count: of the role itself, not of its session. Raises `NotChecked`."""
        if self.role_arn:
            return self.role_arn
        arn = self.sts.get_caller_identity().get("Arn")
        if arn is None:
            raise self.not_checked("STS does not say whose credentials these are")
        if ":assumed-role/" not in arn:
            return arn
        account, role = arn.split(":")[4], arn.split("/")[1]
        return f"arn:{partition(self.region)}:iam::{account}:role/{role}"

    def not_checked(self, reason: str) -> NotChecked:
        """Says whose permissions were not checked, and why."""
        return NotChecked(f"the permissions of {self.role_arn or 'the worker'} were not checked: {reason}")


@dataclass(frozen=True)
class _Refused:
    """An access that a simulation does not allow."""

    access: Access
    unknown_keys: tuple[str, ...]
    """Condition keys of the policies whose values nobody knows before the call, such as aws:SourceVpce."""


def find_missing_permissions(identity: Identity, accesses: Iterable[Access]) -> Iterator[Violation]:
    """One violation that lists what the identity may not do.

    Raises `NotChecked` if the identity may not ask, if IAM does not answer, or if only the call itself will show it:
    then nothing is known, which stops no restore.
    """
    try:
        arn = identity.find_arn()
        refused = [each for group in _groups(accesses) for each in _simulate(identity, arn, group)]
    except ClientError as error:
        raise identity.not_checked(f"IAM answered {pipeline_error_for(error).fault.code}") from error
    except BotoCoreError as error:
        raise identity.not_checked(type(error).__name__) from error
    missing = [each.access.text for each in refused if not each.unknown_keys]
    if missing:
        yield Violation(
            identity.rule,
            "Permissions missing",
            f"{arn} lacks {len(missing)} permissions that the restore needs: {_listed(missing, '; ')}. Give it these "
            "permissions; deploy/template.yaml has the statements.",
        )
    elif refused:
        keys = sorted({key for each in refused for key in each.unknown_keys})
        raise identity.not_checked(f"its policies depend on {_listed(keys, ', ')}, which only the call itself has")


def _listed(texts: list[str], separator: str) -> str:
    more = f"{separator}and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
    return separator.join(texts[:MAX_LISTED]) + more


def _groups(accesses: Iterable[Access]) -> list[list[Access]]:
    """The accesses that one call can ask for: of one resource, in one context. Each access is asked for once."""
    groups: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], dict[str, Access]] = {}
    for access in accesses:
        group = groups.setdefault((access.resource, tuple(sorted(access.context.items()))), {})
        group.setdefault(access.action, access)
    return [list(group.values()) for group in groups.values()]


def _simulate(identity: Identity, arn: str, group: list[Access]) -> Iterator[_Refused]:
    context = {"aws:RequestedRegion": (identity.region,), **group[0].context}
    answer = identity.iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=[access.action for access in group],
        ResourceArns=[group[0].resource],
        ContextEntries=[_entry(key, values) for key, values in context.items()],
    )
    results = {result["EvalActionName"].lower(): result for result in answer["EvaluationResults"]}
    for access in group:
        result = results.get(access.action.lower())
        if result is None:
            yield _Refused(access, unknown_keys=())
        elif result["EvalDecision"] != _ALLOWED:
            missing = result.get("MissingContextValues", [])
            unknown = (key for key in missing if not key.lower().startswith(_KNOWN_KEYS))
            yield _Refused(access, tuple(unknown))


def _entry(key: str, values: tuple[str, ...]) -> ContextEntry:
    return {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": _TYPES.get(key, "string")}
