"""Whether new restores run on this version of a Worker Deployment. Source: Temporal docs, Worker Versioning."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

if TYPE_CHECKING:
    import structlog


async def log_whether_current(
    client: Client, version: WorkerDeploymentVersion, log: structlog.stdlib.BoundLogger
) -> None:
    """Log whether new restores run on this version: a worker whose version is not current waits for ever.

    It cannot refuse to start, because Temporal makes a version current only after a worker of it has polled.
    """
    name, build_id = version.deployment_name, version.build_id
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            log.warning("unknown whether this version is current", reason=error.message)
            return
        current = ""  # no worker of this deployment has polled before
    else:
        current = answer.worker_deployment_info.routing_config.current_deployment_version.build_id
    if current == build_id:
        log.info("this version is current", deployment=name, build_id=build_id)
        return
    log.warning(
        "this version is not current: no new restore runs on it",
        deployment=name,
        build_id=build_id,
        current=current or "none",
        command=f"temporal worker deployment set-current-version --deployment-name {shlex.quote(name)} "
        f"--build-id {shlex.quote(build_id)} --yes",
    )
