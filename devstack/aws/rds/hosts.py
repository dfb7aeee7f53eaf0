"""The host names of endpoints, made from the names of clusters and instances as AWS makes them.

They end in `.localhost` in place of `amazonaws.com`: such names are this machine's (RFC 6761, section 6.3). Not every resolver
knows that, so a client may have to be given 127.0.0.1 beside the name.
Sources: Aurora User Guide, "Amazon Aurora endpoint connections"; mysql-net/MySqlConnector#498, for the names in a certificate.
"""

from __future__ import annotations

import hashlib

from devstack.aws.rds.resources import Cluster

DOMAIN = "rds.localhost"


def writer(cluster: Cluster) -> str:
    """The cluster endpoint."""
    return f"{cluster.identifier}.cluster-{_place(cluster)}"


def reader(cluster: Cluster) -> str:
    """The reader endpoint."""
    return f"{cluster.identifier}.cluster-ro-{_place(cluster)}"


def custom(cluster: Cluster, identifier: str) -> str:
    """A custom endpoint."""
    return f"{identifier}.cluster-custom-{_place(cluster)}"


def member(cluster: Cluster, instance: str) -> str:
    """The endpoint of an instance, by its identifier."""
    return f"{instance}.{_place(cluster)}"


def all_of(cluster: Cluster) -> list[str]:
    """The names in a certificate of the cluster; all custom endpoints are one."""
    instances = [member(cluster, name) for name in cluster.members]
    return [writer(cluster), reader(cluster), custom(cluster, "*"), *instances]


def _place(cluster: Cluster) -> str:
    """What the names of an account in a region have in common."""
    digest = hashlib.sha256(f"{cluster.account}/{cluster.region}".encode()).hexdigest()
    return f"c{digest[:11]}.{cluster.region}.{DOMAIN}"
