"""One Temporal plugin with everything on which client, worker and Replayer must agree.

The data converter, the interceptor and the sandbox's rules change what a history means; shipped as one, they cannot
drift apart. Source: Temporal docs, Python SDK, Plugins.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from audit.interceptor import AuditInterceptor
from errors import InvalidRequest
from models.request import RestoreRequest
from models.validation_errors import describe_validation_errors

PASSED_THROUGH = ("structlog", "boto3", "botocore", "psycopg", "rich")
"""Loaded by the modules that the workflow imports, used by none of its code: loaded once, not once per run."""


class RequestPayloadConverter(PydanticPayloadConverter):
    """Pydantic's converter, which says what is wrong with a request as an operator would want to read it."""

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """As the base class; a request that is none fails the workflow at once, with every fault listed.

        Raises `InvalidRequest`: a failure of Temporal's kind ends the workflow instead of repeating its task for ever.
        """
        if not any(_is_request(hint) for hint in type_hints or []):
            return super().from_payloads(payloads, type_hints)
        try:
            values = super().from_payloads(payloads, type_hints)
        except ValidationError as error:
            raise InvalidRequest("Invalid request", describe_validation_errors(error)) from None
        except Exception as error:  # any encoding may come in, and each has errors of its own
            raise _not_json(payloads) from error
        if any(
            _is_request(hint) and isinstance(value, bytes)
            for hint, value in zip(type_hints or [], values, strict=False)
        ):
            raise _not_json(payloads)  # bytes are handed on as they are, whatever type was asked for
        return values


def _is_request(hint: type) -> bool:
    return RestoreRequest in (hint, *get_args(hint))


def _not_json(payloads: Sequence[Payload]) -> InvalidRequest:
    found = ", ".join(payload.metadata.get("encoding", b"none").decode(errors="replace") for payload in payloads)
    return InvalidRequest("Invalid request", f"found an input with the encoding {found}, wanted JSON (json/plain).")


def _runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    if isinstance(existing, SandboxedWorkflowRunner):
        restrictions = existing.restrictions.with_passthrough_modules(*PASSED_THROUGH)
        return dataclasses.replace(existing, restrictions=restrictions)
    return existing or SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    )


class AuroraRestorePlugin(SimplePlugin):
    """For ``Client.connect(plugins=[…])`` and ``Replayer(plugins=[…])``; a worker gets it from its client."""

    def __init__(self, audit: AuditInterceptor | None = None) -> None:
        """`audit` is the worker's interceptor with its table; a client or a Replayer needs none."""
        self.audit = audit or AuditInterceptor()
        super().__init__(
            "aurora-restore",
            data_converter=dataclasses.replace(
                pydantic_data_converter, payload_converter_class=RequestPayloadConverter
            ),
            interceptors=[self.audit],
            workflow_runner=_runner,
        )
