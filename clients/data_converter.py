"""The data converter that client, worker and Replayer share: it decides what a history means.

The worker and the Replayer get it from the plugin (`audit.plugin`); a client needs no more than this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import CompositePayloadConverter, DefaultFailureConverter, PayloadConverter

from errors import InvalidRequest, is_from_driver
from limits import MAX_CAUSES, MAX_MESSAGE, MAX_PATH, MAX_STACK_TRACE, shorten
from models.request import RestoreRequest
from models.request_json import find_refusal
from models.validation_errors import describe_validation_errors

JSON = b"json/plain"
ENCODINGS = tuple(PydanticPayloadConverter().converters.values())
"""The converters of each encoding, one of each for the whole process. Pydantic's keeps a validator for each type that it has
decoded, and that of a workflow's input, a request or none, takes 136 kB and a millisecond."""


class RequestPayloadConverter(PydanticPayloadConverter):
    """Pydantic's converter, with errors of a restore request that an operator can read."""

    def __init__(self) -> None:
        """The SDK makes a converter for each workflow in memory; all of them decode with the same validators."""
        CompositePayloadConverter.__init__(self, *ENCODINGS)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Decode as the base class; if a restore request is invalid, list everything that is wrong with it.

        Raises `InvalidRequest`. As one of Temporal's failures it ends the workflow; any other exception would make
        Temporal retry the workflow task for ever.
        """
        if not any(_is_request(hint) for hint in type_hints or []):
            return self._decode_others(payloads, type_hints)
        for payload in payloads:
            if payload.metadata.get("encoding") == JSON and (refusal := find_refusal(payload.data)):
                raise InvalidRequest("Invalid request", refusal)
        try:
            values = super().from_payloads(payloads, type_hints)
        except ValidationError as error:
            raise InvalidRequest("Invalid request", describe_validation_errors(error)) from None
        except Exception:  # noqa: BLE001 - each encoding has errors of its own
            # Without its cause, whose text may quote the input.
            raise _wrong_encoding(payloads) from None
        if any(
            _is_request(hint) and isinstance(value, bytes)
            for hint, value in zip(type_hints or [], values, strict=False)
        ):
            raise _wrong_encoding(payloads)  # the base class returns bytes for binary/plain, whatever the type hint
        return values

    def _decode_others(self, payloads: Sequence[Payload], type_hints: list[type] | None) -> list[Any]:
        """Decode what is no restore request.

        Several inputs of a workflow come without type hints; that one of them cannot be decoded must end it, too.
        """
        try:
            return super().from_payloads(payloads, type_hints)
        except Exception:
            if type_hints or len(payloads) < 2:  # noqa: PLR2004 - several
                raise
            text = f"{len(payloads)} inputs, one of which cannot be read; expected one, in JSON (json/plain)."
            raise InvalidRequest("Invalid request", text) from None


class BoundedFailureConverter(DefaultFailureConverter):
    """Temporal's converter of errors; cuts what Temporal would refuse, so that a failed activity or workflow ends.

    An error of a database's driver keeps only its name: no activity lets one escape, but if one does, its text quotes.
    """

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See base class."""
        super().to_failure(exception, payload_converter, failure)
        if is_from_driver(exception):
            failure.message = type(exception).__name__
        current = failure
        for _ in range(MAX_CAUSES):
            current.message = shorten(current.message, MAX_MESSAGE)
            current.stack_trace = shorten(current.stack_trace, MAX_STACK_TRACE)
            if not current.HasField("cause"):
                return
            current = current.cause
        current.ClearField("cause")


def _is_request(hint: type) -> bool:
    return RestoreRequest in (hint, *get_args(hint))


def _wrong_encoding(payloads: Sequence[Payload]) -> InvalidRequest:
    actual = ", ".join(payload.metadata.get("encoding", b"none").decode(errors="replace") for payload in payloads)
    return InvalidRequest(
        "Invalid request",
        f"The workflow's input has the encoding {shorten(actual, MAX_PATH)}; expected JSON (json/plain).",
    )


DATA_CONVERTER = dataclasses.replace(
    pydantic_data_converter,
    payload_converter_class=RequestPayloadConverter,
    failure_converter_class=BoundedFailureConverter,
)
