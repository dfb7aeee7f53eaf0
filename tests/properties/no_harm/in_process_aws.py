"""AWS without a socket: botocore's requests go straight into the emulator's application, a few per millisecond.

Each scenario has an emulator state of its own. Every call that changes RDS is recorded together with the state in the
instant before, so that the invariants are checked from outside the pipeline.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from devstack.aws import NoDatabases, sockets
from devstack.aws.application import Application
from devstack.aws.clock import Clock
from devstack.aws.fault_injection import FaultInjector
from devstack.aws.journal import Journal
from devstack.aws.rds import lookup, requests
from devstack.aws.rds.engine_versions import ENGINES
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.protocol import parse
from devstack.aws.rds.resources import Cluster, Snapshot
from devstack.aws.rds.state import RdsState, Region
from devstack.aws.requests import AwsRequest
from tests.properties.no_harm.in_process_services import InProcessServices
from tests.rigs.crash_injector import WorkerCrash
from tests.rigs.durations import NO_HARM

CHANGING = ("Add", "Copy", "Create", "Delete", "Failover", "Modify", "Reboot", "Remove", "Restore", "Start", "Stop")


@dataclass(frozen=True)
class Effect:
    """A call that changed something, and the state of what it changed in the instant before."""

    operation: str
    account: str
    region: str
    parameters: dict[str, Any]
    cluster: Cluster | None
    """The cluster that the call changes, or whose instance it changes."""
    snapshot: Snapshot | None
    """The snapshot that the call deletes or tags."""
    snapshots: dict[str, Snapshot]
    """All snapshots of the caller's account and region, by name."""
    clusters: dict[str, str]
    """The names of all clusters there, by their resource ids."""
    step: str
    """The step that made the call."""
    declared: frozenset[str]
    """The steps whose intent the trail held."""
    restored_id: str | None = None
    """The resource id of the cluster that a RestoreDBClusterFromSnapshot created."""

    def __str__(self) -> str:
        """One line for the report of a broken invariant."""
        names = {name: value for name, value in self.parameters.items() if name.endswith(("Identifier", "Name"))}
        return f"{self.step}: {self.operation} {names} in {self.account} {self.region}"


class InProcessAws:
    """Answers botocore's requests while a scenario runs."""

    def __init__(self) -> None:
        """With an empty state."""
        self.services = InProcessServices()
        self.begin(datetime.fromisoformat("2024-03-20T22:00:00+00:00"))

    def begin(self, now: datetime, visibility_lag: float = 0) -> None:
        """Start a scenario with an empty state, whose clock shows `now` until a test advances it."""
        self.clock = Clock()
        self.clock.freeze(now)
        self.faults, self.journal = FaultInjector(), Journal()
        durations = replace(NO_HARM, visibility_lag=visibility_lag)
        self.state = RdsState(dict.fromkeys(ENGINES, NoDatabases()), self.services, self.clock, durations)
        self.application = Application(self.state, self.services, self.faults, self.journal)
        self.effects: list[Effect] = []
        self.step = ""
        self.declared: set[str] = set()
        self.wrong_credentials = WrongCredentials()
        self.calls = 0
        self.crashes: frozenset[int] = frozenset()

    def end(self) -> None:
        """Release the resources of the scenario's state."""
        self.state.close()

    def send(self, prepared: Any) -> AWSResponse:
        """Answer one of botocore's requests; replaces `URLLib3Session.send`. Raises `WorkerCrash` if the worker dies after it."""
        request = AwsRequest.read(self._environ(prepared))
        effect = self._expected_effect(request)
        try:
            response: AWSResponse = self._answer(prepared, request)
        finally:
            if effect and next(reversed(list(self.journal))).carried_out:
                self.effects.append(self._with_result(effect))
        self.calls += 1
        if self.calls in self.crashes:
            raise WorkerCrash
        return response

    def _environ(self, prepared: Any) -> dict[str, Any]:
        url = urlsplit(prepared.url)
        body = prepared.body or b""
        body = body.encode() if isinstance(body, str) else body
        headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
        return {
            "REQUEST_METHOD": prepared.method,
            "PATH_INFO": url.path or "/",
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": self.wrong_credentials.replace_in(headers.get("authorization", ""), body),
            "HTTP_X_AMZ_TARGET": headers.get("x-amz-target", ""),
            "wsgi.input": io.BytesIO(body),
            "werkzeug.socket": None,
        }

    def _answer(self, prepared: Any, request: AwsRequest) -> Any:
        started: list[Any] = []
        try:
            body = b"".join(self._run(request, started))
        except ConnectionResetError as error:
            raise ConnectionClosedError(endpoint_url=prepared.url, request=prepared) from error
        status, headers = started
        fields: Any = HeadersDict(headers)  # botocore's stubs name another type
        response: Any = AWSResponse(prepared.url, int(status.split()[0]), fields, None)
        response._content = body  # there is no raw stream to read it from
        return response

    def _run(self, request: AwsRequest, started: list[Any]) -> Iterable[bytes]:
        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            started.extend((status, headers))

        return self.application({**request.environ, "wsgi.input": io.BytesIO(request.body)}, start_response)

    # The record of effects

    def _expected_effect(self, request: AwsRequest) -> Effect | None:
        """What the call would change, with the state before it; None for a call that only reads."""
        caller = request.caller
        if caller.service != "rds" or not request.operation.startswith(CHANGING):
            return None
        self.state.apply_due_transitions()
        region = self.state.region(caller.account, caller.region)
        parameters = parse(request.operation, request.form)
        return Effect(
            operation=request.operation,
            account=caller.account,
            region=caller.region,
            parameters=parameters,
            cluster=_copy_of_state(_find_cluster(region, parameters)),
            snapshot=_copy_of_state(_find_snapshot(region, parameters)),
            snapshots={name: _copy_of_state(snapshot) for name, snapshot in region.snapshots.items()},
            clusters={cluster.resource_id: cluster.identifier for cluster in region.clusters.values()},
            step=self.step,
            declared=frozenset(self.declared),
        )

    def _with_result(self, effect: Effect) -> Effect:
        if effect.operation != "RestoreDBClusterFromSnapshot":
            return effect
        region = self.state.region(effect.account, effect.region)
        return replace(effect, restored_id=region.clusters[effect.parameters["DBClusterIdentifier"]].resource_id)


