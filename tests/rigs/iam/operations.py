"""One operation under the policies: its request, and its activities with the credentials of the worker's role."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from datetime import timedelta
from typing import Any

from temporalio import activity

import worker
from audit.table import AuditTable
from models.archive import Archive
from models.quarantine import Quarantine
from models.request import RestoreRequest
from models.source import SnapshotSelector
from registrations import create_activities
from tests.rigs.activities import temporal_environment
from tests.rigs.iam.deployments import EXTERNAL_ID, SOURCE_CLUSTER, Deployment
from tests.rigs.iam.owners import Owners

NUMBERS = itertools.count(1)
MAX_POLLS = 39
LAST_HOUR_TO_START = 12


class AuthorizedOperation:
    """One operation with a target of its own, and what runs its activities in place of the workflow."""

    def __init__(self, deployment: Deployment, *, name_length: int = 0, **target: Any) -> None:
        """`target` are values for the request's target, whose name has at least `name_length` characters."""
        self.deployment = deployment
        self.number = next(NUMBERS)
        self.owners = Owners(deployment, self.number, name_length)
        if self.owners.now.hour >= LAST_HOUR_TO_START:
            # The request selects the snapshot by its date: no restore here lasts over midnight.
            self.owners.advance_clock(timedelta(hours=24 - self.owners.now.hour))
        self.cluster = self.owners.cluster
        self.request = _request(deployment, self.owners, target)
        self.operation_id = "none yet"
        aws = deployment.clients("worker")
        _, self._table = worker.plugin(deployment.settings, aws)
        activities = create_activities(deployment.settings, aws, self._table)
        self.archive = Archive(keep=1)
        self._activities = {activity._Definition.must_from_callable(method).name: method for method in activities}
        self._started_at = self.owners.now
        self._restored_id: str | None = None

    def select_snapshot_by(self, selector: dict[str, Any]) -> None:
        """Change the request's snapshot selector."""
        source = self.request.source.model_copy(update={"snapshot": SnapshotSelector(**selector)})
        self.request = self.request.model_copy(update={"source": source})

    def set_master_secret(self, secret: str) -> None:
        """Change the request's secret of the master password."""
        target = self.request.target.model_copy(update={"master_user_secret_id": secret})
        self.request = self.request.model_copy(update={"target": target})

    def set_quarantine(self, quarantine: Quarantine) -> None:
        """Change the request's quarantine."""
        target = self.request.target.model_copy(update={"quarantine": quarantine})
        self.request = self.request.model_copy(update={"target": target})

    def table_as(self, role: str) -> AuditTable:
        """The trail, read with a role's credentials."""
        return worker.plugin(self.deployment.settings, self.deployment.clients(role))[1]

    def _step(self) -> dict[str, Any]:
        return {"operation_id": self.operation_id, "step_started_at": self.owners.now}

    def _run(self, name: str, step_input: Any) -> Any:
        """One attempt of one poll."""
        outcome = temporal_environment(self.owners.now).run(self._activities[name], step_input)
        return asyncio.run(outcome) if inspect.iscoroutine(outcome) else outcome

    def _run_until_done(self, name: str, step_input: Any) -> Any:
        """Poll once a minute, as the workflow does."""
        for poll in range(1, MAX_POLLS + 1):
            outcome = self._run(name, step_input.model_copy(update={"poll": poll}))
            if outcome.done:
                return outcome
            self.owners.advance_clock(timedelta(minutes=1))
        raise AssertionError(f"{name} is not done after {MAX_POLLS} polls: {outcome.details}")


def _request(deployment: Deployment, owners: Owners, target: dict[str, Any]) -> RestoreRequest:
    layout = deployment.layout
    crosses_regions = layout.source_region != layout.target_region
    return RestoreRequest.model_validate(
        {
            "source": {
                "account_id": layout.source,
                "region": layout.source_region,
                "cluster": SOURCE_CLUSTER,
                "role_arn": layout.role_arn("source"),
                "external_id": EXTERNAL_ID,
                "snapshot": {"prefix": owners.snapshot_prefix},
            },
            "target": {
                "account_id": layout.target,
                "region": layout.target_region,
                "cluster": owners.cluster,
                "role_arn": layout.role_arn("target"),
                "external_id": EXTERNAL_ID,
                "instances": (
                    {"instance_class": "db.r6g.large", "db_parameter_group_name": "staging-instance"},
                    {"instance_class": "db.r6g.large"},
                ),
                "db_subnet_group_name": "staging",
                "db_cluster_parameter_group_name": "staging-cluster",
                "vpc_security_group_ids": (deployment.security_group,),
                "kms_key_id": f"alias/{layout.name}-target" if crosses_regions else None,
                **target,
            },
            "users": ({"name": "app", "secret_id": owners.create_secret("app", "long-enough-too")},),
            "notification": {"topic_arn": layout.topic_arn},
        }
    )
