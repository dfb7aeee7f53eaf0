"""Items of DynamoDB: what is read is what was written, whatever its type."""

from __future__ import annotations

from tests.rigs.emulated_aws import EmulatedAws

KEY = {"id": {"S": "one"}}
EVERY_TYPE = {
    "text": {"S": "größer"},
    "no-text": {"S": ""},
    "number": {"N": "-12.50"},
    "binary": {"B": b"\x00\xff"},
    "true": {"BOOL": True},
    "false": {"BOOL": False},
    "null": {"NULL": True},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2"]},
    "binaries": {"BS": [b"\x00", b"\xff"]},
    "list": {"L": [{"S": "a"}, {"L": []}, {"M": {"deep": {"N": "1"}}}]},
    "map": {"M": {"S": {"S": "a name like a type"}, "empty": {"M": {}}, "deep": {"L": [{"BOOL": False}]}}},
}
"""Source: DynamoDB API Reference, AttributeValue."""


def test_an_item_has_every_type_as_it_was_written(aws: EmulatedAws) -> None:
    """In the answers of GetItem, Query and Scan, and in the item that a PutItem replaces."""
    dynamodb = aws.client("dynamodb")
    dynamodb.create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    item = KEY | EVERY_TYPE
    dynamodb.put_item(TableName="items", Item=item)
    assert dynamodb.get_item(TableName="items", Key=KEY)["Item"] == item
    condition = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": KEY["id"]}}
    assert dynamodb.query(TableName="items", **condition)["Items"] == [item]
    assert dynamodb.scan(TableName="items")["Items"] == [item]
    assert dynamodb.put_item(TableName="items", Item=KEY, ReturnValues="ALL_OLD")["Attributes"] == item
