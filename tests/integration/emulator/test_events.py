"""Events of RDS through EventBridge, or an event subscription and SNS, into an SQS queue.

The expected members are those of the Aurora User Guide, "Monitoring Amazon Aurora events", and of recorded messages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from events.messages import RdsResource, find_resource
from tests.rigs.emulated_aws import ACCOUNT, OTHER_ACCOUNT, SOURCE, START, EmulatedAws

PATTERN = {"source": ["aws.rds"], "detail-type": ["RDS DB Cluster Event"]}


def make_queue(aws: EmulatedAws, pattern: dict[str, Any], **rule: str) -> str:
    """A queue, and a rule that sends it what matches; returns the queue's URL."""
    url: str = aws.client("sqs").create_queue(QueueName="rds-events")["QueueUrl"]
    events = aws.client("events")
    events.put_rule(Name="rds-events", EventPattern=json.dumps(pattern), **rule)
    arn = f"arn:aws:sqs:{SOURCE}:{ACCOUNT}:rds-events"
    assert not events.put_targets(Rule="rds-events", Targets=[{"Id": "queue", "Arn": arn}])["FailedEntryCount"]
    return url


def receive(aws: EmulatedAws, url: str, wait: int = 0) -> list[dict[str, Any]]:
    messages = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
    return [json.loads(each["Body"]) for each in messages.get("Messages", [])]


def test_an_event_has_the_members_that_aws_documents(aws: EmulatedAws) -> None:
    """All of them and no other, on the emulator's clock."""
    url = make_queue(aws, PATTERN)
    aws.create_cluster()
    [event] = receive(aws, url)
    assert event.pop("id")
    arn = f"arn:aws:rds:{SOURCE}:{ACCOUNT}:cluster:prod"
    at = START + timedelta(seconds=aws.emulator.durations.cluster_create)
    assert event == {
        "version": "0",
        "detail-type": "RDS DB Cluster Event",
        "source": "aws.rds",
        "account": ACCOUNT,
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": SOURCE,
        "resources": [arn],
        "detail": {
            "EventCategories": ["creation"],
            "SourceType": "CLUSTER",
            "SourceArn": arn,
            "Date": f"{at:%Y-%m-%dT%H:%M:%S.000Z}",
            "Message": "DB cluster created",
            "SourceIdentifier": "prod",
            "EventID": "RDS-EVENT-0170",
        },
    }


def test_an_event_arrives_without_a_call_to_rds(aws: EmulatedAws) -> None:
    """SQS's long poll ends at the event, also if it was on its way when the poll began."""
    url = make_queue(aws, PATTERN)
    aws.client().create_db_cluster(
        DBClusterIdentifier="prod", Engine="aurora-postgresql", MasterUsername="boss", MasterUserPassword="long-enough"
    )
    began = time.monotonic()
    assert not receive(aws, url, wait=1)
    assert 1 <= time.monotonic() - began < 5
    almost = timedelta(seconds=aws.emulator.durations.cluster_create - 1)
    aws.emulator.clock.set(aws.emulator.clock.now() + almost)
    [event] = receive(aws, url, wait=20)
    assert event["detail"]["EventID"] == "RDS-EVENT-0170"
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("pattern", "rule", "expected"),
    [
        ({"source": ["aws.rds"], "detail": {"SourceIdentifier": [{"wildcard": "pro*"}]}}, {}, 1),
        ({"source": ["aws.rds"], "detail": {"SourceIdentifier": [{"wildcard": "prod-*"}]}}, {}, 0),
        ({"source": ["aws.rds"], "detail": {"EventCategories": ["deletion"]}}, {}, 0),
        (PATTERN, {"State": "DISABLED"}, 0),
        ({"source": ["aws.ec2"]}, {}, 0),
    ],
)
def test_a_rule_gets_what_its_pattern_matches(
    aws: EmulatedAws, pattern: dict[str, Any], rule: dict[str, str], expected: int
) -> None:
    """By members of the detail too; a disabled rule gets nothing."""
    url = make_queue(aws, pattern, **rule)
    aws.create_cluster()
    assert len(receive(aws, url)) == expected


