"""Items of DynamoDB are read as botocore reads them, only faster."""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.parsers import JSONParser
from hypothesis import given
from hypothesis import strategies as st

from clients.answer_parser import create_parser

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
