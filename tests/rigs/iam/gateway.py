"""The emulator with IAM at its door: a call by a role is carried out only if the role's policy allows it.

Owners, whose access key is their account number, may do anything, as in the rest of the emulator. Everybody else
comes with the credentials of a role, which the gate remembers from the AssumeRole that gave them.
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
from tests.rigs.iam.authorization import Call, UnknownCall, questions
from tests.rigs.iam.evaluation import Answer, Ask, Statement, decide

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from devstack.aws.requests import AwsRequest


@dataclass(frozen=True)
class Role:
    """A role as it was deployed: who may become it, and what it may do."""

    arn: str
    policy: tuple[Statement, ...]
    trust: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """Such as target, of the role aurora-restore-target and the file deploy/iam/target.json."""
        return self.arn.rpartition("aurora-restore-")[2]

    def trusts(self, principal: str, external_id: str | None) -> bool:
        """Whether this principal may become the role."""
        given = {"aws:PrincipalArn": (principal,), "sts:ExternalId": (external_id,) if external_id else ()}
        ask = Ask("sts:AssumeRole", self.arn, given)
        account = principal.split(":")[4]
        return any(
            each["Principal"].get("AWS") in (principal, f"arn:aws:iam::{account}:root")
            and Statement("", allows=True, body={**each, "Resource": "*"}).speaks_of(ask)
            for each in self.trust
        )


@dataclass(frozen=True)
class Asked:
    """One question that was put to a role's policy, and the answer."""

    role: str
    call: str
    ask: Ask
    answer: Answer

    def __str__(self) -> str:
        """As whoever has to extend a policy needs to read it."""
        why = f"its statement {self.answer.sid} denies it" if self.answer.sid else "no statement allows it"
        return (
            f"the role aurora-restore-{self.role} calls {self.call}, which needs {self.ask}, and {why}: see whether it "
            f"must, then extend deploy/iam/{self.role}.json and deploy/template.yaml"
        )


@dataclass
class Identities:
    """The roles of one emulator, the sessions that were given out, and what was asked of the policies."""

    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[str, Role] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def denied(self) -> list[Asked]:
        """The questions that were answered with no."""
        return [asked for asked in self.asked if not asked.answer.allowed]

    @property
    def allowed(self) -> set[tuple[str, str]]:
        """Every role's actions that were allowed."""
        return {(asked.role, asked.ask.action) for asked in self.asked if asked.answer.allowed}


@contextmanager
def guarding(identities: Identities) -> Iterator[None]:
    """Whatever emulator is made meanwhile has IAM at its door."""

    class Guarded(Gate):
        ids = identities

    with patch.object(devstack.aws.emulator, "Application", Guarded):
        yield


class Gate(Application):
    """The emulator's application, behind the policies."""

    ids: Identities

    def _call(self, request: AwsRequest) -> Response:
        role = self.ids.sessions.get(_access_key(request))
        if role is not None and (why := self._refusal(role, request)):
            return self._denied(request, why)
        response = super()._call(request)
        if request.operation == "AssumeRole":
            self._remember_session(request, response.get_data(as_text=True))
        return response

    def _refusal(self, role: Role, request: AwsRequest) -> str | None:
        call = self._seen(request)
        try:
            asks = questions(call)
        except UnknownCall as unknown:
            self.ids.unknown.append(f"aurora-restore-{role.name}: {unknown}")
            return str(unknown)
        asked = [Asked(role.name, call.action, ask, decide(role.policy, ask)) for ask in asks]
        self.ids.asked.extend(asked)
        no = next((str(each) for each in asked if not each.answer.allowed), None)
        return no or self._distrust(role, call)

    def _distrust(self, role: Role, call: Call) -> str | None:
        if call.action != "sts:AssumeRole":
            return None
        wanted = self.ids.roles.get(call.parameters["RoleArn"])
        if wanted is not None and wanted.trusts(role.arn, call.parameters.get("ExternalId")):
            return None
        return f"{call.parameters['RoleArn']} does not trust {role.arn} with this external id"

    def _seen(self, request: AwsRequest) -> Call:
        caller = request.caller
        looks = _Looks(self, caller)
        return Call(caller.service, request.operation, _parameters(request), caller.account, caller.region, looks)

    def _denied(self, request: AwsRequest, why: str) -> Response:
        caller = request.caller
        code = "AccessDeniedException" if caller.service in ("dynamodb", "secretsmanager", "kms") else "AccessDenied"
        self._calls.add(
            RecordedCall(
                self._state.clock.now(), caller.account, caller.region, caller.service, request.operation, {}, code
            )
        )
        return error_response(caller.service, code, f"Not authorized: {why}", 403)

    def _remember_session(self, request: AwsRequest, answer: str) -> None:
        if (key := re.search(r"<AccessKeyId>(\w+)<", answer)) and (role := request.parameters.get("RoleArn")):
            self.ids.sessions[key[1]] = self.ids.roles[role]


class _Looks:
    """The world at the moment of a call, seen without asking IAM."""

    def __init__(self, gate: Gate, caller: Caller) -> None:
        self._state = gate._state
        self._services = gate._services
        self._caller = caller

    def tags(self, arn: str) -> Mapping[str, str]:
        parts = arn.split(":")
        if len(parts) > 5 and parts[2] == "rds":
            try:
                return dict(tags_of(self._state.region(parts[4], parts[3]), arn))
            except RdsError:
                return {}
        if len(parts) > 5 and parts[2] == "secretsmanager":
            found = self._answer("secretsmanager", "secretsmanager.DescribeSecret", {"SecretId": arn})
            return {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        return {}

    def secret_arn(self, secret_id: str) -> str:
        own = f"arn:aws:secretsmanager:{self._caller.region}:{self._caller.account}:secret:{secret_id}-000000"
        found = self._answer("secretsmanager", "secretsmanager.DescribeSecret", {"SecretId": secret_id})
        return str(found.get("ARN", secret_id if secret_id.startswith("arn:") else own))

    def key_arn(self, key_id: str) -> str:
        own = f"arn:aws:kms:{self._caller.region}:{self._caller.account}:{key_id}"
        found = self._answer("kms", "TrentService.DescribeKey", {"KeyId": key_id})
        return str(found.get("KeyMetadata", {}).get("Arn", key_id if key_id.startswith("arn:") else own))

    def _answer(self, service: str, target: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            return self._services.call(Caller(self._caller.account, self._caller.region, service), target, parameters)
        except ServiceError:
            return {}


def _access_key(request: AwsRequest) -> str:
    found = re.search(r"Credential=([^/,\s]+)/", request.environ.get("HTTP_AUTHORIZATION", ""))
    return found[1] if found else ""
