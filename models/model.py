"""The base of everything that crosses between operator, workflow and activities."""

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Model(BaseModel):
    """Immutable and strict: refuses unknown fields and converts no type.

    Temporal's history keeps every value, and everyone who can open the Web UI can read it: a secret's id may be in a
    model, a secret never.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        # Temporal's history and logs quote the errors of a refused input: a secret in the wrong field must not be in them.
        hide_input_in_errors=True,
    )


class SparseModel(Model):
    """A model most of whose fields are not set: what is None is not written, since Temporal keeps every input."""

    @model_serializer(mode="wrap")
    def _leave_out_none(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        return {name: value for name, value in written.items() if value is not None}
