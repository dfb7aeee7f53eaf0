"""CreateEventSubscription: RDS publishes its events to an SNS topic, which may have an SQS queue as a subscriber.

Sources: RDS API Reference, CreateEventSubscription; Aurora User Guide, "Working with Amazon RDS event notification" and "Amazon
RDS event notification tags and attributes" (the message attributes); AWS Lambda Developer Guide, "Using AWS Lambda with Amazon
RDS" (the message, and the text that comes first). The page of a cluster snapshot in the console is not documented.
"""

from __future__ import annotations

import json
from typing import Any

from devstack.aws import event_rules
from devstack.aws.caller import Caller
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Event, EventSubscription
from devstack.aws.rds.state import Call, Region
from devstack.aws.services import OtherServices, ServiceError

_CONSOLE_PAGES = {"db-cluster": "dbclusters", "db-instance": "dbinstance", "db-cluster-snapshot": "snapshot"}
"""By source type; the emulator has no events of others."""
_EVENTS_PAGE = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html"


@serves("CreateEventSubscription", models="SubscriptionName SnsTopicArn SourceType EventCategories Enabled")
def create_event_subscription(call: Call) -> dict[str, Any]:
    """Subscribe a topic of the account and region to the events of one source type; the first message is a text."""
    name, topic = call.parameters["SubscriptionName"], call.parameters["SnsTopicArn"]
    source_type = call.parameters.get("SourceType")
    if source_type not in _CONSOLE_PAGES:
        raise RdsError(
            "InvalidParameterValue", f"The emulator models SourceType as one of {', '.join(_CONSOLE_PAGES)}."
        )
    if name in call.region.event_subscriptions:
        raise RdsError("SubscriptionAlreadyExist", f"Subscription Already Exists: {name}")
    subscription = EventSubscription(
        topic, source_type, tuple(call.parameters.get("EventCategories", ())), call.parameters.get("Enabled", True)
    )
    what = f"event notifications of type {source_type} to the topic {topic}"
    text = f"This is a message to notify that RDS will attempt to send you {what}"
    try:
        _publish(call.state.services, call.region, topic, text, {})
    except ServiceError as error:
        raise RdsError("SNSTopicArnNotFound", f"SNS topic arn not found: {topic}") from error
    call.region.event_subscriptions[name] = subscription
    shown = {
        "CustomerAwsId": call.region.account,
        "CustSubscriptionId": name,
        "SnsTopicArn": topic,
        "Status": "creating",
        "SubscriptionCreationTime": f"{call.now:%a %b %d %H:%M:%S UTC %Y}",
        "SourceType": source_type,
        "EventCategoriesList": list(subscription.categories),
        "Enabled": subscription.enabled,
        "EventSubscriptionArn": call.region.arn("es", name),
    }
    return {"EventSubscription": shown}


def deliver(services: OtherServices, region: Region, event: Event) -> None:
    """Publish an event to the topics that are subscribed to it; one that is gone gets nothing."""
    for subscription in region.event_subscriptions.values():
        if not subscription.wants(event):
            continue
        event_id = event_rules.find_event_id(event)
        attributes = {"EventID": event_id, "Resource": event.source_arn}
        try:
            _publish(services, region, subscription.topic_arn, _message(region, event, event_id), attributes)
        except ServiceError as error:
            if error.code != "NotFound":
                raise


def _message(region: Region, event: Event, event_id: str | None) -> str:
    page = f"{_CONSOLE_PAGES[event.source_type]}:id={event.source_identifier}"
    message = {
        "Event Source": event.source_type,
        "Event Time": f"{event.date:%Y-%m-%d %H:%M:%S}.{event.date.microsecond // 1000:03}",
        "Identifier Link": f"https://console.aws.amazon.com/rds/home?region={region.name}#{page}",
        "Source ID": event.source_identifier,
        "Source ARN": event.source_arn,
        "Event ID": f"{_EVENTS_PAGE}#{event_id}",
        "Event Message": event.message,
    }
    return json.dumps(message)


def _publish(
    services: OtherServices, region: Region, topic: str, message: str, attributes: dict[str, str | None]
) -> None:
    parameters = {"TopicArn": topic, "Subject": "RDS Notification Message", "Message": message}
    for number, (name, value) in enumerate(attributes.items(), start=1):
        if value is not None:
            prefix = f"MessageAttributes.entry.{number}"
            parameters |= {f"{prefix}.Name": name, f"{prefix}.Value.DataType": "String"}
            parameters[f"{prefix}.Value.StringValue"] = value
    services.query(Caller(region.account, region.name, "sns"), "Publish", parameters)
