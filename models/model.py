"""The base of everything that crosses between operator, workflow and activities."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Immutable, refuses unknown fields and never guesses a type.

    What travels here is stored in Temporal's history, readable by everyone who can open the Web UI:
    a secret's id may be in it, a secret never.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        # A refused input is quoted in Temporal's history and in logs; what was typed into it by mistake stays out.
        hide_input_in_errors=True,
    )
