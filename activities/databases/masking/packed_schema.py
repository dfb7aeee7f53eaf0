"""A schema as one text that a worker may return: packed, because that of a large cluster has megabytes of names."""

from __future__ import annotations

import base64
import zlib

from pydantic import TypeAdapter

from activities.databases.masking.schema import Schema
from errors import StepFailed
from limits import MAX_PACKED_SCHEMA

_SCHEMA = TypeAdapter(Schema)


def pack_schema(schema: Schema) -> str:
    """The schema for `unpack_schema`. Raises `StepFailed` if Temporal would refuse it."""
    packed = base64.b64encode(zlib.compress(_SCHEMA.dump_json(schema))).decode()
    if len(packed) > MAX_PACKED_SCHEMA:
        raise StepFailed(
            "Schema too large",
            f"The schema of {len(schema.tables)} tables has {len(packed)} characters when packed, expected at most "
            f"{MAX_PACKED_SCHEMA}. Write the masking file by hand; a restore compares the schema in the worker.",
        )
    return packed


def unpack_schema(packed: str) -> Schema:
    """The schema of a text that `pack_schema` has made."""
    return _SCHEMA.validate_json(zlib.decompress(base64.b64decode(packed)))
