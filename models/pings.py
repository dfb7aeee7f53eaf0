"""The input and the outcome of ping-monitor."""

from enum import StrEnum

from pydantic import Field

from models.identifiers import SecretId
from models.model import Model
from models.source import Location


class Ping(StrEnum):
    """What the monitor is notified of, by healthchecks.io's convention; the value is appended to the ping URL."""

    START = "/start"
    SUCCESS = ""
    FAIL = "/fail"


class PingInput(Model):
    """The input of ping-monitor."""

    operation_id: str
    secret_id: SecretId = Field(description="The secret with the ping URL; the URL itself never travels.")
    owner: Location = Field(description="Where the secret is, and the role that may read it.")
    ping: Ping


class PingOutcome(Model):
    """What came of it."""

    problem: str | None = Field(default=None, description="Why the monitor was not pinged; None: it was.")
