"""SNS refuses what the real one refuses of a message that has a text for each protocol. Source: SNS API Reference, Publish."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import EmulatedAws


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        ({"Message": "plain"}, None),
        ({"Message": '{"default": "a", "https": {"not": "a text"}}', "MessageStructure": "json"}, None),
        ({"Message": "plain", "MessageStructure": "json"}, "failed to parse"),
        ({"Message": '{"default": "a", "default": "b"}', "MessageStructure": "json"}, "failed to parse"),
        ({"Message": '{"https": "a"}', "MessageStructure": "json"}, "No default entry"),
        ({"Message": '{"default": 1}', "MessageStructure": "json"}, "No default entry"),
        ({"Message": '["default"]', "MessageStructure": "json"}, "No default entry"),
        ({"Message": "ä" * 131_073}, "Message too long"),
        (
            {"Message": "a" * 262_000, "MessageAttributes": {"x": {"DataType": "String", "StringValue": "b" * 200}}},
            "Message too long",
        ),
    ],
)
def test_a_message_is_checked_as_sns_checks_it(aws: EmulatedAws, message: dict[str, Any], refusal: str | None) -> None:
    """JSON needs a default; the size is that of the message's bytes and of its attributes."""
    sns = aws.client("sns")
    topic = sns.create_topic(Name="outcomes")["TopicArn"]
    if refusal is None:
        assert sns.publish(TopicArn=topic, **message)["MessageId"]
        return
    with pytest.raises(ClientError, match=f"InvalidParameter.*{refusal}"):
        sns.publish(TopicArn=topic, **message)
