"""Nights under the policies: the activities in the workflow's order, as the worker's role, on targets of their own."""

from __future__ import annotations

import itertools
import json
import urllib.request
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity

import worker
from activities.inventory import TAKE_INVENTORY
from audit.table import AuditTable
from models.clusters import CheckRestoreInput, DeleteClusterInput, RestoreClusterInput
from models.database_users import SetupUsersInput
from models.inventory import InventoryInput
from models.leftovers import RemoveLeftoversInput, RemoveOrphansInput
from models.notifications import NotificationInput
from models.operation import OpenOperationInput, RestoreState
from models.request import Archive, RestoreRequest, SnapshotSelector
from models.snapshots import ArchiveSnapshotInput, CheckCopyInput, CopySnapshotInput, SnapshotCheckInput
from models.steps import Housekeeping, Outcome, Step
from models.users import DatabaseUser
from tests.rigs.activities import ENGINE, ENGINE_VERSION, MOMENT, temporal_environment
from tests.rigs.iam.deployments import EXTERNAL_ID, SECRET_PREFIX, SOURCE_CLUSTER, Site

NUMBERS = itertools.count(1)
OPT_IN = "aurora-restore:replaced-by"


def make_production(site: Site) -> Site:
    """The source cluster, encrypted with its own key."""
    site.owner("rds", "source").create_db_cluster(
        DBClusterIdentifier=SOURCE_CLUSTER,
        Engine=ENGINE,
        EngineVersion=ENGINE_VERSION,
        MasterUsername="boss",
        MasterUserPassword="long-enough",
        StorageEncrypted=True,
        KmsKeyId=site.keys["source"],
    )
    later(site)
    return site


def later(site: Site, by: timedelta = MOMENT) -> None:
    """Let time pass."""
    site.emulator.clock.freeze(site.emulator.clock.now() + by)


