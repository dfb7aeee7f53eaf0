"""The account that is asked: clients with the credentials of the shell, and one call with its answer or its refusal.

Unlike the clients of `clients.aws` these believe an answer that lacks a member: that AWS leaves it out is what the check
is to find. An answer that is not AWS's, such as a proxy's page, is refused here too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from botocore.session import Session, get_session

from clients import read_guard
from clients.answer_check import refuse_foreign_answers
from clients.aws import CONFIG
from conformance.anonymiser import Anonymiser, Json

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_rds import RDSClient

ACCEPTED = "none: AWS accepts the call"
"""In place of a code, where a call is not refused."""
MAX_READ = 200
"""Resources of a kind whose members are compared: an account may have thousands."""


def default_region() -> str | None:
    """The region of AWS's own settings, or None."""
    region: str | None = get_session().get_config_variable("region")
    return region


class Account:
    """An account in one region or two, and the names that its answers may hold."""

    def __init__(self, region: str, second_region: str | None = None, session: Session | None = None) -> None:
        """`session` has the credentials; default: botocore's chain."""
        self.region, self.second_region = region, second_region
        self._session = session or get_session()
        refuse_foreign_answers(self._session)
        self._clients: dict[str, RDSClient] = {}
        self.anonymiser = Anonymiser()
        self.absent = f"aws-check-{secrets.token_hex(6)}-absent"
        """A name that no resource has."""
        self.anonymiser.add_name(self.absent, "absent")

    def identity(self) -> str:
        """The number of the account that the credentials belong to, by STS."""
        number: str = self._client("sts", self.region).get_caller_identity()["Account"]
        self.anonymiser.add_name(number, "account")
        return number

    def partition(self) -> str:
        """The partition of the region, such as `aws`."""
        return self._session.get_partition_for_region(self.region)

    def rds(self, region: str | None = None) -> RDSClient:
        """RDS of a region; default: the first one."""
        region = region or self.region
        if region not in self._clients:
            self._clients[region] = self._client("rds", region)
        return self._clients[region]

    def scaling(self) -> ApplicationAutoScalingClient:
        """Application Auto Scaling of the first region, of which the check only reads."""
        client: ApplicationAutoScalingClient = self._client("application-autoscaling", self.region)
        return client

    def _client(self, service: str, region: str) -> Any:
        create: Any = boto3.Session(
            botocore_session=self._session
        ).client  # the stubs have an overload per literal name
        client = create(service, region_name=region, config=CONFIG)
        if service == "rds":
            read_guard.install(client)
        return client

    def ask(self, operation: str, parameters: dict[str, Any]) -> Any:
        """The answer of an operation of RDS that reads, by the name of boto3's method.

        Raises `ValueError` for an operation that does not read: those are in `own_resources` only.
        """
        if not operation.startswith(("describe_", "list_")):
            raise ValueError(f"{operation} may change something")
        return getattr(self.rds(), operation)(**parameters)

    def resources(self, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        """The first resources that an operation lists, page by page."""
        return list(self._resources(operation, key, parameters))

    def _resources(self, operation: str, key: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        count = 0
        for page in self.rds().get_paginator(operation).paginate(**parameters):  # type: ignore[call-overload]
            for resource in page[key]:
                count += 1
                yield resource
                if count >= MAX_READ:
                    return


def answer_of(call: Callable[[], object], anonymiser: Anonymiser) -> dict[str, Json]:
    """How AWS answers a call that it should refuse: with its refusal, or that it accepts the call."""
    try:
        call()
    except ClientError as error:
        return refusal(error, anonymiser)
    return {"code": ACCEPTED, "HTTP status": 200, "text": ""}


def refusal(error: ClientError, anonymiser: Anonymiser) -> dict[str, Json]:
    """A refusal of AWS as an answer: its wire code, HTTP status and text."""
    return {
        "code": str(error.response["Error"].get("Code", "")),
        "HTTP status": int(error.response["ResponseMetadata"].get("HTTPStatusCode", 0)),
        "text": anonymiser.clean(str(error.response["Error"].get("Message", ""))),
    }
