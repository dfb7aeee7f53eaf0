"""Typed boto3 clients, one per service, region and role, created once and cached.

Credentials and endpoints come from botocore's own chain (environment, profile, ``AWS_ENDPOINT_URL``).
Timeouts: botocore makes at most 3 attempts of 5 s to connect and 20 s to read, so one call ends within 90 s, well
inside an activity's start-to-close timeout. Temporal retries what is still failing then.
No client believes an answer that is not AWS's, those of credentials included (clients/answer_check.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.session import Session as BotocoreSession
from botocore.session import get_session

from clients import read_guard
from clients.answer_check import refuse_foreign_answers
from clients.answer_parser import parse_items_faster
from clients.complete_answers import refuse_incomplete_answers
from clients.region_lists import RegionLists
from models.identifiers import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import ResponseMetadataTypeDef
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

    from clients.iam import IamClient
    from models.source import Location

CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    parameter_validation=True,
    user_agent_extra="aurora-restore-pipeline",
    # As many as the threads that a worker may have; each is opened only when it is needed, and with fewer urllib3 throws
    # away connections that the next call would use.
    max_pool_connections=200,
)

TRAIL_CONFIG = CONFIG.merge(
    Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
)
"""For DynamoDB: a put must end while the workflow task is open. Temporal repeats it until the trail has the row."""

QUEUE_CONFIG = CONFIG.merge(Config(read_timeout=30))
"""For SQS, which holds an answer back for up to 20 s while a queue is empty. Source: SQS API Reference, ReceiveMessage."""

changing_request_ids: ContextVar[list[str] | None] = ContextVar("changing_request_ids", default=None)
"""Request ids of the calls that change something, collected for the audit row of the activity that made them."""

READ_ONLY_PREFIXES = ("Describe", "List", "Get", "Query", "Assume")
"""How the name of an operation begins that changes nothing."""


class WrongEndpoint(BotoCoreError):
    """A service's endpoint in AWS's own settings is not a valid address; the text names the variable."""

    fmt = "{variable}: {reason}; expected an address with its scheme, such as http://127.0.0.1:4566"


class _Response(TypedDict, total=False):
    """What every parsed response of AWS has."""

    ResponseMetadata: ResponseMetadataTypeDef


class AwsClients:
    """Clients per service, location and operation; safe to share between threads."""

    def __init__(self, session: BotocoreSession | None = None, environment: str = DEFAULT_ENVIRONMENT) -> None:
        """`session` has the worker's own credentials, with which roles are assumed; default: botocore's chain.

        `environment` marks what is made through these clients, and begins the names of the roles' sessions.
        """
        self.environment = environment
        self.lists = RegionLists()
        self._session = session or get_session()
        refuse_foreign_answers(self._session)
        refuse_incomplete_answers(self._session)
        parse_items_faster(self._session)
        self._observer: Callable[..., None] | None = None
        self._lock = Lock()  # boto3 clients may be shared between threads, sessions may not
        self._create_cached = lru_cache(maxsize=256)(self._create_client)
        self._assume_role_once = lru_cache(maxsize=64)(self._assume_role)

    def on_each_attempt(self, observer: Callable[..., None]) -> None:
        """Call the observer after each request of a client that is made from now on, botocore's own retries included.

        It gets what botocore's event `needs-retry` has, `response` (None without an answer) and `operation` among it.
        """
        self._observer = observer

    def rds(self, location: Location, operation_id: str) -> RDSClient:
        """RDS in the location's region and account, with the read guard installed."""
        client: RDSClient = self._client_for(location, operation_id, "rds")
        return client

    def scaling(self, location: Location, operation_id: str) -> ApplicationAutoScalingClient:
        """Application Auto Scaling in the location's region."""
        client: ApplicationAutoScalingClient = self._client_for(location, operation_id, "application-autoscaling")
        return client

    def secretsmanager(self, location: Location, operation_id: str) -> SecretsManagerClient:
        """Secrets Manager in the location's region."""
        client: SecretsManagerClient = self._client_for(location, operation_id, "secretsmanager")
        return client

    def kms(self, location: Location, operation_id: str) -> KMSClient:
        """KMS in the location's region."""
        client: KMSClient = self._client_for(location, operation_id, "kms")
        return client

    def ec2(self, location: Location, operation_id: str) -> EC2Client:
        """EC2 in the location's region, to read security groups."""
        client: EC2Client = self._client_for(location, operation_id, "ec2")
        return client

    def iam(self, location: Location, operation_id: str) -> IamClient:
        """IAM, to ask what the location's identity may do."""
        client: IamClient = self._client_for(location, operation_id, "iam")
        return client

    def sts(self, location: Location, operation_id: str) -> STSClient:
        """STS in the location's region, to read which account the credentials belong to."""
        client: STSClient = self._client_for(location, operation_id, "sts")
        return client

    def sns(self, location: Location, operation_id: str, topic_arn: str) -> SNSClient:
        """SNS in the topic's own region, with the location's role."""
        client: SNSClient = self._client(
            "sns", topic_arn.split(":")[3], location.role_arn, location.external_id, operation_id
        )
        return client

    def dynamodb(self, region: str) -> DynamoDBClient:
        """DynamoDB for the audit trail, with the worker's own credentials."""
        client: DynamoDBClient = self._client("dynamodb", region, None, None, "audit")
        return client

    def sqs(self, region: str) -> SQSClient:
        """SQS of a region, with the worker's own credentials, for the queues of events."""
        client: SQSClient = self._client("sqs", region, None, None, "")
        return client

    def own_iam(self, region: str) -> IamClient:
        """IAM, to ask what the worker's own identity may do."""
        client: IamClient = self._client("iam", region, None, None, "")
        return client

    def own_sts(self, region: str) -> STSClient:
        """STS of a region, to read what the worker's own identity is."""
        client: STSClient = self._client("sts", region, None, None, "")
        return client

    def _client_for(self, location: Location, operation_id: str, service: str) -> Any:
        return self._client(service, location.region, location.role_arn, location.external_id, operation_id)

    def _client(
        self, service: str, region: str, role_arn: str | None, external_id: str | None, operation_id: str
    ) -> Any:
        # Without a role all operations share one client: the operation id only names the role's session.
        with self._lock:
            return self._create_cached(service, region, role_arn, external_id, operation_id if role_arn else "")

    def _create_client(
        self, service: str, region: str, role_arn: str | None, external_id: str | None, operation_id: str
    ) -> Any:
        session = self._assume_role_once(region, role_arn, external_id, operation_id) if role_arn else self._session
        config = {"dynamodb": TRAIL_CONFIG, "sqs": QUEUE_CONFIG}.get(service, CONFIG)
        create = boto3.Session(botocore_session=session).client
        client = self._create_with_valid_endpoint(create, service, region_name=region, config=config)
        client.meta.events.register("after-call", _record_request_id)
        if self._observer is not None:
            client.meta.events.register("needs-retry", self._observer)
        if service == "rds":
            read_guard.install(client)
        return client

    def _assume_role(self, region: str, role_arn: str, external_id: str | None, operation_id: str) -> BotocoreSession:
        """A session of the role for all clients of an operation in a region; botocore renews it before it expires.

        Its name joins CloudTrail with the trail.

        Raises `NoCredentialsError` if the worker has no credentials to assume the role with; the next call tries again.
        """
        own = self._session.get_credentials()
        if own is None:
            raise NoCredentialsError
        arguments = {"RoleSessionName": f"{self.environment}-{operation_id}"}
        if external_id:
            arguments["ExternalId"] = external_id
        fetcher = AssumeRoleCredentialFetcher(
            # STS of this region, with our timeouts: without a region botocore needs one in the worker's environment.
            client_creator=partial(
                self._create_with_valid_endpoint, self._session.create_client, region_name=region, config=CONFIG
            ),
            source_credentials=own,
            role_arn=role_arn,
            extra_args=arguments,
        )
        session = get_session()
        # Each session would read the services' models from their files again.
        session.register_component("data_loader", self._session.get_component("data_loader"))
        refuse_foreign_answers(session)
        refuse_incomplete_answers(session)
        session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return session

    def _create_with_valid_endpoint(self, create: Callable[..., Any], service: str, **arguments: Any) -> Any:
        """The client that `create` returns.

        Raises `WrongEndpoint` where botocore raises a bare `ValueError`, and for a port it would refuse only at the
        first call.
        """
        try:
            client = create(service, **arguments)
            urlsplit(client.meta.endpoint_url).port  # noqa: B018 - raises if it is not a number
        except BotoCoreError:
            raise
        except ValueError as error:
            raise WrongEndpoint(variable=self._endpoint_variable(service), reason=error) from error
        return client

    def _endpoint_variable(self, service: str) -> str:
        """The setting that the service's endpoint comes from, in botocore's order.

        Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
        """
        name = self._session.get_service_model(service).service_id.hyphenize().replace("-", "_").upper()
        variables = (f"AWS_ENDPOINT_URL_{name}", "AWS_ENDPOINT_URL")
        is_set = next((variable for variable in variables if os.environ.get(variable)), None)
        return is_set or "endpoint_url in AWS's configuration file"


def _record_request_id(model: OperationModel, parsed: _Response, **_: object) -> None:
    collected = changing_request_ids.get()
    request_id = parsed.get("ResponseMetadata", {}).get("RequestId")
    if collected is not None and request_id and not model.name.startswith(READ_ONLY_PREFIXES):
        collected.append(request_id)
