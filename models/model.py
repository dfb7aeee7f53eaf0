"""The base of everything that crosses between operator, workflow and activities."""

from pydantic import BaseModel, ConfigDict


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
