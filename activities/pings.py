"""ping-monitor: tells a dead man's switch that a restore began, succeeded or did not.

The switch raises an alarm for a restore that never ran, which no message of this pipeline can do.
Source: healthchecks.io, "Pinging API": URL, URL/start, URL/fail.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from activities.rds.aws_errors import pipeline_error_for
from activities.step import named_activity
from clients.aws import AwsClients
from clients.loopback import LOOPBACK
from models.pings import PingInput, PingOutcome

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PING_MONITOR = "ping-monitor"
TIMEOUT = urllib3.Timeout(connect=3, read=3, total=5)
RETRIES = urllib3.Retry(
    total=2, redirect=False, status_forcelist=(429, 500, 502, 503, 504), backoff_factor=0.5, raise_on_status=False,
    respect_retry_after_header=False,
)  # fmt: skip
"""All attempts together take less than 20 s."""
MAX_URL = 2_000


class PingActivities:
    """Pings the monitor of a request."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` has the clients."""
        self._aws = aws
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES)

    @named_activity(PING_MONITOR)
    def ping_monitor(self, ping_input: PingInput) -> PingOutcome:
        """Read the ping URL and request it; say what went wrong instead of raising, and never with the URL.

        Run twice: two pings, which mean the same to the monitor.
        """
        secret_id = ping_input.secret_id
        try:
            secrets = self._aws.secretsmanager(ping_input.owner, ping_input.operation_id)
            url = _read_url(secrets, secret_id)
        except (ClientError, BotoCoreError) as error:
            return PingOutcome(
                problem=f"the secret {secret_id} cannot be read: {pipeline_error_for(error).fault.short}"
            )
        if url is None:
            return PingOutcome(
                problem=f'the secret {secret_id} is not JSON with an https URL under "url". Correct the secret'
            )
        return PingOutcome(problem=self._request(f"{url}{ping_input.ping}", secret_id))

    def _request(self, url: str, secret_id: str) -> str | None:
        """Returns what went wrong; None if the monitor accepted the ping."""
        where = f"the monitor of the secret {secret_id}"
        try:
            status = self._http.request("GET", url, redirect=False).status
        except urllib3.exceptions.HTTPError as error:
            # Only the kind of error, because its text has the URL.
            reason = getattr(error, "reason", None) or error
            return f"{where} did not answer ({type(reason).__name__}). Check that the worker reaches it"
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirections
            return f"{where} answered with a redirection ({status}), which is not followed. Correct the secret"
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's successes
            return f"{where} answered with the status {status}; expected 200. Check the URL in the secret"
        return None


def _read_url(secrets: SecretsManagerClient, secret_id: str) -> str | None:
    """The text under "url" in the secret's JSON, without a slash at its end; None if there is no URL to be pinged."""
    try:
        content = json.loads(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    except (ValueError, RecursionError):
        return None
    url = content.get("url") if isinstance(content, dict) else None
    return url.rstrip("/") if isinstance(url, str) and _may_be_pinged(url) else None


def _may_be_pinged(url: str) -> bool:
    """Whether it is an https URL, or an http URL of this machine, without a query to which nothing can be appended."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        is_here = parts.scheme == "http" and parts.hostname == LOOPBACK
        return bool((parts.scheme == "https" or is_here) and parts.hostname and not parts.query and not parts.fragment)
    except ValueError:
        return False
