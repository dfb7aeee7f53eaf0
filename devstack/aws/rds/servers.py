"""The database server behind a cluster: started with the first instance, backed up, destroyed.

In AWS nothing can connect to a cluster without an available instance, so a server is started when the first
instance is being created, and its address is shown once that instance is available.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future

from devstack.aws.databases import Address, DatabaseHost
from devstack.aws.rds.resources import Backup, Cluster
from devstack.aws.rds.state import RdsState
from devstack.aws.sockets import SilentPort, refusing_port


def host_of(state: RdsState, engine: str) -> DatabaseHost:
    """Who runs servers of an engine."""
    return state.databases[engine]


def start(state: RdsState, cluster: Cluster) -> Future[Address]:
    """Start the cluster's server once: empty, or from the backup that it was restored from."""
    if cluster.server is None:
        cluster.server = _restore(state, cluster, cluster.origin) if cluster.origin else _create(state, cluster)
    return cluster.server


def _create(state: RdsState, cluster: Cluster) -> Future[Address]:
    host = host_of(state, cluster.engine)
    user, password, database = cluster.master_username, cluster.master_password or "", cluster.database_name
    cluster.master_password = None
    return state.work.submit(
        host, cluster.resource_id, lambda: host.create(cluster.resource_id, user, password, database)
    )


def _restore(state: RdsState, cluster: Cluster, origin: Backup) -> Future[Address]:
    host = host_of(state, cluster.engine)
    user, password = cluster.master_username, cluster.master_password
    cluster.master_password = cluster.origin = None

    def restore() -> Address:
        try:
            address = host.restore(origin.key, cluster.resource_id)
            if password is not None:
                host.set_master_password(cluster.resource_id, user, password)
        finally:
            release(state, origin)
        return address

    return state.work.submit(host, cluster.resource_id, restore)


def set_master_password(state: RdsState, cluster: Cluster, password: str) -> Future[None]:
    """Change the password on the server; one that is not started yet gets it when it starts."""
    if cluster.server is None:
        cluster.master_password = password
        return done()
    host = host_of(state, cluster.engine)
    user = cluster.master_username
    return state.work.submit(
        host, cluster.resource_id, lambda: host.set_master_password(cluster.resource_id, user, password)
    )


def back_up(state: RdsState, cluster: Cluster) -> Backup:
    """Capture the cluster's data as it is now. A restored cluster that never ran still is its own backup."""
    if cluster.server is None and cluster.origin is not None:
        return hold(state, cluster.origin)
    start(state, cluster)
    host, key = host_of(state, cluster.engine), f"backup-{secrets.token_hex(8)}"
    work = state.work.submit(host, cluster.resource_id, lambda: host.back_up(cluster.resource_id, key))
    return Backup(key=key, engine=cluster.engine, work=work)


def hold(state: RdsState, backup: Backup) -> Backup:
    """Count one more holder of a backup."""
    with state.lock:
        backup.holders += 1
    return backup


def release(state: RdsState, backup: Backup) -> None:
    """Count one holder less, and delete the backup when it was the last one."""
    with state.lock:
        backup.holders -= 1
        if backup.holders:
            return
    host = host_of(state, backup.engine)
    state.work.submit(host, "discard", lambda: host.discard(backup.key))


def destroy(state: RdsState, cluster: Cluster) -> None:
    """Stop the server and delete its data, after whatever else is still to be done with it."""
    if cluster.origin is not None:
        release(state, cluster.origin)
    if cluster.server is not None:
        host = host_of(state, cluster.engine)
        state.work.submit(host, cluster.resource_id, lambda: host.destroy(cluster.resource_id))
        state.work.retire(cluster.resource_id)


def address(state: RdsState, cluster: Cluster) -> Address:
    """What the endpoint is: the real server, a port that refuses, or one on which connections hang."""
    if cluster.silent:
        return Address("127.0.0.1", cluster.silent.port)
    if cluster.reachable and cluster.server is not None and succeeded(cluster.server):
        return cluster.server.result()
    return Address("127.0.0.1", refusing_port())


def make_unreachable(state: RdsState, cluster: Cluster) -> None:
    """Let connections to the endpoint hang from now on."""
    if cluster.silent is None:
        cluster.silent = SilentPort()
        state.silent.append(cluster.silent)


def make_reachable(state: RdsState, cluster: Cluster) -> None:
    """Let the endpoint answer again, also for those who only know the one that hung."""
    if cluster.silent is not None:
        hung, cluster.silent = cluster.silent, None
        hung.forward(lambda: address(state, cluster))


def done() -> Future[None]:
    """Work that was nothing."""
    nothing: Future[None] = Future()
    nothing.set_result(None)
    return nothing


def succeeded(work: Future[Address] | Future[None]) -> bool:
    """Whether work is done and went well."""
    return work.done() and work.exception() is None
