"""What is read of the messages in a queue of events.

The messages have the shapes of AWS's documents, with other names: Aurora User Guide, "Monitoring Amazon Aurora events"; the
text that an event subscription publishes, with SNS's envelope from the SNS Developer Guide.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from events.messages import LONGEST_BODY, RdsResource, find_resource

ACCOUNT, REGION = "444455556666", "eu-central-1"


def arn(kind: str, name: str) -> str:
    return f"arn:aws:rds:{REGION}:{ACCOUNT}:{kind}:{name}"


def eventbridge(detail_type: str, source_type: str, source_arn: str, message: str, event_id: str, **more: Any) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": "844e2571-85d4-695f-b930-0153b71dcb42",
            "detail-type": detail_type,
            "source": "aws.rds",
            "account": ACCOUNT,
            "time": "2026-10-06T12:26:13Z",
            "region": REGION,
            "resources": [source_arn],
            "detail": {
                "EventCategories": ["notification"],
                "SourceType": source_type,
                "SourceArn": source_arn,
                "Date": "2026-10-06T12:26:13.882Z",
                "Message": message,
                "SourceIdentifier": source_arn.split(":", 6)[6],
                "EventID": event_id,
                **more,
            },
        }
    )


CLUSTER = eventbridge(
    "RDS DB Cluster Event", "CLUSTER", arn("cluster", "staging"), "DB cluster deleted", "RDS-EVENT-0171"
)
SUBSCRIPTION = json.dumps(
    {
        "Event Source": "db-cluster",
        "Event Time": "2026-05-12 18:06:48.701",
        "Identifier Link": f"https://console.aws.amazon.com/rds/home?region={REGION}#dbclusters:id=staging",
        "Source ID": "staging",
        "Source ARN": arn("cluster", "staging"),
        "Event ID": "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0170",
        "Event Message": "DB cluster created",
    }
)


def envelope(message: Any, kind: str = "Notification") -> str:
    return json.dumps(
        {
            "Type": kind,
            "MessageId": "14ea38d1-e74e-5b95-a8e3-61c0cd4df432",
            "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:rds-events",
            "Subject": "RDS Notification Message",
            "Message": message,
            "Timestamp": "2026-05-09T00:07:31.373Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertURL": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-0000.pem",
            "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe",
        }
    )


STAGING = RdsResource(ACCOUNT, REGION, "cluster", "staging")
INSTANCE = eventbridge(
    "RDS DB Instance Event", "DB_INSTANCE", arn("db", "Staging-1"), "DB instance created", "RDS-EVENT-0005"
)
SNAPSHOT = eventbridge(
    "RDS DB Cluster Snapshot Event",
    "CLUSTER_SNAPSHOT",
    arn("cluster-snapshot", "rds:staging-2026-10-06-12-24"),
    "Automated cluster snapshot created",
    "RDS-EVENT-0169",
)
TAGGED = eventbridge(
    "RDS DB Cluster Event", "CLUSTER", arn("cluster", "staging"), "x", "RDS-EVENT-0170", Tags={"team": "orders"}
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(CLUSTER, STAGING, id="EventBridge, cluster"),
        pytest.param(TAGGED, STAGING, id="EventBridge, with tags"),
        pytest.param(INSTANCE, RdsResource(ACCOUNT, REGION, "db", "staging-1"), id="EventBridge, instance"),
        pytest.param(
            SNAPSHOT,
            RdsResource(ACCOUNT, REGION, "cluster-snapshot", "rds:staging-2026-10-06-12-24"),
            id="EventBridge, snapshot",
        ),
        pytest.param(SUBSCRIPTION, STAGING, id="event subscription, raw"),
        pytest.param(envelope(SUBSCRIPTION), STAGING, id="event subscription, in SNS's envelope"),
        pytest.param(envelope(CLUSTER), STAGING, id="EventBridge by way of SNS"),
        pytest.param(
            CLUSTER.replace("arn:aws:", "arn:aws-cn:").replace(REGION, "cn-north-1"),
            RdsResource(ACCOUNT, "cn-north-1", "cluster", "staging"),
            id="another partition",
        ),
    ],
)
def test_the_resource_of_an_event(body: str, expected: RdsResource) -> None:
    """Account, region, kind and name, whichever way the event came."""
    assert find_resource(body) == expected


FIRST_MESSAGE = (
    "This is a message to notify that RDS will attempt to send you event notifications of type db-cluster to the topic "
    f"arn:aws:sns:{REGION}:{ACCOUNT}:rds-events"
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(envelope(FIRST_MESSAGE), id="the first message of a subscription"),
        pytest.param(envelope("confirm", "SubscriptionConfirmation"), id="SNS's confirmation"),
        pytest.param(envelope(SUBSCRIPTION, "UnsubscribeConfirmation"), id="another type of SNS's"),
        pytest.param(envelope({"a": "mapping"}), id="an envelope without a text"),
        pytest.param(CLUSTER.replace("aws.rds", "aws.ec2"), id="another service"),
        pytest.param(CLUSTER.replace(":rds:", ":elasticache:"), id="the ARN of another service"),
        pytest.param(CLUSTER.replace("SourceArn", "sourceArn"), id="no ARN"),
        pytest.param(SUBSCRIPTION.replace("Source ARN", "Source"), id="a subscription's event without an ARN"),
        pytest.param(json.dumps({"source": "aws.rds", "detail": arn("cluster", "staging")}), id="no detail"),
        pytest.param(
            json.dumps({"source": "aws.rds", "detail": {"SourceArn": ["arn"]}}), id="a list in place of an ARN"
        ),
        pytest.param(CLUSTER[:-2], id="half a message"),
        pytest.param("[" * 60_000, id="too deep"),
        pytest.param(CLUSTER + " " * LONGEST_BODY, id="too long"),
        pytest.param('"text"', id="a text"),
        pytest.param("", id="nothing"),
    ],
)
def test_anything_else_is_no_event(body: str) -> None:
    """Nothing is raised, whatever someone has put into the queue."""
    assert find_resource(body) is None
