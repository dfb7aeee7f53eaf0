"""AWS without a socket: botocore's requests go straight into the emulator's application, a few per millisecond.

A world is one `RdsState` of the emulator, made for one example and dropped with it. Every changing call is witnessed:
what it was about to touch is kept as it was in that instant, so that the promises can be checked from outside.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from devstack.aws import Durations, NoDatabases, sockets
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
from tests.properties.no_harm.in_process_services import ServicesAtHand
from tests.rigs.crash_injector import WorkerCrash

CHANGING = ("Add", "Copy", "Create", "Delete", "Failover", "Modify", "Reboot", "Remove", "Restore", "Start", "Stop")
LASTING = ("OK", "reset-after")
"""Outcomes in the journal of calls that took effect."""
TAKES = Durations(
    snapshot=30,
    copy=30,
    cluster_create=30,
    cluster_restore=30,
    cluster_modify=30,
    cluster_delete=30,
    instance_create=30,
    instance_delete=30,
    instance_modify=30,
    master_password=30,
)
"""Seconds; a night looks once a minute."""


@dataclass(frozen=True)
class Effect:
    """A call that changed something, and how what it changed was in the instant before."""

    operation: str
    account: str
    region: str
    parameters: dict[str, Any]
    cluster: Cluster | None
    """The one that is changed, or whose instance is."""
    snapshot: Snapshot | None
    """The one that is deleted or tagged."""
    snapshots: dict[str, Snapshot]
    """All that the caller had there."""
    clusters: dict[str, str]
    """The names of all clusters there, by their resource ids."""
    step: str
    """The step that did it."""
    declared: frozenset[str]
    """The steps whose intent the trail held."""
    made: str | None = None
    """The resource id of the cluster that a restore made."""

    def __str__(self) -> str:
        """As a line for whoever reads a broken promise."""
        names = {name: value for name, value in self.parameters.items() if name.endswith(("Identifier", "Name"))}
        return f"{self.step}: {self.operation} {names} in {self.account} {self.region}"


class AwsAtHand:
    """Where botocore's requests go while a world is played."""

    def __init__(self) -> None:
        """No world yet."""
        self.services = ServicesAtHand()
        self.begin(datetime.fromisoformat("2024-03-20T22:00:00+00:00"))

    def begin(self, now: datetime, visibility_lag: float = 0) -> None:
        """A fresh world whose clock stands still."""
        self.clock = Clock()
        self.clock.freeze(now)
        self.faults, self.journal = FaultInjector(), Journal()
        takes = replace(TAKES, visibility_lag=visibility_lag)
        self.state = RdsState(dict.fromkeys(ENGINES, NoDatabases()), self.services, self.clock, takes)
        self.application = Application(self.state, self.services, self.faults, self.journal)
        self.effects: list[Effect] = []
        self.step = ""
        self.declared: set[str] = set()
        self.impostor = Impostor()
        self.calls = 0
        self.deaths: frozenset[int] = frozenset()

    def end(self) -> None:
        """Give back what the world took."""
        self.state.close()

    def send(self, prepared: Any) -> AWSResponse:
        """Answer one of botocore's requests; in place of `URLLib3Session.send`."""
        request = AwsRequest.read(self._environ(prepared))
        witness = self._witness(request)
        try:
            response: AWSResponse = self._answer(prepared, request)
        finally:
            if witness and next(reversed(list(self.journal))).outcome in LASTING:
                self.effects.append(self._with_result(witness))
        self.calls += 1
        if self.calls in self.deaths:
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
            "HTTP_AUTHORIZATION": self.impostor.sign(headers.get("authorization", ""), body),
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
        fields: Any = HeadersDict(headers)  # as botocore has them, whatever its stubs say
        response: Any = AWSResponse(prepared.url, int(status.split()[0]), fields, None)
        response._content = body  # there is no raw stream to read it from
        return response

    def _run(self, request: AwsRequest, started: list[Any]) -> Iterable[bytes]:
        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            started.extend((status, headers))

        return self.application({**request.environ, "wsgi.input": io.BytesIO(request.body)}, start_response)

    # Witnessing

    def _witness(self, request: AwsRequest) -> Effect | None:
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
            cluster=_photograph(_cluster_of(region, parameters)),
            snapshot=_photograph(_snapshot_of(region, parameters)),
            snapshots={name: replace(each, tags=dict(each.tags)) for name, each in region.snapshots.items()},
            clusters={each.resource_id: each.identifier for each in region.clusters.values()},
            step=self.step,
            declared=frozenset(self.declared),
        )

    def _with_result(self, effect: Effect) -> Effect:
        if effect.operation != "RestoreDBClusterFromSnapshot":
            return effect
        region = self.state.region(effect.account, effect.region)
        return replace(effect, made=region.clusters[effect.parameters["DBClusterIdentifier"]].resource_id)


class Impostor:
    """Makes calls arrive as another account's: a worker with the wrong credentials, or with ones that change."""

    def __init__(self) -> None:
        """Everybody is who they are."""
        self.account: str | None = None
        self.services: frozenset[str] | None = None
        """Whose calls are made as the other account; None means all."""
        self.waits_for_identity = False
        """The credentials change with the next question who one is."""

    def sign(self, authorization: str, body: bytes) -> str:
        """The authorization with which the call arrives."""
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


def _cluster_of(region: Region, parameters: dict[str, Any]) -> Cluster | None:
    try:
        if "DBInstanceIdentifier" in parameters and "DBClusterIdentifier" not in parameters:
            return lookup.find_instance(region, parameters["DBInstanceIdentifier"]).cluster
        arn = requests.arn(parameters.get("ResourceName", ""))
        if arn and arn.kind == "db":
            return lookup.find_instance(region, parameters["ResourceName"]).cluster
        return lookup.find_cluster(region, parameters.get("DBClusterIdentifier") or parameters.get("ResourceName", ""))
    except RdsError:
        return None


def _snapshot_of(region: Region, parameters: dict[str, Any]) -> Snapshot | None:
    try:
        return lookup.find_snapshot(
            region, parameters.get("DBClusterSnapshotIdentifier") or parameters.get("ResourceName", "")
        )
    except RdsError:
        return None


def _photograph(resource: Any) -> Any:
    return replace(resource, tags=dict(resource.tags)) if resource else None


def put_in_place(patch: pytest.MonkeyPatch) -> AwsAtHand:
    """Let every client of this process speak to the AWS at hand, without waiting and without a budget of retries."""
    at_hand = AwsAtHand()
    # Were the patch lost, no request could leave this machine.
    patch.setenv("AWS_ENDPOINT_URL", "http://aws-at-hand.invalid")
    patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setattr(URLLib3Session, "send", lambda _, request: at_hand.send(request))
    patch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    # The budget is the client's, which lives through all worlds: one world's faults must not be felt in the next.
    patch.setattr(RetryQuota, "acquire", lambda self, amount: True)
    patch.setattr(sockets, "reset", lambda connection: None)
    return at_hand
