"""The control endpoint `/_devstack/`: JSON, without authentication, on the emulator's own port.

It sets the clock, injects faults, lists the calls, and changes RDS resources in ways that only AWS itself can.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from devstack.aws.caller import Caller
from devstack.aws.fault_injection import FaultInjector
from devstack.aws.journal import Journal
from devstack.aws.rds import entrances, events, lookup, requests
from devstack.aws.rds.attachments import add_blue_green_deployment
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.groups import add_default_groups
from devstack.aws.rds.resources import Cluster, Instance, Snapshot
from devstack.aws.rds.snapshots import take_automated_snapshot
from devstack.aws.rds.state import Call, RdsState, Region
from devstack.aws.rds.tagging import tags_of
from devstack.aws.requests import AwsRequest

Body = dict[str, Any]


class Control:
    """The routes of the control endpoint, by method and path."""

    def __init__(self, state: RdsState, faults: FaultInjector, calls: Journal) -> None:
        """The parts of the emulator that the endpoint controls."""
        self._state = state
        self._faults = faults
        self._calls = calls
        self._routes: dict[str, Callable[[Body], Any]] = {
            "GET /_devstack/health": lambda _: {"status": "ok"},
            "GET /_devstack/clock": lambda _: self._clock(),
            "POST /_devstack/clock": self._set_clock,
            "GET /_devstack/faults": lambda _: [fault.as_json() for fault in self._faults],
            "POST /_devstack/faults": lambda body: self._faults.add(**body).as_json(),
            "DELETE /_devstack/faults": lambda _: self._faults.clear(),
            "GET /_devstack/calls": lambda _: [call.as_json() for call in self._calls],
            "DELETE /_devstack/calls": lambda _: self._calls.clear(),
            "POST /_devstack/rds/automated-snapshot": self._take_automated_snapshot,
            "POST /_devstack/rds/blue-green-deployment": self._add_blue_green_deployment,
            "POST /_devstack/rds/quotas": self._set_quotas,
            "POST /_devstack/rds/snapshot-status": self._force_status,
            "POST /_devstack/rds/status": self._force_status,
            "POST /_devstack/rds/tags": self._add_reserved_tags,
            "POST /_devstack/rds/unreachable": self._set_unreachable,
        }

    def respond(self, request: AwsRequest) -> Response:
        """Carry out one control request; the response to an invalid one has status 400 and names the error."""
        route = f"{request.environ['REQUEST_METHOD']} {request.environ['PATH_INFO']}"
        if route not in self._routes:
            return _json({"error": f"unknown route {route}; the routes are: {', '.join(self._routes)}"}, 404)
        try:
            body = json.loads(request.body or b"{}")
            with self._state.lock:
                self._state.apply_due_transitions()
                return _json(self._routes[route](body), 200)
        except (KeyError, TypeError, ValueError, RdsError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    def _clock(self) -> Body:
        return {"now": self._state.clock.now().isoformat(), "frozen": self._state.clock.frozen}

    def _set_clock(self, body: Body) -> Body:
        now = datetime.fromisoformat(body["now"])
        if body.get("frozen", False):
            self._state.clock.freeze(now)
        else:
            self._state.clock.set(now)
        self._state.apply_due_transitions()
        return self._clock()

    def _take_automated_snapshot(self, body: Body) -> Body:
        caller = Caller(body["account"], body["region"], "rds")
        call = Call("CreateDBClusterSnapshot", {}, caller, self._state)
        add_default_groups(call.region)
        snapshot = take_automated_snapshot(call, lookup.find_cluster(call.region, body["cluster"]))
        return {"identifier": snapshot.identifier, "arn": snapshot.arn}

    def _add_blue_green_deployment(self, body: Body) -> Body:
        region = self._region_of(body["arn"])
        call = Call("", {}, Caller(region.account, region.name, "rds"), self._state)
        added = add_blue_green_deployment(call, lookup.find_cluster(region, body["arn"]), body["name"])
        return {"identifier": added["BlueGreenDeploymentIdentifier"]}

    def _set_quotas(self, body: Body) -> Body:
        for name, limit in body.items():
            if name not in vars(self._state.quotas):
                raise ValueError(f"unknown quota {name}; the quotas are: {', '.join(vars(self._state.quotas))}")
            setattr(self._state.quotas, name, int(limit))
        return vars(self._state.quotas)

    def _force_status(self, body: Body) -> Body:
        resource = self._resource(body["arn"])
        self._state.cancel(resource)
        resource.status = body["status"]
        if "event" in body:
            events.record(self._state, resource, self._state.clock.now(), body["event"], "failure")
        return {"arn": resource.arn, "status": resource.status}

    def _add_reserved_tags(self, body: Body) -> Body:
        tags = tags_of(self._region_of(body["arn"]), body["arn"])
        tags.update(body["tags"])
        return dict(tags)

    def _set_unreachable(self, body: Body) -> Body:
        cluster = lookup.find_cluster(self._region_of(body["arn"]), body["arn"])
        if body.get("unreachable", True):
            entrances.make_unreachable(self._state, cluster)
        else:
            entrances.make_reachable(cluster)
        return {"arn": cluster.arn, "unreachable": cluster.silent_port is not None}

    def _region_of(self, arn: str) -> Region:
        parts = requests.arn(arn)
        if parts is None:
            raise ValueError(f"{arn} is not the ARN of an RDS resource")
        return self._state.region(parts.account, parts.region)

    def _resource(self, arn: str) -> Cluster | Instance | Snapshot:
        region = self._region_of(arn)
        kind = arn.split(":")[5]
        if kind == "cluster":
            return lookup.find_cluster(region, arn)
        if kind == "db":
            return lookup.find_instance(region, arn)
        return lookup.find_snapshot(region, arn)


def _json(value: Any, status: int) -> Response:
    return Response(json.dumps(value, indent=2) + "\n", status, content_type="application/json")