class WrongCredentials:
    """Lets calls arrive with another account's credentials, always or from a certain call on."""

    def __init__(self) -> None:
        """Every call arrives with its own credentials."""
        self.account: str | None = None
        self.services: frozenset[str] | None = None
        """The services whose calls arrive as the other account's; None means all."""
        self.waits_for_identity = False
        """The credentials change with the next GetCallerIdentity."""

    def replace_in(self, authorization: str, body: bytes) -> str:
        """The authorization header with which the call arrives."""
        if b"Action=GetCallerIdentity" in body:
            self.waits_for_identity = False
        if self.account is None or self.waits_for_identity:
            return authorization
        key, slash, scope = authorization.partition("Credential=")[2].partition("/")
        service = scope.split("/")[2] if slash else ""
        if self.services is not None and service not in self.services:
            return authorization
        return authorization.replace(f"Credential={key}/", f"Credential={self.account}/")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _find_cluster(region: Region, parameters: dict[str, Any]) -> Cluster | None:
    try:
        if "DBInstanceIdentifier" in parameters and "DBClusterIdentifier" not in parameters:
            return lookup.find_instance(region, parameters["DBInstanceIdentifier"]).cluster
        arn = requests.arn(parameters.get("ResourceName", ""))
        if arn and arn.kind == "db":
            return lookup.find_instance(region, parameters["ResourceName"]).cluster
        return lookup.find_cluster(region, parameters.get("DBClusterIdentifier") or parameters.get("ResourceName", ""))
    except RdsError:
        return None


def _find_snapshot(region: Region, parameters: dict[str, Any]) -> Snapshot | None:
    try:
        return lookup.find_snapshot(
            region, parameters.get("DBClusterSnapshotIdentifier") or parameters.get("ResourceName", "")
        )
    except RdsError:
        return None


def _copy_of_state(resource: Any) -> Any:
    return replace(resource, tags=dict(resource.tags)) if resource else None


def _name_caller(auth: Any, request: AWSRequest) -> None:
    """As `SigV4Auth.add_auth`, whose attributes botocore's stubs lack, but without a signature."""
    scope = f"20240320/{auth._region_name}/{auth._service_name}/aws4_request"
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={auth.credentials.access_key}/{scope}"


def install_in_process_aws(patch: pytest.MonkeyPatch) -> InProcessAws:
    """Send every botocore request of this process to a new `InProcessAws`, without backoff and without a retry quota."""
    aws = InProcessAws()
    # If the patch were lost, no request could leave this machine.
    patch.setenv("AWS_ENDPOINT_URL", "http://in-process-aws.invalid")
    patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setattr(URLLib3Session, "send", lambda _, request: aws.send(request))
    patch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    # The quota belongs to the client, which all scenarios share: the faults of one must not affect the next.
    patch.setattr(RetryQuota, "acquire", lambda self, amount: True)
    patch.setattr(sockets, "reset", lambda connection: None)
    # The emulator reads who calls and where; it verifies no signature, which takes a tenth of a scenario.
    patch.setattr(SigV4Auth, "add_auth", _name_caller)
    return aws
