"""The database server behind a cluster: started with the first instance, backed up, destroyed.

In AWS a cluster without an available instance accepts no connection. So a server starts when the first instance is
created, and the cluster's endpoint leads to it once that instance is available.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future

from devstack.aws.databases import Address, DatabaseHost, NoDatabases
from devstack.aws.rds import entrances
from devstack.aws.rds.resources import Backup, Cluster
from devstack.aws.rds.state import RdsState


def database_host(state: RdsState, engine: str) -> DatabaseHost:
    """The host that runs the servers of an engine."""
    return state.databases[engine]


def start(state: RdsState, cluster: Cluster) -> Future[Address]:
    """Start the cluster's server once: empty, or from the backup that the cluster was restored from."""
    if cluster.server is None:
        cluster.server = _restore(state, cluster, cluster.origin) if cluster.origin else _create(state, cluster)
    return cluster.server


def _create(state: RdsState, cluster: Cluster) -> Future[Address]:
    host = database_host(state, cluster.engine)
    user, password, database = cluster.master_username, cluster.master_password or "", cluster.database_name
    cluster.master_password = None
    certificate = _certificate(state, cluster)
    return state.server_tasks.submit(
        host, cluster.resource_id, lambda: host.create(cluster.resource_id, user, password, database, certificate)
    )


def _restore(state: RdsState, cluster: Cluster, origin: Backup) -> Future[Address]:
    host = database_host(state, cluster.engine)
    user, password = cluster.master_username, cluster.master_password
    cluster.master_password = cluster.origin = None
    certificate = _certificate(state, cluster)

    def restore() -> Address:
        try:
            address = host.restore(origin.key, cluster.resource_id, certificate)
            if password is not None:
                host.set_master_password(cluster.resource_id, user, password)
        finally:
            release_backup(state, origin)
        return address

    return state.server_tasks.submit(host, cluster.resource_id, restore)


def _certificate(state: RdsState, cluster: Cluster) -> str:
    if isinstance(database_host(state, cluster.engine), NoDatabases):
        return ""
    return entrances.issue_certificate(state, cluster)


def set_master_password(state: RdsState, cluster: Cluster, password: str) -> Future[None]:
    """Change the password on the server; a server that is not started yet gets it when it starts."""
    if cluster.server is None:
        cluster.master_password = password
        return completed()
    host = database_host(state, cluster.engine)
    user = cluster.master_username
    return state.server_tasks.submit(
        host, cluster.resource_id, lambda: host.set_master_password(cluster.resource_id, user, password)
    )


def back_up(state: RdsState, cluster: Cluster) -> Backup:
    """Back up the cluster's data as it is now. A restored cluster whose server never ran shares its origin's backup."""
    if cluster.server is None and cluster.origin is not None:
        return retain_backup(state, cluster.origin)
    start(state, cluster)
    host, key = database_host(state, cluster.engine), f"backup-{secrets.token_hex(8)}"
    task = state.server_tasks.submit(host, cluster.resource_id, lambda: host.back_up(cluster.resource_id, key))
    return Backup(key=key, engine=cluster.engine, task=task)


def retain_backup(state: RdsState, backup: Backup) -> Backup:
    """Add a reference to a backup."""
    with state.lock:
        backup.references += 1
    return backup


def release_backup(state: RdsState, backup: Backup) -> None:
    """Drop a reference to a backup, and delete the backup with the last one."""
    with state.lock:
        backup.references -= 1
        if backup.references:
            return
    host = database_host(state, backup.engine)
    state.server_tasks.submit(host, "discard", lambda: host.discard(backup.key))


def destroy(state: RdsState, cluster: Cluster) -> None:
    """Stop the server and delete its data, after every task that was submitted for it before."""
    if cluster.origin is not None:
        release_backup(state, cluster.origin)
    entrances.close(cluster)
    if cluster.server is not None:
        host = database_host(state, cluster.engine)
        state.server_tasks.submit(host, cluster.resource_id, lambda: host.destroy(cluster.resource_id))
        state.server_tasks.end_thread(cluster.resource_id)


def completed() -> Future[None]:
    """The future of a task that had nothing to do."""
    future: Future[None] = Future()
    future.set_result(None)
    return future


def succeeded(task: Future[Address] | Future[None]) -> bool:
    """Whether a task has ended without an exception."""
    return task.done() and task.exception() is None
