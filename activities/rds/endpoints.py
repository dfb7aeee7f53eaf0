"""Where the database of a cluster accepts logins, and which secret has its master password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.clusters import Endpoint
from models.configuration import CustomEndpoint
from models.request import Target

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef


def find_endpoint(target: Target, cluster: DBClusterTypeDef, engine: str) -> Endpoint | None:
    """None while RDS's answer lacks what one needs to log in: no member of its model is promised."""
    secret_id = target.master_user_secret_id or cluster.get("MasterUserSecret", {}).get("SecretArn")
    host, port, username = cluster.get("Endpoint"), cluster.get("Port"), cluster.get("MasterUsername")
    if not (host and port and username and secret_id):
        return None
    return Endpoint(
        host=host,
        port=port,
        engine=engine,
        master_username=username,
        master_user_secret_id=secret_id,
        database_name=cluster.get("DatabaseName"),
    )


def endpoint_members(endpoint: CustomEndpoint) -> dict[str, list[str]]:
    """The instances of a custom endpoint as RDS takes them: static or excluded ones, not both."""
    if endpoint.static_members:
        return {"StaticMembers": list(endpoint.static_members)}
    return {"ExcludedMembers": list(endpoint.excluded_members)}
