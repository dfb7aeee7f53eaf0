"""The errors of the emulated RDS.

    RdsError   an error that AWS returns, with its wire code

An operation may only return a code that botocore's service model lists for it, or one of `COMMON_CODES`, which every
operation can return and which the model therefore does not list (RDS API Reference, "Common Errors", and field
reports). Any other code becomes `InternalFailure`: an invented code must not pass for one of AWS.
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


class RdsError(Exception):
    """An error response of RDS: a wire code and a message."""

    def __init__(self, code: str, message: str) -> None:
        """`code` is the `Error.Code` on the wire, not the name of botocore's exception class."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
