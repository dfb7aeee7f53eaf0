"""A restore by a script of boto3's waiters as a process, which can be killed: `python -m tests.benchmarks.waiters_script COPY`.

Its waits pass thirty times as fast. It ends with 1 at the first call that AWS refuses, and prints AWS's code.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.benchmarks.peers import RestoreByWaiters, waiters_sleep_by, waits_of_boto3

FASTER = 30


class FastClock:
    """The machine's clock, on which every wait is shorter."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / FASTER)


def client(service: Any, region: str) -> Any:
    """A client with the credentials and the endpoint of the environment."""
    return boto3.client(service, region_name=region)


def main() -> int:
    """Restore with a copy of this name."""
    clock = FastClock()
    with waiters_sleep_by(clock):
        try:
            RestoreByWaiters(client, waits_of_boto3(clock), sys.argv[1]).run()
        except ClientError as refused:
            print(refused.response["Error"]["Code"])
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
