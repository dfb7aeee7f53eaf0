"""Where a cluster's endpoint leads: a port of 127.0.0.1 that belongs to the cluster's name, and the certificate shown there.

A name has the same port for as long as the emulator runs, as on AWS it has one address at a time: a renamed cluster leaves
its port, and whichever has the name next gets it. The port is open while the cluster can be reached.
As on AWS a certificate keeps the names that the cluster had when it was started, until it is stopped and started again.
Source: Aurora User Guide, "Modifying an Amazon Aurora DB cluster", the DB cluster identifier.
"""

from __future__ import annotations

from concurrent.futures import Future

from devstack.aws.databases import DatabaseHost, NoDatabases
from devstack.aws.gates import LOOPBACK, Gate
from devstack.aws.rds import hosts, security_groups
from devstack.aws.rds.engine_versions import ENGINES
from devstack.aws.rds.resources import Cluster, Instance
from devstack.aws.rds.state import RdsState
from devstack.aws.sockets import SilentPort, refusing_port


def port(cluster: Cluster) -> int:
    """The cluster's port: of its gate, or one that refuses, or one that never responds."""
    if cluster.silent_port:
        return cluster.silent_port.port
    return cluster.gate.port if cluster.gate else refusing_port()


def update_reachability(state: RdsState, cluster: Cluster) -> None:
    """Open the endpoint while an instance is available and the cluster is not being renamed, and close it otherwise."""
    instances = state.region_of(cluster).instances
    serving = any(instances[name].status == "available" for name in cluster.members)
    cluster.reachable = serving and cluster.status != "renaming"
    if not cluster.reachable:
        close(cluster)
    elif cluster.gate is None and not isinstance(_host(state, cluster), NoDatabases):
        _open(state, cluster)


def close(cluster: Cluster) -> None:
    """Refuse connections from now on; those that lead to the server stay."""
    if cluster.gate is not None:
        cluster.gate.close()
        cluster.gate = None


def _open(state: RdsState, cluster: Cluster) -> None:
    name, host = hosts.writer(cluster), _host(state, cluster)
    # A new cluster gets the port that it asks for, which is a gate's too; 5432 itself is left to others.
    requested = cluster.port if cluster.port != ENGINES[cluster.engine] and not cluster.opened else None
    gate = Gate(
        requested or state.ports.get(name),
        lambda: host.address(cluster.resource_id),
        security_groups.admission(state, cluster),
    )
    cluster.gate, cluster.opened = gate, True
    state.ports[name] = gate.port
    state.gates.append(gate)


def make_unreachable(state: RdsState, cluster: Cluster) -> None:
    """Make new connections to the endpoint hang."""
    if cluster.silent_port is None:
        cluster.silent_port = SilentPort()
        state.silent_ports.append(cluster.silent_port)


def make_reachable(cluster: Cluster) -> None:
    """Make the endpoint respond again, also to clients that still use the port that hung."""
    if cluster.silent_port is not None:
        silent_port, cluster.silent_port = cluster.silent_port, None
        silent_port.forward(lambda: (LOOPBACK, port(cluster)))


def issue_certificate(state: RdsState, cluster: Cluster) -> str:
    """A certificate for the names that the cluster and its instances have now, with its key, in PEM."""
    cluster.certified_names = hosts.all_of(cluster)
    return state.authority.issue(cluster.certified_names)


def renew_certificate(state: RdsState, cluster: Cluster) -> Future[None] | None:
    """Show a new certificate, when the cluster has been started again; None if it has no server."""
    if not cluster.certified_names:
        return None
    return _show(state, cluster, issue_certificate(state, cluster))


def certify_instance(state: RdsState, instance: Instance) -> Future[None] | None:
    """Add a new instance to what the cluster shows; None if it is there already, or there is no server."""
    cluster, name = instance.cluster, hosts.member(instance.cluster, instance.identifier)
    if not cluster.certified_names or name in cluster.certified_names:
        return None
    cluster.certified_names.append(name)
    return _show(state, cluster, state.authority.issue(cluster.certified_names))


def _show(state: RdsState, cluster: Cluster, certificate: str) -> Future[None]:
    host, key = _host(state, cluster), cluster.resource_id
    return state.server_tasks.submit(host, key, lambda: host.show_certificate(key, certificate))


def _host(state: RdsState, cluster: Cluster) -> DatabaseHost:
    return state.databases[cluster.engine]
