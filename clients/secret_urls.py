"""Requests to a URL that is a secret: it is read from Secrets Manager and is in no error and no log.

urllib3 would write the path of a URL into the log when it repeats a request, and into the text of its errors. So each
request is one attempt of urllib3, and an error says only of which kind it is. No redirection is followed, because the
URL would be known elsewhere.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3

from clients.loopback import LOOPBACK
from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_URL = 2_000


class NoAnswer(Exception):
    """The server did not answer; the text is the kind of the error and nothing else."""


class SecretUrlClient:
    """Requests URLs; safe to share between threads."""

    def __init__(self, read_seconds: float) -> None:
        """Connecting may take 3 s, an answer `read_seconds`."""
        timeout = urllib3.Timeout(connect=3, read=read_seconds)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    def get(self, url: str) -> int:
        """Returns the status of the answer. Raises `NoAnswer`."""
        return self._request("GET", url, None)

    def post_json(self, url: str, body: bytes) -> int:
        """Returns the status of the answer. Raises `NoAnswer`."""
        return self._request("POST", url, body)

    def _request(self, method: str, url: str, body: bytes | None) -> int:
        headers = {"User-Agent": "aurora-restore-pipeline"}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        try:
            # Without the content, which may be of any length and is not needed.
            answer = self._pool.request(method, url, body=body, headers=headers, redirect=False, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswer(type(error).__name__) from None
        answer.close()
        return int(answer.status)


def read_secret_url(secrets: SecretsManagerClient, secret_id: str, *, with_query: bool = False) -> str | None:
    """The text under "url" in the secret's JSON; None if it is no URL that may be requested.

    That is an https URL, or an http URL of this machine, without a fragment, and without a query unless one is allowed.
    Raises botocore's errors.
    """
    try:
        content = json.loads(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    except (ValueError, RecursionError):
        return None
    url = content.get("url") if isinstance(content, dict) else None
    return url if isinstance(url, str) and _may_be_requested(url, with_query) else None


def read_webhook(secrets: SecretsManagerClient, secret_id: str) -> str:
    """The URL of a webhook, which may have a query. Raises `StepFailed` if it cannot be used, and botocore's errors."""
    url = read_secret_url(secrets, secret_id, with_query=True)
    if url is None:
        raise StepFailed(
            "Secret not usable",
            f'The secret {secret_id} is not JSON with an https URL under "url". Correct the secret, then retry.',
        )
    return url


def _may_be_requested(url: str, with_query: bool) -> bool:
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        is_here = parts.scheme == "http" and parts.hostname == LOOPBACK
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not (parts.scheme == "https" or is_here) or not parts.hostname or not port_is_valid:
        return False
    return not parts.fragment and (with_query or not parts.query)
