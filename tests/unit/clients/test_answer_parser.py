"""Answers are read as botocore reads them, only once, and items of DynamoDB faster."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore import parsers
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.parsers import JSONParser
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.answer_parser import create_parser, forget_ahead, parse_ahead

QUERY = ServiceModel(create_loader().load_service_model("dynamodb", "service-2")).operation_model("Query")
TEXTS = st.text(max_size=5)
BYTES = st.binary(max_size=5).map(lambda content: base64.b64encode(content).decode())
SCALARS: st.SearchStrategy[Any] = st.one_of(
    TEXTS.map(lambda text: {"S": text}),
    st.integers().map(lambda number: {"N": str(number)}),
    BYTES.map(lambda content: {"B": content}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.lists(TEXTS, max_size=2).map(lambda texts: {"SS": texts}),
    st.lists(BYTES, max_size=2).map(lambda texts: {"BS": texts}),
    st.sampled_from([None, {}, {"S": None}, {"S": 1}, {"X": "y"}, {"S": "a", "N": "1"}]),  # not DynamoDB's
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda values: {"L": values})
        | st.dictionaries(TEXTS, inner, max_size=2).map(lambda values: {"M": values})
    ),
    max_leaves=6,
)


@settings(deadline=None)  # on a busy machine the first example takes a while
@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=3))
def test_items_are_read_as_botocore_reads_them(items: list[dict[str, Any]]) -> None:
    """Every type of attribute, nested, and what DynamoDB never sends."""
    body = json.dumps({"Items": items, "Count": len(items), "LastEvaluatedKey": {"date": {"S": "x"}}}).encode()
    response = {"status_code": 200, "headers": {"x-amzn-requestid": "r-1"}, "body": body}

    def read(parser: Any) -> Any:
        try:
            return parser.parse(dict(response), QUERY.output_shape)
        except Exception as error:  # noqa: BLE001 - the same error for the same answer
            return type(error)

    assert read(create_parser("json")) == read(JSONParser())


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [
        (
            "rds",
            "DescribeDBClusters",
            (
                "<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster><Status>available</Status>"
                "</DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>"
            ),
        ),
        (
            "ec2",
            "DescribeSecurityGroups",
            (
                "<DescribeSecurityGroupsResponse><requestId>r-1</requestId><securityGroupInfo><item><groupId>sg-1</groupId>"
                "</item></securityGroupInfo></DescribeSecurityGroupsResponse>"
            ),
        ),
        ("dynamodb", "Query", '{"Items": [{"date": {"S": "2024-03-15"}}], "Count": 1}'),
    ],
)
def test_an_answer_is_read_once(service: str, operation: str, body: str) -> None:
    """What the check of an answer has read is what botocore gets, unless the answer was changed since."""
    model = ServiceModel(create_loader().load_service_model(service, "service-2")).operation_model(operation)
    protocol, shape = model.service_model.resolved_protocol, model.output_shape
    assert shape is not None
    response = {"status_code": 200, "headers": {}, "body": body.encode()}
    of_botocore = parsers.create_parser(protocol).parse(dict(response), shape)
    ahead = parse_ahead(protocol, response, shape)
    assert ahead == of_botocore
    assert create_parser(protocol).parse(response, shape) is ahead
    parse_ahead(protocol, response, shape)
    forget_ahead(response)
    assert create_parser(protocol).parse(response, shape) is not ahead