@pytest.mark.parametrize("raw", ["false", "true"])
def test_an_event_subscription_publishes_what_aws_documents(aws: EmulatedAws, raw: str) -> None:
    """In the envelope of an SNS that is not ours, or by raw message delivery; the first message is a text; all is read."""
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic, url = sns.create_topic(Name="rds")["TopicArn"], sqs.create_queue(QueueName="by-sns")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{SOURCE}:{ACCOUNT}:by-sns"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": raw})
    subscription = {"SourceType": "db-cluster", "EventCategories": ["creation"]}
    aws.client().create_event_subscription(SubscriptionName="ours", SnsTopicArn=topic, **subscription)
    aws.create_cluster()
    aws.client().delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    first, event = (each["Body"] for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"])
    assert "RDS will attempt to send you event notifications of type db-cluster" in first
    assert find_resource(first) is None
    assert find_resource(event) == RdsResource(ACCOUNT, SOURCE, "cluster", "prod")
    envelope = json.loads(event)
    assert ("Signature" in envelope) == (raw == "false")
    if raw == "false":
        attributes = {name: each["Value"] for name, each in envelope["MessageAttributes"].items()}
        assert attributes == {"EventID": "RDS-EVENT-0170", "Resource": f"arn:aws:rds:{SOURCE}:{ACCOUNT}:cluster:prod"}
    message = json.loads(envelope["Message"]) if raw == "false" else envelope
    at = START + timedelta(seconds=aws.emulator.durations.cluster_create)
    assert message == {
        "Event Source": "db-cluster",
        "Event Time": f"{at:%Y-%m-%d %H:%M:%S}.000",
        "Identifier Link": f"https://console.aws.amazon.com/rds/home?region={SOURCE}#dbclusters:id=prod",
        "Source ID": "prod",
        "Source ARN": f"arn:aws:rds:{SOURCE}:{ACCOUNT}:cluster:prod",
        "Event ID": "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0170",
        "Event Message": "DB cluster created",
    }


def test_an_event_subscription_needs_its_topic_and_a_name_of_its_own(aws: EmulatedAws) -> None:
    """And one of the source types that have events here."""
    rds, topic = aws.client(), aws.client("sns").create_topic(Name="rds")["TopicArn"]
    ours = {"SubscriptionName": "ours", "SourceType": "db-cluster"}
    with pytest.raises(rds.exceptions.SNSTopicArnNotFoundFault):
        rds.create_event_subscription(**ours, SnsTopicArn=topic + "-missing")
    with pytest.raises(ClientError, match="SourceType as one of db-cluster"):
        rds.create_event_subscription(**{**ours, "SourceType": "db-proxy"}, SnsTopicArn=topic)
    rds.create_event_subscription(**ours, SnsTopicArn=topic)
    with pytest.raises(rds.exceptions.SubscriptionAlreadyExistFault):
        rds.create_event_subscription(**ours, SnsTopicArn=topic)


def test_a_disabled_event_subscription_publishes_only_its_first_message(aws: EmulatedAws) -> None:
    """That RDS will send events, which it then does not."""
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic, url = sns.create_topic(Name="rds")["TopicArn"], sqs.create_queue(QueueName="by-sns")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{SOURCE}:{ACCOUNT}:by-sns")
    aws.client().create_event_subscription(
        SubscriptionName="ours", SnsTopicArn=topic, SourceType="db-cluster", Enabled=False
    )
    aws.create_cluster()
    [first] = receive(aws, url)
    assert first["Message"].startswith("This is a message to notify")


def test_rds_goes_on_without_the_queue_and_the_topic_of_its_events(aws: EmulatedAws) -> None:
    """They are deleted, the rule and the event subscription are not."""
    sns, url = aws.client("sns"), make_queue(aws, PATTERN)
    topic = sns.create_topic(Name="rds")["TopicArn"]
    aws.client().create_event_subscription(SubscriptionName="ours", SnsTopicArn=topic, SourceType="db-cluster")
    aws.client("sqs").delete_queue(QueueUrl=url)
    sns.delete_topic(TopicArn=topic)
    assert aws.create_cluster()["Status"] == "available"


def test_a_wait_that_sqs_does_not_have_is_refused(aws: EmulatedAws) -> None:
    """It is not shortened to the longest one."""
    url = aws.client("sqs").create_queue(QueueName="empty")["QueueUrl"]
    with pytest.raises(ClientError, match="WaitTimeSeconds is invalid"):
        receive(aws, url, wait=21)


def test_a_queue_of_another_account_is_used_as_its_policy_allows(aws: EmulatedAws) -> None:
    """By its owner's number and by its URL; without a policy, and for an action that it does not allow, it is refused."""
    own, other = aws.client("sqs"), aws.client("sqs", account=OTHER_ACCOUNT)
    url = own.create_queue(QueueName="shared")["QueueUrl"]
    own.send_message(QueueUrl=url, MessageBody="event")
    with pytest.raises(ClientError, match="AccessDenied"):
        other.get_queue_url(QueueName="shared", QueueOwnerAWSAccountId=ACCOUNT)
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
        "Action": ["sqs:GetQueueUrl", "sqs:ReceiveMessage"],
        "Resource": f"arn:aws:sqs:{SOURCE}:{ACCOUNT}:shared",
    }
    policy = {"Statement": [allowed, {**allowed, "Effect": "Deny", "Action": "sqs:DeleteMessage"}]}
    own.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    found = other.get_queue_url(QueueName="shared", QueueOwnerAWSAccountId=ACCOUNT)["QueueUrl"]
    [message] = other.receive_message(QueueUrl=found)["Messages"]
    assert message["Body"] == "event"
    with pytest.raises(ClientError, match="AccessDenied"):
        other.delete_message(QueueUrl=found, ReceiptHandle=message["ReceiptHandle"])


