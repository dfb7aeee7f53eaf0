"""EventBridge, as far as the events of RDS need it: rules on the default bus whose targets are SQS queues.

Moto keeps rules and queues and matches patterns. What RDS sends is written here, because moto adds members of its own to an
event. Everything else of EventBridge is refused by name.
Sources: EventBridge API Reference, PutRule and PutTargets; Aurora User Guide, "Monitoring Amazon Aurora events" (the members of
an event) and "Amazon RDS event categories and event messages for Aurora" (the ids).
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response

from devstack.aws.caller import Caller
from devstack.aws.error_responses import error_response
from devstack.aws.rds.resources import Event
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices, ServiceError

SERVICE = "events"
_MODELLED = {
    "PutRule": {"Name", "EventPattern", "State", "Description"},
    "PutTargets": {"Rule", "Targets"},
    "RemoveTargets": {"Rule", "Ids"},
    "DeleteRule": {"Name"},
}
"""The operations, each with the members of its input."""
_OF_A_TARGET = {"Id", "Arn"}
_DETAIL_TYPES = {
    "db-cluster": ("RDS DB Cluster Event", "CLUSTER"),
    "db-instance": ("RDS DB Instance Event", "DB_INSTANCE"),
    "db-cluster-snapshot": ("RDS DB Cluster Snapshot Event", "CLUSTER_SNAPSHOT"),
}
"""By the source type of DescribeEvents: what EventBridge calls it."""
_EVENT_IDS = {
    "DB instance deleted": "RDS-EVENT-0003",
    "DB instance shutdown": "RDS-EVENT-0004",
    "DB instance created": "RDS-EVENT-0005",
    "DB instance restarted": "RDS-EVENT-0006",
    "Reset master credentials": "RDS-EVENT-0016",
    "Completed failover": "RDS-EVENT-0071",
    "Started same AZ failover": "RDS-EVENT-0072",
    "Started cross AZ failover": "RDS-EVENT-0073",
    "Creating manual cluster snapshot": "RDS-EVENT-0074",
    "Manual cluster snapshot created": "RDS-EVENT-0075",
    "DB cluster stopped": "RDS-EVENT-0150",
    "DB cluster started": "RDS-EVENT-0151",
    "Creating automated cluster snapshot": "RDS-EVENT-0168",
    "Automated cluster snapshot created": "RDS-EVENT-0169",
    "DB cluster created": "RDS-EVENT-0170",
    "DB cluster deleted": "RDS-EVENT-0171",
    "Renamed DB cluster": "RDS-EVENT-0172",
}
"""By how the message begins."""


def refuse(request: AwsRequest) -> Response | None:
    """The error response to a call of EventBridge that is not modelled; None for one that is."""
    reason = next(_reasons(request.caller, request.operation, request.parameters), None)
    if reason is None:
        return None
    return error_response(
        SERVICE, "ValidationException", f"The emulator does not model {reason}.", HTTPStatus.BAD_REQUEST
    )


def _reasons(caller: Caller, operation: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    if operation not in _MODELLED:
        yield operation
        return
    if unknown := sorted(parameters.keys() - _MODELLED[operation]):
        yield f"{', '.join(unknown)} of {operation}"
    for target in parameters.get("Targets", []):
        if unknown := sorted(target.keys() - _OF_A_TARGET):
            yield f"{', '.join(unknown)} of a target"
        if not str(target.get("Arn")).startswith(f"arn:aws:sqs:{caller.region}:{caller.account}:"):
            yield f"the target {target.get('Arn')}: only a queue of the rule's own account and region"


def deliver(services: OtherServices, account: str, region: str, event: Event) -> None:
    """Send an event of RDS to the queues of the rules that match it, at once and in order.

    The policy of a queue is not evaluated; a queue that does not exist gets nothing, as after EventBridge's own retries.
    """
    rules = _rules(account, region)
    if not rules:
        return
    body = _event(account, region, event)
    for rule in rules:
        if rule.state != "ENABLED" or not rule.event_pattern.matches_event(body):
            continue
        for target in rule.targets:
            _send(services, account, region, target["Arn"].rpartition(":")[2], json.dumps(body))


def _rules(account: str, region: str) -> list[Any]:
    """The rules on the default bus; importing moto's EventBridge for nothing would slow down every start."""
    if "moto.events.models" not in sys.modules:
        return []
    from moto.events.models import events_backends

    return list(events_backends[account][region].event_buses["default"].rules.values())


def find_event_id(event: Event) -> str | None:
    """The id that AWS documents for the message; None for one that the control endpoint made up."""
    return next((each for text, each in _EVENT_IDS.items() if event.message.startswith(text)), None)


def _event(account: str, region: str, event: Event) -> dict[str, Any]:
    detail_type, source_type = _DETAIL_TYPES[event.source_type]
    event_id = find_event_id(event)
    date = event.date.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": account,
        "time": f"{event.date:%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [event.source_arn],
        "detail": {
            "EventCategories": list(event.categories),
            "SourceType": source_type,
            "SourceArn": event.source_arn,
            "Date": date,
            "Message": event.message,
            "SourceIdentifier": event.source_identifier,
            **({"EventID": event_id} if event_id else {}),
        },
    }


def _send(services: OtherServices, account: str, region: str, queue: str, body: str) -> None:
    caller = Caller(account, region, "sqs")
    url = f"https://sqs.{region}.amazonaws.com/{account}/{queue}"
    try:
        services.call(caller, "AmazonSQS.SendMessage", {"QueueUrl": url, "MessageBody": body})
    except ServiceError as error:
        if not error.code.endswith("#QueueDoesNotExist"):
            raise
