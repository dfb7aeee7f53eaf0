"""The database of a request's live target, as its master user, for verbs that compare its schema with a masking file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.terminal import print_progress

if TYPE_CHECKING:
    from activities.databases.masking.schema import Schema
    from clients.aws import AwsClients
    from models.clusters import Endpoint
    from models.request import RestoreRequest
    from settings import DatabaseSettings

MASKING = "masking"
"""In place of an operation's number: in the session names of the assumed roles, and so in CloudTrail."""


def read_live_schema(request: RestoreRequest, settings: DatabaseSettings) -> Schema:
    """Every table of every database of the target.

    Raises `RestoreRefused` if there is no cluster to log in to.
    """
    from activities.databases.connectors import DatabaseConnectors
    from clients.aws import AwsClients
    from clients.mysql import MysqlConnector
    from clients.postgres import PostgresConnector
    from settings import DatabaseTls

    target, aws = request.target, AwsClients(environment=settings.environment)
    endpoint = _find_endpoint(request, aws)
    print_progress(f"Reading the schema of {target.arn} at {endpoint.host}:{endpoint.port} …")
    tls, ca_file, seconds = settings.database_tls, settings.database_tls_ca_file, settings.database_connect_seconds
    postgres = PostgresConnector(tls.value, ca_file, seconds)
    mysql = MysqlConnector(tls is DatabaseTls.VERIFY_FULL, ca_file, seconds)
    return DatabaseConnectors(aws, postgres, mysql).database(target, MASKING, endpoint).read_schema()


def _find_endpoint(request: RestoreRequest, aws: AwsClients) -> Endpoint:
    """Source: RDS API Reference, DescribeDBClusters."""
    from activities.rds.endpoints import find_endpoint
    from activities.rds.target import TargetCluster
    from runs.restores import RestoreRefused

    cluster = TargetCluster(aws, request.target, MASKING).find()
    if cluster is None:
        raise RestoreRefused(f"{request.target.arn} does not exist, so that it has no schema. Restore it once first.")
    endpoint = find_endpoint(request.target, cluster, cluster["Engine"])
    if endpoint is None:
        raise RestoreRefused(
            f"{request.target.arn} has no secret for its master user, or no endpoint yet. "
            "Name the secret in target.master_user_secret_id, or wait until the cluster is available."
        )
    return endpoint