def test_every_event_has_the_id_of_its_message(aws: EmulatedAws) -> None:
    """One that AWS documents, whatever happened."""
    url = make_queue(aws, {"source": ["aws.rds"]})
    rds = aws.client()
    aws.create_cluster()
    aws.create_instance("prod-1")
    aws.create_instance("prod-2")
    rds.reboot_db_instance(DBInstanceIdentifier="prod-1")
    aws.wait()
    rds.failover_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    rds.modify_db_cluster(DBClusterIdentifier="prod", MasterUserPassword="another-one", ApplyImmediately=True)
    aws.wait()
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="snap", DBClusterIdentifier="prod")
    aws.wait()
    rds.stop_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    rds.start_db_cluster(DBClusterIdentifier="prod")
    aws.wait()
    rds.modify_db_cluster(DBClusterIdentifier="prod", NewDBClusterIdentifier="other", ApplyImmediately=True)
    aws.wait()
    for instance in ("prod-1", "prod-2"):
        rds.delete_db_instance(DBInstanceIdentifier=instance)
    rds.delete_db_cluster(DBClusterIdentifier="other", SkipFinalSnapshot=True)
    aws.wait()
    received: list[dict[str, Any]] = []
    while batch := receive(aws, url):
        received += batch
    assert [each["detail"]["Message"] for each in received if "EventID" not in each["detail"]] == []
    assert {each["detail-type"] for each in received} == {
        "RDS DB Cluster Event",
        "RDS DB Instance Event",
        "RDS DB Cluster Snapshot Event",
    }


def test_what_is_not_modelled_is_refused_by_name(aws: EmulatedAws) -> None:
    """Operations, members and targets, so that no test believes in what does nothing."""
    events = aws.client("events")
    refused: dict[str, Callable[[], Any]] = {
        "PutEvents": lambda: events.put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}]),
        "ScheduleExpression of PutRule": lambda: events.put_rule(Name="r", ScheduleExpression="rate(1 minute)"),
        "InputPath of a target": lambda: events.put_targets(
            Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:{SOURCE}:{ACCOUNT}:q", "InputPath": "$.detail"}]
        ),
        "the target arn:aws:sns": lambda: events.put_targets(
            Rule="r", Targets=[{"Id": "1", "Arn": f"arn:aws:sns:{SOURCE}:{ACCOUNT}:t"}]
        ),
    }
    for name, call in refused.items():
        with pytest.raises(ClientError, match=f"The emulator does not model {name}"):
            call()
