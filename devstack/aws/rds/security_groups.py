"""What the rules of security groups let in and out, by EC2's answer to DescribeSecurityGroups.

Rules count by their addresses: their ports and protocols are taken for the database's, and a rule that names another group
admits nobody, because the emulator has no network interfaces. A group that EC2 does not know lets everything pass.
Source: EC2 API Reference, SecurityGroup; VPC User Guide, "Security group rules".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import psutil

from devstack.aws.caller import Caller
from devstack.aws.gates import Admits
from devstack.aws.rds.resources import Cluster
from devstack.aws.rds.state import RdsState
from devstack.aws.services import ServiceError

MACHINE = ipaddress.IPv4Network("127.0.0.0/8")
"""Where every client and every server of the emulator is."""
Networks = list[ipaddress.IPv4Network]


def admission(state: RdsState, cluster: Cluster) -> Admits:
    """Whom the cluster's groups admit, read anew for each connection, unless they let everything pass now."""
    allowed = (_allowed(state, cluster, direction) for direction in ("IpPermissions", "IpPermissionsEgress"))
    if all(_lets_all(networks) for networks in allowed):
        return lambda *_: True
    return lambda address, peer: _admits(state, cluster, address, peer)


def _admits(state: RdsState, cluster: Cluster, address: str, peer_port: int) -> bool:
    """Whether the groups of this cluster let the peer in and, if it is another cluster's server, whether its own let it out."""
    with state.lock:
        admitted = _contains(_allowed(state, cluster, "IpPermissions"), address)
        client = _cluster_of_process(state, peer_port)
        return admitted and (client is None or _contains(_allowed(state, client, "IpPermissionsEgress"), "127.0.0.1"))


def _cluster_of_process(state: RdsState, peer_port: int) -> Cluster | None:
    """The cluster whose server has opened a connection from this port; None if another program has."""
    for region in state.regions():
        for cluster in region.clusters.values():
            for process_id in state.databases[cluster.engine].process_ids(cluster.resource_id):
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    process = psutil.Process(process_id)
                    for each in (process, *process.children(recursive=True)):
                        if any(
                            opened.laddr.port == peer_port for opened in each.net_connections("tcp") if opened.laddr
                        ):
                            return cluster
    return None


def _allowed(state: RdsState, cluster: Cluster, direction: str) -> Networks | None:
    """The networks of all rules of one direction; None if a group lets everything pass."""
    region = state.region_of(cluster)
    networks: Networks = []
    for name in cluster.security_groups:
        caller = Caller(region.account, region.name, "ec2")
        try:
            answer = state.services.query(caller, "DescribeSecurityGroups", {"GroupId.1": name})
        except ServiceError:
            return None
        networks += _networks(answer["SecurityGroups"][0].get(direction, []))
    return networks


def _networks(rules: Iterable[Mapping[str, Any]]) -> Networks:
    return [ipaddress.IPv4Network(each["CidrIp"]) for rule in rules for each in rule.get("IpRanges", [])]


def _lets_all(networks: Networks | None) -> bool:
    return networks is None or any(MACHINE.subnet_of(network) for network in networks)


def _contains(networks: Networks | None, address: str) -> bool:
    return networks is None or any(ipaddress.IPv4Address(address) in network for network in networks)
