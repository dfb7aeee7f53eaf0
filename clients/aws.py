"""Typed boto3 clients for a location, an account seen through a role, made once and kept.

Credentials and endpoints come from botocore's own chain (environment, profile, ``AWS_ENDPOINT_URL``).
Timeouts: botocore makes at most 3 attempts of 5 s to connect and 20 s to read, so that one call ends within 90 s,
well inside an activity's start-to-close; what is left of a bad hour is Temporal's to retry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.session import Session as BotocoreSession
from botocore.session import get_session

from clients import read_guard

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

    from models.request import Location

CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    parameter_validation=True,
    user_agent_extra="aurora-restore-pipeline",
)

TRAIL_CONFIG = CONFIG.merge(
    Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
)
"""For DynamoDB: one put must end while a workflow task is open; Temporal repeats it until the trail has its row."""

changing_requests: ContextVar[list[str] | None] = ContextVar("changing_requests", default=None)
"""Collects the request ids of the calls that change something, for the audit row of the activity that made them."""

READING = ("Describe", "List", "Get", "Query", "Assume")


class WrongEndpoint(BotoCoreError):
    """The address that AWS's own settings give for a service is none; the text names the variable."""

    fmt = "{variable}: {said}; wanted an address with its scheme, such as http://127.0.0.1:4566"


class AwsClients:
    """Clients per service, location and operation; safe to share between threads."""

    def __init__(self, session: BotocoreSession | None = None) -> None:
        """`session` is the worker's own identity, from which roles are assumed; default, botocore's chain."""
        self._session = session or get_session()
        self._lock = Lock()  # boto3 clients may be shared between threads, sessions may not
        self._client = lru_cache(maxsize=256)(self._make_client)

    def rds(self, location: Location, operation_id: str) -> RDSClient:
        """RDS in the location's region, as its account."""
        client: RDSClient = self._for(location, operation_id, "rds")
        return client

    def secretsmanager(self, location: Location, operation_id: str) -> SecretsManagerClient:
        """Secrets Manager in the location's region."""
        client: SecretsManagerClient = self._for(location, operation_id, "secretsmanager")
        return client

    def kms(self, location: Location, operation_id: str) -> KMSClient:
        """KMS in the location's region."""
        client: KMSClient = self._for(location, operation_id, "kms")
        return client

    def ec2(self, location: Location, operation_id: str) -> EC2Client:
        """EC2 in the location's region, for its security groups."""
        client: EC2Client = self._for(location, operation_id, "ec2")
        return client

    def sts(self, location: Location, operation_id: str) -> STSClient:
        """STS, which says whose credentials these are."""
        client: STSClient = self._for(location, operation_id, "sts")
        return client

    def sns(self, location: Location, operation_id: str, topic_arn: str) -> SNSClient:
        """SNS in the topic's own region, as the location's account."""
        client: SNSClient = self._locked(
            "sns", topic_arn.split(":")[3], location.role_arn, location.external_id, operation_id
        )
        return client

    def dynamodb(self, region: str) -> DynamoDBClient:
        """DynamoDB for the audit trail, as the worker itself."""
        client: DynamoDBClient = self._locked("dynamodb", region, None, None, "audit")
        return client

    def _for(self, location: Location, operation_id: str, service: str) -> Any:
        return self._locked(service, location.region, location.role_arn, location.external_id, operation_id)

    def _locked(
        self, service: str, region: str, role_arn: str | None, external_id: str | None, operation_id: str
    ) -> Any:
        # Without a role the operation makes no difference: the worker's own session serves them all.
        with self._lock:
            return self._client(service, region, role_arn, external_id, operation_id if role_arn else "")

    def _make_client(
        self, service: str, region: str, role_arn: str | None, external_id: str | None, operation_id: str
    ) -> Any:
        session = self._assumed(region, role_arn, external_id, operation_id) if role_arn else self._session
        config = TRAIL_CONFIG if service == "dynamodb" else CONFIG
        make = boto3.Session(botocore_session=session).client
        client = self._at_its_endpoint(make, service, region_name=region, config=config)
        client.meta.events.register("after-call", _remember_request)
        if service == "rds":
            read_guard.watch(client)
        return client

    def _assumed(self, region: str, role_arn: str, external_id: str | None, operation_id: str) -> BotocoreSession:
        """A session of the role, renewed before it expires; its name joins CloudTrail with the audit trail.

        Raises `NoCredentialsError` if there is no identity to assume it from; the next call looks for one again.
        """
        own = self._session.get_credentials()
        if own is None:
            raise NoCredentialsError
        arguments = {"RoleSessionName": f"aurora-restore-{operation_id}"}
        if external_id:
            arguments["ExternalId"] = external_id
        fetcher = AssumeRoleCredentialFetcher(
            # The region's own STS, and our timeouts: without a region botocore wants one of the worker's environment.
            client_creator=partial(
                self._at_its_endpoint, self._session.create_client, region_name=region, config=CONFIG
            ),
            source_credentials=own,
            role_arn=role_arn,
            extra_args=arguments,
        )
        session = get_session()
        session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return session

    def _at_its_endpoint(self, make: Callable[..., Any], service: str, **arguments: Any) -> Any:
        """The client that `make` makes.

        Raises `WrongEndpoint` where botocore has a bare `ValueError`, for a port only at the first call.
        """
        try:
            client = make(service, **arguments)
            urlsplit(client.meta.endpoint_url).port  # noqa: B018 - raises for what is no number
        except BotoCoreError:
            raise
        except ValueError as error:
            raise WrongEndpoint(variable=self._endpoint_variable(service), said=error) from error
        return client

    def _endpoint_variable(self, service: str) -> str:
        """Where botocore has the service's endpoint from, in its order. Source: SDKs guide, "Service-specific endpoints"."""
        name = self._session.get_service_model(service).service_id.hyphenize().replace("-", "_").upper()
        of_service, of_all = f"AWS_ENDPOINT_URL_{name}", "AWS_ENDPOINT_URL"
        named = next((variable for variable in (of_service, of_all) if os.environ.get(variable)), None)
        return named or "endpoint_url in AWS's configuration file"


def _remember_request(model: Any, parsed: dict[str, Any], **_: object) -> None:
    collected = changing_requests.get()
    request_id = parsed.get("ResponseMetadata", {}).get("RequestId")
    if collected is not None and request_id and not model.name.startswith(READING):
        collected.append(request_id)
