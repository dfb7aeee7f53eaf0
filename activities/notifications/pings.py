"""ping-monitor: tells a dead man's switch that a restore began, succeeded or did not.

The switch raises an alarm for a restore that never ran, which no message of this pipeline can do.
Source: healthchecks.io, "Pinging API": URL, URL/start, URL/fail.
"""

from __future__ import annotations

import time

from botocore.exceptions import BotoCoreError, ClientError

from activities.rds.aws_errors import pipeline_error_for
from activities.step import named_activity
from clients.aws import AwsClients
from clients.secret_urls import NoAnswer, SecretUrlClient, read_secret_url
from models.pings import PingInput, PingOutcome

PING_MONITOR = "ping-monitor"
PAUSES = (0.5, 1.0, 0.0)
"""Seconds after each request; all three together take less than 20 s."""
BUSY = (429, 500, 502, 503, 504)


class PingActivities:
    """Pings the monitor of a request."""

    def __init__(self, aws: AwsClients) -> None:
        """`aws` has the clients."""
        self._aws = aws
        self._http = SecretUrlClient(read_seconds=2.5)

    @named_activity(PING_MONITOR)
    def ping_monitor(self, ping_input: PingInput) -> PingOutcome:
        """Read the ping URL and request it; say what went wrong instead of raising, and never with the URL.

        Run twice: two pings, which mean the same to the monitor.
        """
        secret_id = ping_input.secret_id
        try:
            secrets = self._aws.secretsmanager(ping_input.owner, ping_input.operation_id)
            url = read_secret_url(secrets, secret_id)
        except (ClientError, BotoCoreError) as error:
            return PingOutcome(
                problem=f"the secret {secret_id} cannot be read: {pipeline_error_for(error).fault.short}"
            )
        if url is None:
            return PingOutcome(
                problem=f'the secret {secret_id} is not JSON with an https URL under "url". Correct the secret'
            )
        return PingOutcome(problem=self._request(f"{url.rstrip('/')}{ping_input.ping}", secret_id))

    def _request(self, url: str, secret_id: str) -> str | None:
        """Returns what went wrong; None if the monitor accepted the ping."""
        where = f"the monitor of the secret {secret_id}"
        try:
            status = self._ask(url)
        except NoAnswer as kind:
            return f"{where} did not answer ({kind}). Check that the worker reaches it"
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirections
            return f"{where} answered with a redirection ({status}), which is not followed. Correct the secret"
        if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's successes
            return f"{where} answered with the status {status}; expected 200. Check the URL in the secret"
        return None

    def _ask(self, url: str) -> int:
        """The status of the first answer that does not say "later", or of the last one. Raises `NoAnswer`."""
        answer: int | NoAnswer = NoAnswer("not asked")
        for pause in PAUSES:
            try:
                answer = self._http.get(url)
            except NoAnswer as error:
                answer = error
            else:
                if answer not in BUSY:
                    return answer
            time.sleep(pause)
        if isinstance(answer, NoAnswer):
            raise answer
        return answer
