"""The emulator behind IAM: it carries out a call by a role only if the role's policy allows it.

Owners, whose access key is their account number, may do anything, as in the rest of the emulator. A role's calls come
with the credentials of a session, which the gateway remembers from the AssumeRole that created it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import devstack.aws.emulator
from devstack.aws.application import Application, _parameters
from devstack.aws.caller import Caller
from devstack.aws.error_responses import error_response
from devstack.aws.journal import RecordedCall
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.tagging import tags_of
from devstack.aws.services import ServiceError
from devstack.iam.authorization import UnknownCall, access_requests
from devstack.iam.call import Call
from devstack.iam.evaluation import AccessRequest, Decision, Statement, evaluate

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from devstack.aws.requests import AwsRequest


@dataclass(frozen=True)
class Role:
    """A deployed role: its policy, and its trust policy."""

    arn: str
    policy: tuple[Statement, ...]
    trust: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """For example target, of the role aurora-restore-target and the file deploy/iam/target.json."""
        return self.arn.rpartition("aurora-restore-")[2]

    def trusts(self, principal: str, external_id: str | None) -> bool:
        """Whether this principal may assume the role."""
        context = {"aws:PrincipalArn": (principal,), "sts:ExternalId": (external_id,) if external_id else ()}
        request = AccessRequest("sts:AssumeRole", self.arn, context)
        account = principal.split(":")[4]
        return any(
            statement["Principal"].get("AWS") in (principal, f"arn:aws:iam::{account}:root")
            and Statement("", allows=True, body={**statement, "Resource": "*"}).applies_to(request)
            for statement in self.trust
        )


@dataclass(frozen=True)
class Evaluation:
    """One access request of a role's call, and the decision."""

    role: str
    call: str
    request: AccessRequest
    decision: Decision

    def __str__(self) -> str:
        """Why the request is denied, and which files to extend."""
        sid = self.decision.sid
        why = f"its statement {sid} denies it" if sid else "no statement allows it"
        return (
            f"the role aurora-restore-{self.role} calls {self.call}, which needs {self.request}, but {why}. If the role "
            f"must make this call, extend deploy/iam/{self.role}.json and deploy/template.yaml."
        )


@dataclass
class IamState:
    """The roles and sessions of one emulator, and every evaluation of their policies."""

    roles: dict[str, Role] = field(default_factory=dict)
    """By ARN."""
    sessions: dict[str, Role] = field(default_factory=dict)
    """By access key."""
    evaluations: list[Evaluation] = field(default_factory=list)
    unknown_calls: list[str] = field(default_factory=list)
    """The calls that devstack/iam/authorization.py does not model, as messages."""


@contextmanager
def install_gateway(state: IamState) -> Iterator[None]:
    """Put the gateway in front of every emulator that is created in this context."""

    class Gateway(IamGateway):
        iam = state

    with patch.object(devstack.aws.emulator, "Application", Gateway):
        yield


class IamGateway(Application):
    """The emulator's application, which evaluates the policies first."""

    iam: IamState

    def _call(self, request: AwsRequest) -> Response:
        role = self.iam.sessions.get(_access_key(request))
        if role is not None and (reason := self._denial(role, request)):
            return self._access_denied(request, reason)
        response = super()._call(request)
        if request.operation == "AssumeRole":
            self._remember_session(request, response.get_data(as_text=True))
        return response

    def _denial(self, role: Role, request: AwsRequest) -> str | None:
        """Why the call is denied; None if it is allowed."""
        call = self._call_of(request)
        try:
            requests = access_requests(call)
        except UnknownCall as unknown:
            self.iam.unknown_calls.append(f"aurora-restore-{role.name}: {unknown}")
            return str(unknown)
        evaluations = [
            Evaluation(role.name, call.action, access_request, evaluate(role.policy, access_request))
            for access_request in requests
        ]
        self.iam.evaluations.extend(evaluations)
        denied = next((evaluation for evaluation in evaluations if not evaluation.decision.allowed), None)
        return str(denied) if denied else self._denial_by_trust(role, call)

    def _denial_by_trust(self, role: Role, call: Call) -> str | None:
        if call.action != "sts:AssumeRole":
            return None
        assumed = self.iam.roles.get(call.parameters["RoleArn"])
        if assumed is not None and assumed.trusts(role.arn, call.parameters.get("ExternalId")):
            return None
        return f"{call.parameters['RoleArn']} does not trust {role.arn} with this external id"

    def _call_of(self, request: AwsRequest) -> Call:
        caller = request.caller
        resources = _StateReader(self, caller)
        return Call(caller.service, request.operation, _parameters(request), caller.account, caller.region, resources)

    def _access_denied(self, request: AwsRequest, reason: str) -> Response:
        caller = request.caller
        code = (
            "AccessDeniedException"
            if caller.service in ("application-autoscaling", "dynamodb", "secretsmanager", "kms")
            else "AccessDenied"
        )
        self._calls.add(
            RecordedCall(
                self._state.clock.now(), caller.account, caller.region, caller.service, request.operation, {}, code
            )
        )
        return error_response(caller.service, code, f"Not authorized: {reason}", 403)

    def _remember_session(self, request: AwsRequest, response: str) -> None:
        if (key := re.search(r"<AccessKeyId>(\w+)<", response)) and (role := request.parameters.get("RoleArn")):
            self.iam.sessions[key[1]] = self.iam.roles[role]


class _StateReader:
    """A `ResourceReader` of the emulator's state."""

    def __init__(self, gateway: IamGateway, caller: Caller) -> None:
        self._state = gateway._state
        self._services = gateway._services
        self._caller = caller

    def tags(self, arn: str) -> Mapping[str, str]:
        parts = arn.split(":")
        if len(parts) > 5 and parts[2] == "rds":
            try:
                return dict(tags_of(self._state.region(parts[4], parts[3]), arn))
            except RdsError:
                return {}
        if len(parts) > 5 and parts[2] == "secretsmanager":
            secret = self._describe("secretsmanager", "secretsmanager.DescribeSecret", {"SecretId": arn})
            return {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])}
        return {}

    def secret_arn(self, secret_id: str) -> str:
        own = f"arn:aws:secretsmanager:{self._caller.region}:{self._caller.account}:secret:{secret_id}-000000"
        secret = self._describe("secretsmanager", "secretsmanager.DescribeSecret", {"SecretId": secret_id})
        return str(secret.get("ARN", secret_id if secret_id.startswith("arn:") else own))

    def key_arn(self, key_id: str) -> str:
        own = f"arn:aws:kms:{self._caller.region}:{self._caller.account}:{key_id}"
        key = self._describe("kms", "TrentService.DescribeKey", {"KeyId": key_id})
        return str(key.get("KeyMetadata", {}).get("Arn", key_id if key_id.startswith("arn:") else own))

    def _describe(self, service: str, target: str, parameters: dict[str, str]) -> dict[str, Any]:
        """The service's response; empty if it refuses."""
        try:
            return self._services.call(Caller(self._caller.account, self._caller.region, service), target, parameters)
        except ServiceError:
            return {}


def _access_key(request: AwsRequest) -> str:
    credential = re.search(r"Credential=([^/,\s]+)/", request.environ.get("HTTP_AUTHORIZATION", ""))
    return credential[1] if credential else ""
