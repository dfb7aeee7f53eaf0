"""What an SQS message says of RDS: of which resource an event is, and nothing more.

Two shapes arrive. EventBridge sends its own ("RDS DB Cluster Event" and others), with the resource in `detail.SourceArn`. An
event subscription of RDS publishes to SNS, with the resource in `Source ARN`; SNS puts that text into an envelope, unless the
subscription of the queue has raw message delivery.
Source: Aurora User Guide, "Monitoring Amazon Aurora events" and "Working with Amazon RDS event notification"; Amazon SNS
Developer Guide, "Amazon SNS message and JSON formats" and "raw message delivery".
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

LONGEST_BODY = 65_536
"""Characters that are read. An event of RDS has one or two thousand; SQS takes many more."""
_ARN = re.compile(
    r"arn:aws[a-z-]*:rds:(?P<region>[a-z0-9-]{1,30}):(?P<account>[0-9]{12}):(?P<kind>[a-z-]{1,40}):(?P<name>[A-Za-z0-9:._-]{1,255})"
)
_SOURCE = "aws.rds"


class RdsResource(NamedTuple):
    """The resource that an event is about."""

    account_id: str
    region: str
    kind: str
    """As in ARNs: cluster, db, cluster-snapshot and others."""
    name: str


def find_resource(body: str) -> RdsResource | None:
    """The resource of the RDS event in an SQS message; None if the message is anything else.

    The first message of an event subscription is no event: it says in words that events will follow.
    """
    message = _read_object(body) if len(body) <= LONGEST_BODY else None
    if message is not None and message.get("Type") == "Notification":
        message = _read_object(message.get("Message"))
    arn = _find_arn(message) if message is not None else None
    form = _ARN.fullmatch(arn) if isinstance(arn, str) else None
    return RdsResource(form["account"], form["region"], form["kind"], form["name"].lower()) if form else None


def _find_arn(message: dict[str, Any]) -> Any:
    if message.get("source") == _SOURCE:
        detail = message.get("detail")
        return detail.get("SourceArn") if isinstance(detail, dict) else None
    return message.get("Source ARN")


def _read_object(text: Any) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
