"""botocore's own errors, which no response of AWS is behind, as sentences with a cure.

Source: botocore.exceptions; AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
"""

from __future__ import annotations

import os

from botocore import exceptions
from botocore.exceptions import BotoCoreError

from clients.answer_check import NotAwsAnswer

SETTINGS_ERRORS: tuple[type[BotoCoreError], ...] = (
    exceptions.ProfileNotFound,
    exceptions.ConfigParseError,
    exceptions.ConfigNotFound,
    exceptions.InvalidConfigError,
    exceptions.NoRegionError,
    exceptions.InvalidRegionError,
)
"""The operator's mistakes in AWS's own settings: the same call fails again until they are corrected."""

_CREDENTIALS = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
_NETWORK = "Check the network, the region and AWS_ENDPOINT_URL."


def describe_aws_problem(error: BotoCoreError) -> str:
    """What is wrong with the configuration, the credentials or the network, and what to do.

    An error that is not known here keeps botocore's text.
    """
    return _configuration_problem(error) or _credentials_problem(error) or _network_problem(error) or f"AWS: {error}"


def _configuration_problem(error: BotoCoreError) -> str | None:
    details = error.kwargs
    match error:
        case exceptions.ProfileNotFound():
            return (
                f"AWS profile {details['profile']} does not exist. Set AWS_PROFILE to one of those that this lists:\n"
                "    aws configure list-profiles"
            )
        case exceptions.ConfigParseError() | exceptions.ConfigNotFound():
            return f"Cannot read AWS's configuration file {details['path']}. Correct it, or set AWS_CONFIG_FILE."
        case exceptions.InvalidConfigError():
            return f"AWS's configuration is invalid: {details['error_msg']} Correct the file, or set AWS_PROFILE."
        case exceptions.NoRegionError():
            return "No AWS region is set. Set AWS_REGION."
        case exceptions.InvalidRegionError():
            return f"{details['region_name']!r} is not an AWS region; expected one such as eu-central-1."
    return None


def _credentials_problem(error: BotoCoreError) -> str | None:
    details = error.kwargs
    match error:
        case exceptions.NoCredentialsError() | exceptions.NoAuthTokenError():
            return f"No AWS credentials were found. {_CREDENTIALS}"
        case exceptions.PartialCredentialsError():
            return f"AWS credentials are incomplete: {details['provider']} has no {details['cred_var']}. {_CREDENTIALS}"
        case exceptions.SSOError() | exceptions.TokenRetrievalError() | exceptions.LoginError():
            login = "aws login" if isinstance(error, exceptions.LoginError) else "aws sso login"
            profile = f" --profile {os.environ['AWS_PROFILE']}" if os.environ.get("AWS_PROFILE") else ""
            return f"The AWS session has expired or does not exist. Log in again:\n    {login}{profile}"
        case exceptions.CredentialRetrievalError():
            reason = f": {details['error_msg']}" if details["error_msg"].strip() else ""
            return f"AWS credentials could not be retrieved from {details['provider']}{reason}. {_CREDENTIALS}"
    return None


def _network_problem(error: BotoCoreError) -> str | None:
    match error:
        case NotAwsAnswer():
            return f"Cannot reach AWS: {error}"
        case exceptions.SSLError():
            problem = "the TLS connection failed, see AWS_CA_BUNDLE"
        case exceptions.ProxyConnectionError():
            return "Cannot reach AWS: the proxy does not answer. Check HTTPS_PROXY and NO_PROXY."
        case exceptions.ConnectTimeoutError() | exceptions.ReadTimeoutError():
            problem = "no answer in time"
        case exceptions.ConnectionClosedError():
            problem = "the connection was closed"
        case exceptions.EndpointConnectionError():
            problem = "no connection"
        case _:
            return None
    return f"Cannot reach AWS at {error.kwargs.get('endpoint_url', 'its endpoint')}: {problem}. {_NETWORK}"
