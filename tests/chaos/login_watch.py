"""A client that resolves the target's name and logs in again and again, through a swap: what it read, and when nothing."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, Self

import psycopg

from devstack.aws.rds import responses
from devstack.demo_environment import ACCOUNT, DATABASE, TARGET, TARGET_REGION, USERS
from devstack.processes import LOOPBACK
from tests.chaos.environment import CampaignEnvironment
from tests.rigs.login_poll import repeated_in_background

EVERY_S = 0.2
CONNECT_S = 2
USER = next(iter(USERS))
CHECKSUM = "SELECT md5(string_agg(orders::text, ',' ORDER BY id)) FROM orders"
REFUSED_LOGINS = ("authentication failed", "is not permitted to log in", "does not exist")
"""What PostgreSQL answers a user whom it does not let in, unlike a server that does not answer at all."""


class Data(StrEnum):
    """What a login under the target's name read."""

    OLD = "old"
    NEW = "new"
    HALF = "half"
    """A cluster has the name and answers, but not with its data."""


@dataclass
class LoginWatch:
    """Logs in every 200 ms as a user of the request, and verifies the server's certificate and name.

    It resolves the name in the emulator's own state: its calls would otherwise meet the faults that are meant for the worker.
    """

    environment: CampaignEnvironment
    answers: list[tuple[float, Data | None]] = field(default_factory=list)
    """When each attempt began (seconds, monotonic), and what it read; None without an answer."""
    checksums: list[str] = field(default_factory=list)
    """Of the table before the restore and after it."""
    _running: ExitStack = field(default_factory=ExitStack)
    _password: str = ""

    def __enter__(self) -> Self:
        """Begin to log in."""
        manager = self.environment.clients["secretsmanager", TARGET_REGION]
        secret = json.loads(manager.get_secret_value(SecretId=USERS[USER])["SecretString"])
        self._password = secret["password"]
        self.attempt()
        self._add_checksum()
        self._running.enter_context(repeated_in_background(self.attempt, EVERY_S))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and log in once more."""
        self._running.close()
        self.attempt()
        self._add_checksum()

    def attempt(self) -> None:
        """Log in once."""
        began = time.monotonic()
        self.answers.append((began, self._read()))

    @property
    def sequence(self) -> list[Data | None]:
        """The answers, each as often as it changed."""
        return [answer for answer, _ in groupby(answer for _, answer in self.answers)]

    @property
    def absence(self) -> float:
        """The longest time in seconds between two answers, if one attempt between them had none; 0 otherwise."""
        longest, last, is_silent = 0.0, self.answers[0][0], False
        for at, answer in self.answers:
            if answer is None:
                is_silent = True
                continue
            if is_silent:
                longest = max(longest, at - last)
            last, is_silent = at, False
        return max(longest, self.answers[-1][0] - last) if is_silent else longest

    def _read(self) -> Data | None:
        try:
            with self._connect() as connection:
                query = "SELECT count(*) FROM orders WHERE id = %s"
                [(count,)] = connection.execute(query, (self.environment.newest_order,)).fetchall()
        except KeyError:
            return None
        except psycopg.OperationalError as error:
            return Data.HALF if any(text in str(error) for text in REFUSED_LOGINS) else None
        except psycopg.Error:
            return Data.HALF
        return Data.NEW if count else Data.OLD

    def _add_checksum(self) -> None:
        try:
            with self._connect() as connection:
                [(checksum,)] = connection.execute(CHECKSUM).fetchall()
        except (KeyError, psycopg.Error) as error:
            checksum = repr(error)
        self.checksums.append(checksum)

    def _connect(self) -> psycopg.Connection[Any]:
        """Raises KeyError if no cluster has the name."""
        state = self.environment.emulator._state
        with state.lock:
            described = responses.cluster(state, state.region(ACCOUNT, TARGET_REGION).clusters[TARGET])
        return psycopg.connect(
            host=described["Endpoint"],
            hostaddr=LOOPBACK,
            port=described["Port"],
            sslmode="verify-full",
            sslrootcert=str(self.environment.demo.certificate_bundle),
            dbname=DATABASE,
            user=USER,
            password=self._password,
            connect_timeout=CONNECT_S,
        )
