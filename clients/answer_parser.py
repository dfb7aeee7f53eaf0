"""Reads each answer once, and DynamoDB's items faster than botocore does, to the same result.

The check of an answer (clients/answer_check.py) needs what botocore will make of it; to read it twice would be a tenth of
a call's time.
botocore follows its model through every attribute of every item; most attributes are a text or a number, which it returns
as they are. A month of the trail is half a million of them.
Source: DynamoDB API Reference, AttributeValue; botocore.parsers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.parsers import EC2QueryParser, JSONParser, QueryParser, ResponseParser, ResponseParserFactory
from botocore.parsers import create_parser as create_botocore_parser

if TYPE_CHECKING:
    from botocore.session import Session as BotocoreSession

ATTRIBUTE_VALUE = "AttributeValue"
_READ_AHEAD = "ReadAhead"
"""Where an answer that was read already waits in botocore's dictionary of it."""


class ReadAheadParser(ResponseParser):
    """A parser of botocore that returns what `parse_ahead` has read of an answer, if it has."""

    def parse(self, response: Any, shape: Any) -> Any:
        """See base class."""
        parsed = response.pop(_READ_AHEAD, None)
        return super().parse(response, shape) if parsed is None else parsed


class ReadAheadQueryParser(ReadAheadParser, QueryParser):
    """For the answers of RDS, STS and SNS."""


class ReadAheadEc2Parser(ReadAheadParser, EC2QueryParser):
    """For the answers of EC2."""


class ItemParser(ReadAheadParser, JSONParser):
    """Returns texts and numbers of items as they came."""

    def _handle_map(self, shape: Any, value: Any) -> Any:
        if shape.value.name != ATTRIBUTE_VALUE or not isinstance(value, dict):
            return super()._handle_map(shape, value)  # type: ignore[misc] # the stubs leave it out
        return {
            name: content if _is_text_or_number(content) else self._parse_shape(shape.value, content)  # type: ignore[attr-defined] # as above
            for name, content in value.items()
        }


READ_AHEAD_PARSERS: dict[str, type[ReadAheadParser]] = {
    "json": ItemParser,
    "query": ReadAheadQueryParser,
    "ec2": ReadAheadEc2Parser,
}
"""By protocol."""


class ItemParserFactory(ResponseParserFactory):
    """Creates the parser of a protocol."""

    def create_parser(self, protocol_name: str) -> Any:
        """See base class."""
        return create_parser(protocol_name)


def parse_items_faster(session: BotocoreSession) -> None:
    """Let all clients that the session will create read items so."""
    session.register_component("response_parser_factory", ItemParserFactory())


def create_parser(protocol: str) -> Any:
    """The parser that those clients have for a protocol."""
    parser = READ_AHEAD_PARSERS.get(protocol)
    return parser() if parser else create_botocore_parser(protocol)


def parse_ahead(protocol: str, response: dict[str, Any], shape: Any) -> Any:
    """What those clients will read of an answer. They do not read it again, unless `forget_ahead` is called.

    Raises the errors of botocore's parsers.
    """
    parsed = create_parser(protocol).parse(response, shape)
    if protocol in READ_AHEAD_PARSERS:
        response[_READ_AHEAD] = parsed
    return parsed


def forget_ahead(response: dict[str, Any]) -> None:
    """Let the clients read the answer, which was changed."""
    response.pop(_READ_AHEAD, None)


def _is_text_or_number(content: Any) -> bool:
    if not isinstance(content, dict) or len(content) != 1:
        return False
    [(kind, text)] = content.items()
    return kind in ("S", "N") and isinstance(text, str)
