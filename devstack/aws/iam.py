"""iam:SimulatePrincipalPolicy, which moto does not have: the policies that are attached to a role, evaluated.

Only roles: any other principal is unknown. Each resource is answered by a result of its own.
Source: IAM API Reference, SimulatePrincipalPolicy.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from devstack.aws.error_responses import error_response
from devstack.iam.evaluation import AccessRequest, Decision, NotModelled, Statement, evaluate, statements

SIMULATE = "SimulatePrincipalPolicy"
_MODELLED = re.compile(
    r"(Action|Version|PolicySourceArn|ActionNames\.member\.\d+|ResourceArns\.member\.\d+"
    r"|ContextEntries\.member\.\d+\.(ContextKeyName|ContextKeyType|ContextKeyValues\.member\.\d+))"
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?:.*/)?(?P<name>[^/]+)")


class UnknownRole(Exception):
    """There is no role of this ARN."""


def simulate(form: Mapping[str, str]) -> Response:
    """The response to a call; each parameter is modelled, or refused by name."""
    if unknown := sorted(name for name in form if not _MODELLED.fullmatch(name)):
        return error_response("iam", "InvalidInput", f"The emulator does not model {', '.join(unknown)}.", 400)
    try:
        policy = role_policy(form.get("PolicySourceArn", ""))
        results = "".join(_result(policy, request) for request in _requests(form))
    except UnknownRole as unknown_role:
        return error_response("iam", "NoSuchEntity", str(unknown_role), HTTPStatus.NOT_FOUND)
    except NotModelled as error:
        return error_response("iam", "PolicyEvaluation", str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    request_id = str(uuid.uuid4())
    content = f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
    metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    body = (
        f'<{SIMULATE}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{SIMULATE}Result>{content}'
        f"</{SIMULATE}Result>{metadata}</{SIMULATE}Response>"
    )
    return Response(body, headers={"x-amzn-RequestId": request_id}, content_type="text/xml")


def role_policy(arn: str) -> tuple[Statement, ...]:
    """The statements of a role's inline and managed policies. Raises `UnknownRole`."""
    parts = _ROLE.fullmatch(arn)
    if parts is None:
        raise UnknownRole(f"The entity {arn} cannot be found; the emulator knows the policies of roles only.")
    from moto.iam.models import iam_backends  # takes almost a second, so not before it is needed

    roles = {role.name: role for role in iam_backends[parts["account"]]["aws"].roles.values()}
    if (role := roles.get(parts["name"])) is None:
        raise UnknownRole(f"The role with name {parts['name']} cannot be found.")
    documents = [*role.policies.values(), *map(_default_document, role.managed_policies.values())]
    return tuple(statement for document in documents for statement in statements(parsed(document)))


def _default_document(managed: Any) -> Any:
    return next(each.document for each in managed.versions if each.version_id == managed.default_version_id)


def parsed(document: Any) -> Mapping[str, Any]:
    """A policy document as moto stores it: a mapping, or its JSON."""
    read: Mapping[str, Any] = json.loads(unquote(document)) if isinstance(document, str) else document
    return read


def _requests(form: Mapping[str, str]) -> Iterator[AccessRequest]:
    context = {
        form[f"{entry}.ContextKeyName"]: tuple(_members(form, f"{entry}.ContextKeyValues"))
        for entry in _prefixes(form, "ContextEntries")
    }
    for action in _members(form, "ActionNames"):
        for resource in _members(form, "ResourceArns") or ["*"]:
            yield AccessRequest(action, resource, context)


def _members(form: Mapping[str, str], name: str) -> list[str]:
    return [form[prefix] for prefix in _prefixes(form, name)]


def _prefixes(form: Mapping[str, str], name: str) -> list[str]:
    numbers = {int(found[1]) for key in form if (found := re.match(rf"{re.escape(name)}\.member\.(\d+)", key))}
    return [f"{name}.member.{number}" for number in sorted(numbers)]


def _result(policy: tuple[Statement, ...], request: AccessRequest) -> str:
    decision = evaluate(policy, request)
    missing = "".join(f"<member>{escape(key)}</member>" for key in _missing_keys(policy, request))
    return (
        f"<member><EvalActionName>{escape(request.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(request.resource)}</EvalResourceName>"
        f"<EvalDecision>{_word(decision)}</EvalDecision><MatchedStatements/>"
        f"<MissingContextValues>{missing}</MissingContextValues></member>"
    )


def _missing_keys(policy: tuple[Statement, ...], request: AccessRequest) -> list[str]:
    """The condition keys that the request has no value for, of the statements with its action and resource."""
    given = {key.lower() for key in request.context}
    conditions = (statement.body.get("Condition", {}) for statement in policy if statement.names(request))
    keys = {key for condition in conditions for compared in condition.values() for key in compared}
    return sorted(key for key in keys if key.lower() not in given)


def _word(decision: Decision) -> str:
    if decision.allowed:
        return "allowed"
    return "explicitDeny" if decision.sid else "implicitDeny"
