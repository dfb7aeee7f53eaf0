"""How an RDS operation refuses.

    Refusal   an error that AWS would answer, with its wire code

Each operation may only answer the codes that botocore's service model lists for it, or one of `COMMON_CODES`,
which the model does not list because every operation can answer them (RDS API Reference, "Common Errors", and
field reports). The dispatcher turns anything else into `InternalFailure`, so that an invention of ours cannot
pass for AWS.
"""

from __future__ import annotations

COMMON_CODES: dict[str, int] = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "InternalFailure": 500,
    "InvalidAction": 400,
    "InvalidParameterCombination": 400,
    "InvalidParameterValue": 400,
    "MissingParameter": 400,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "Throttling": 400,
    "ThrottlingException": 400,
    "UnrecognizedClientException": 403,
}
"""Wire code to HTTP status."""


class Refusal(Exception):
    """An operation refuses with a wire code and a message."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is the `Error.Code` on the wire, not the name of botocore's exception class."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