class PolicedNight:
    """One target, one operation; every activity runs with the credentials of the worker's role."""

    def __init__(self, site: Site, **target: Any) -> None:
        self.site = site
        self.number = next(NUMBERS)
        self.restored: str | None = None
        """The resource id of the cluster that this night restored."""
        self.cluster = f"staging-{self.number}"
        self.request = RestoreRequest.model_validate(self._request(target))
        aws = site.session("worker")
        _, table = worker.plugin(site.settings, aws)
        defined = worker.activities(site.settings, aws, table)
        self.activities = {activity._Definition.must_from_callable(each).name: each for each in defined}
        self.operation_id = "none yet"
        self.started_at = self.now

    def _request(self, target: dict[str, Any]) -> dict[str, Any]:
        place = self.site.place
        key = {"kms_key_id": f"alias/{place.name}-target"} if place.source_region != place.target_region else {}
        return {
            "source": {
                "account_id": place.source,
                "region": place.source_region,
                "cluster": SOURCE_CLUSTER,
                "role_arn": place.role_arn("source"),
                "external_id": EXTERNAL_ID,
                "snapshot": {"prefix": f"night-{self.number}"},
            },
            "target": {
                "account_id": place.target,
                "region": place.target_region,
                "cluster": self.cluster,
                "role_arn": place.role_arn("target"),
                "external_id": EXTERNAL_ID,
                "instances": (
                    {"instance_class": "db.r6g.large", "db_parameter_group_name": "staging-instance"},
                    {"instance_class": "db.r6g.large"},
                ),
                "db_subnet_group_name": "staging",
                "db_cluster_parameter_group_name": "staging-cluster",
                "vpc_security_group_ids": (self.site.security_group,),
                **key,
                **target,
            },
            "users": ({"name": "app", "secret_id": self._secret()},),
            "notification": {"topic_arn": place.topic_arn},
        }

    def _secret(self) -> str:
        name = f"{SECRET_PREFIX}app-{self.number}"
        value = json.dumps({"password": "long-enough-too"})
        self.site.owner("secretsmanager").create_secret(Name=name, SecretString=value)
        return name

    # What the owners do

    @property
    def now(self) -> datetime:
        return self.site.emulator.clock.now()

    def later(self, by: timedelta = MOMENT) -> None:
        later(self.site, by)

    def make_target(self, *, instances_opt_in: bool = True, **options: Any) -> str:
        """The owner's target with one instance, both opted in unless it says otherwise; returns its resource id."""
        rds = self.site.owner("rds")
        opt_in = [{"Key": OPT_IN, "Value": self.request.source.arn}]
        made = rds.create_db_cluster(
            DBClusterIdentifier=self.cluster,
            Engine=ENGINE,
            EngineVersion=ENGINE_VERSION,
            MasterUsername="boss",
            MasterUserPassword="long-enough",
            **{"Tags": opt_in, **options},
        )
        self.later()
        rds.create_db_instance(
            DBInstanceIdentifier=f"made-by-hand-{self.number}",
            DBClusterIdentifier=self.cluster,
            DBInstanceClass="db.r6g.large",
            Engine=ENGINE,
            Tags=opt_in if instances_opt_in else [],
        )
        self.later()
        return str(made["DBCluster"]["DbClusterResourceId"])

    def make_snapshot(self) -> str:
        """Production's snapshot of the day, shared with the target's account; returns its identifier."""
        rds, place = self.site.owner("rds", "source"), self.site.place
        name = f"night-{self.number}-{self.now.date()}-{self.now:%H%M%S}"
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=SOURCE_CLUSTER)
        self.later()
        if place.source != place.target:
            rds.modify_db_cluster_snapshot_attribute(
                DBClusterSnapshotIdentifier=name, AttributeName="restore", ValuesToAdd=[place.target]
            )
        return name

    def delete_by_hand(self) -> None:
        """The owner deletes the target."""
        rds = self.site.owner("rds")
        rds.delete_db_instance(DBInstanceIdentifier=f"made-by-hand-{self.number}", SkipFinalSnapshot=True)
        rds.delete_db_cluster(DBClusterIdentifier=self.cluster, SkipFinalSnapshot=True)
        self.later()

    def force_status(self, arn: str, status: str) -> None:
        """What only AWS can do."""
        body = json.dumps({"arn": arn, "status": status}).encode()
        url = f"{self.site.emulator.endpoint_url}/_devstack/rds/status"
        urllib.request.urlopen(urllib.request.Request(url, body, method="POST")).close()

    def choose(self, selector: dict[str, Any]) -> None:
        """Another way of choosing the snapshot."""
        source = self.request.source.model_copy(update={"snapshot": SnapshotSelector(**selector)})
        self.request = self.request.model_copy(update={"source": source})

    def table_as(self, role: str) -> AuditTable:
        """The trail, as a role sees it."""
        return worker.plugin(self.site.settings, self.site.session(role))[1]

    # The steps

    def run(self, name: str, of: Any) -> Any:
        """One attempt of one look."""
        return temporal_environment(self.now).run(self.activities[name], of)

    def until_done(self, name: str, of: Any) -> Any:
        """Look as the workflow does, a minute between two looks."""
        for poll in range(1, 40):
            answer = self.run(name, of.model_copy(update={"poll": poll}))
            if answer.done:
                return answer
            self.later(timedelta(minutes=1))
        raise AssertionError(f"{name} is not done after 39 looks: {answer.details}")

    def _step(self) -> dict[str, Any]:
        return {"operation_id": self.operation_id, "step_started_at": self.now}

    def open(self) -> None:
        """open-operation."""
        target = self.request.target
        wanted = OpenOperationInput(
            workflow_id=target.workflow_id, first_run_id=str(self.number), target_arn=target.arn, opened_at=self.now
        )
        self.operation_id = self.run("open-operation", wanted).operation_id

    def check(self) -> Any:
        """snapshot-check."""
        of = self.request
        given: dict[str, Any] = {"users": of.users, "notification": of.notification, "copy_needed": of.copy_needed}
        return self.run(
            Step.SNAPSHOT_CHECK, SnapshotCheckInput(**self._step(), source=of.source, target=of.target, **given)
        )

    def begin_copy(self, found: Any, **more: Any) -> Any:
        """One look of copy-snapshot; returns the copy."""
        return self.run(Step.COPY_SNAPSHOT, self._copy_input(found).model_copy(update=more)).snapshot_copy

    def copy(self, found: Any) -> Any:
        """copy-snapshot and check-copy-status, until the copy is available; returns the copy."""
        copy = self.until_done(Step.COPY_SNAPSHOT, self._copy_input(found)).snapshot_copy
        given = {"snapshot": found.snapshot, "target": self.request.target}
        self.until_done(Step.CHECK_COPY_STATUS, CheckCopyInput(**self._step(), snapshot_copy=copy, **given))
        return copy

    def _copy_input(self, found: Any) -> CopySnapshotInput:
        of = self.request
        given: dict[str, Any] = {"source": of.source, "target": of.target, "copy_needed": of.copy_needed}
        return CopySnapshotInput(**self._step(), snapshot=found.snapshot, **given)

    def delete(self, found: Any, copy: Any) -> Any:
        """delete-rds, until the target is gone."""
        of = self.request
        given = DeleteClusterInput(
            **self._step(),
            source=of.source,
            target=of.target,
            snapshot=found.snapshot,
            snapshot_copy=copy,
            source_resource_id=found.source_resource_id,
            target_resource_id=found.target_resource_id,
            target_settings=found.target_settings,
        )
        return self.until_done(Step.DELETE_RDS, given)

    def restore(self, found: Any, copy: Any) -> Any:
        """restore-snapshot and check-restore-status, until all of it is available; returns its endpoint."""
        target = self.request.target
        given = {"source_arn": self.request.source.arn, "snapshot": found.snapshot, "snapshot_copy": copy}
        configured: dict[str, Any] = {"target": target, "configuration": found.configuration}
        restored = self.run(Step.RESTORE_SNAPSHOT, RestoreClusterInput(**self._step(), **configured, **given))
        self.restored = restored.cluster_resource_id
        step_input = CheckRestoreInput(**self._step(), **configured, engine=ENGINE, cluster_resource_id=self.restored)
        return self.until_done(Step.CHECK_RESTORE_STATUS, step_input).endpoint

    def set_up_users(self, endpoint: Any) -> Any:
        """setup-db-users."""
        users: tuple[DatabaseUser, ...] = self.request.users
        given = {"target": self.request.target, "cluster_resource_id": self.restored, "endpoint": endpoint}
        step_input = SetupUsersInput(**self._step(), **given, users=users)
        return self.run(Step.SETUP_DB_USERS, step_input)

    def archive(self, found: Any, copy: Any, keep: int = 1) -> Any:
        """archive-snapshot."""
        given = {
            "snapshot": found.snapshot,
            "snapshot_copy": copy,
            "target": self.request.target,
            "archive": Archive(keep=keep),
        }
        return self.run(Step.ARCHIVE_SNAPSHOT, ArchiveSnapshotInput(**self._step(), **given))

    def notify(self) -> Any:
        """sns-notification."""
        of = self.request
        state = RestoreState(
            source_arn=of.source.arn, target_arn=of.target.arn, started_at=self.started_at, outcome=Outcome.SUCCEEDED
        )
        given: dict[str, Any] = {"notification": of.notification, "workflow_id": of.target.workflow_id, "state": state}
        return self.run(Step.SNS_NOTIFICATION, NotificationInput(**self._step(), target=of.target, **given))

    def survey(self, copy: Any = None) -> Any:
        """take-inventory; returns what was seen."""
        of = self.request
        given: dict[str, Any] = {
            "target": of.target,
            "archive": of.archive,
            "snapshot_copy_arn": copy.arn if copy else None,
        }
        return self.run(TAKE_INVENTORY, InventoryInput(operation_id=self.operation_id, **given))

    def remove_leftovers(self, found: Any, resource_id: str | None = None) -> Any:
        """remove-leftovers, until both are gone."""
        step_input = RemoveLeftoversInput(
            **self._step(),
            source=self.request.source,
            target=self.request.target,
            snapshot_arn=found.snapshot.arn,
            unfinished_copy=True,
            cluster_resource_id=resource_id,
        )
        return self.until_done(Housekeeping.REMOVE_LEFTOVERS, step_input)

    def remove_orphans(self, keep: int = 1) -> Any:
        """remove-orphans."""
        step_input = RemoveOrphansInput(**self._step(), target=self.request.target, archive=Archive(keep=keep))
        return self.run(Housekeeping.REMOVE_ORPHANS, step_input)
