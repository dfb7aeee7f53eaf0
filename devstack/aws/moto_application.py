"""Moto as a WSGI application: one per process, as its state is.

Moto lists its own folders and methods again at each request, which takes longer than most of its answers; here both
are kept. Its DynamoDB sorts the whole table at each query and copies what it finds; here a query reads its own partition.
It measures the whole item again for each attribute that is added; here it measures it once it may be too large. For each
attribute of an item that it returns, it searches for all ten types under all their possible names; here it writes the one
that is there. Each service is set up when it is first called.
"""

from __future__ import annotations

import os
import threading
from functools import cache, wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from moto.core.serialize import JSONSerializer
    from moto.dynamodb.models.dynamo_type import DynamoType, Item
    from moto.dynamodb.models.table import Table

_loading = threading.Lock()


def load() -> WSGIApplication:
    """The application. The first call imports moto, which takes almost a second."""
    with _loading:
        return _create()


@cache
def _create() -> WSGIApplication:
    # EC2 is used for networks only, and the images of a region take half a second. Source: moto's docs, configuration.
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    from moto import backends
    from moto.core import responses, serialize, utils
    from moto.dynamodb.models import dynamo_type, table
    from moto.moto_server import werkzeug_app

    folders = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: folders
    responses.method_names_from_class = cache(utils.method_names_from_class)  # type: ignore[attr-defined]
    serialize.SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": _attribute_serializer(serialize.JSONSerializer)}
    _let_query_read_one_partition(table)
    _measure_items_that_may_be_too_large(dynamo_type.LimitedSizeDict)
    application: WSGIApplication = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
    return application


def _attribute_serializer(json_serializer: type[JSONSerializer]) -> type[JSONSerializer]:
    """Moto's serializer, but for an attribute's value: it is a dict of one type, whose text is written as it is.

    Binary values are bytes at this place, so every string is one of the types S and N.
    """

    class AttributeSerializer(json_serializer):  # type: ignore[misc,valid-type]  # imported late, with moto
        def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
            if shape.name != "AttributeValue" or not isinstance(value, dict):
                super()._serialize_type_structure(serialized, value, shape, key)
                return
            written: dict[str, Any] = {}
            for name, content in value.items():
                if isinstance(content, str):
                    written[name] = content
                else:
                    self._serialize(written, content, shape.members[name], name)
            self._default_serialize(serialized, written, shape, key)

    return AttributeSerializer


def _let_query_read_one_partition(module: Any) -> None:
    """Give a query only the items that it can find, almost sorted: moto sorts them again, by a slow comparison.

    What it finds is written as JSON at once, so it needs no copy. `OtherServices` lets one call at a time reach DynamoDB, so
    that nobody else sees the table so reduced.
    """
    query, copying = module.Table.query, module.copy

    @wraps(query)
    def query_partition(table: Table, hash_key: DynamoType | None, *arguments: Any, **named: Any) -> Any:
        items = _items_of_partition(table, None if _names_index(arguments) else hash_key)
        table.all_items = lambda: items  # type: ignore[method-assign]
        module.copy = SimpleNamespace(deepcopy=list)
        try:
            return query(table, hash_key, *arguments, **named)
        finally:
            module.copy = copying
            del table.all_items  # the instance's; the class has its own

    module.Table.query = query_partition


def _measure_items_that_may_be_too_large(attributes_class: Any) -> None:
    """Add up the sizes of an item's attributes as they are set, and let moto measure and judge only what may be too much."""
    set_and_measure = attributes_class.__setitem__

    def set_attribute(attributes: Any, name: str, value: Any) -> None:
        size = _size(name) + _size(value)
        before = vars(attributes).get("at_most")
        if before is None:
            before = sum(_size(each) for pair in attributes.items() for each in pair)
        attributes.at_most = before + size
        if attributes.at_most > SURELY_SMALL:
            set_and_measure(attributes, name, value)
        else:
            dict.__setitem__(attributes, name, value)

    attributes_class.__setitem__ = set_attribute


SURELY_SMALL = 100_000
"""Bytes; moto refuses items of 405,000."""


def _size(part: Any) -> int:
    """The bytes of a name or a value, as moto counts them."""
    return int(part.size()) if hasattr(part, "size") else len(str(part).encode())


INDEX_NAME_PLACE = 6
"""Of the index's name among the arguments of moto's query, after the key."""


def _names_index(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) > INDEX_NAME_PLACE and arguments[INDEX_NAME_PLACE] is not None


def _items_of_partition(table: Table, hash_key: DynamoType | None) -> list[Item]:
    """The items with this key; all items if it is None."""
    items: Any = table.items
    keys = list(items) if hash_key is None else [key for key in (hash_key,) if key in items]
    if not table.range_key_attr:
        return [items[key] for key in keys]
    return sorted((item for key in keys for item in items[key].values()), key=lambda item: item.range_key.cast_value)
