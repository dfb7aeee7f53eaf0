"""check-restore-status: the restored cluster, its instances and its master password.

A restored Aurora cluster has no instances, so nobody can connect to it until one is created, and its master password is
the source's until it is replaced. Source: RDS API Reference, RestoreDBClusterFromSnapshot, CreateDBInstance,
ModifyDBCluster.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.databases.closing import DatabaseCloser
from activities.databases.passwords import read_password
from activities.rds import tags
from activities.rds.aws_errors import action_for, is_unknown_refusal, pipeline_error_for
from activities.rds.bring_up import (
    Pending,
    bring_up,
    creations,
    is_writer_known,
    list_instances,
    still_creating,
    unknown_statuses,
    wait_for_cluster,
)
from activities.rds.completion import put_back
from activities.rds.differences import compare_settings, list_differences, summarize_differences
from activities.rds.endpoints import find_endpoint
from activities.rds.events import quote_events
from activities.rds.fault_table import Action
from activities.rds.master_password import is_pending, secret_wait, secret_warnings
from activities.rds.provenance import check_resource_id, check_still_restored
from activities.rds.restore_parameters import modification_parameters
from activities.rds.shared_polls import SharedPolls
from activities.rds.surroundings.put_back import Surroundings, put_back_surroundings
from activities.rds.target import TargetCluster
from activities.step import NOT_FOUND_GRACE, end_wait_if_final, step_activity, time_in_step
from clients.aws import AwsClients
from errors import StepFailed
from models.checks import Comparison, checks_fact
from models.closing import ClosedDatabase
from models.clusters import CheckRestoreInput, CheckRestoreOutcome
from models.configuration import ClusterSettings, OnDifference
from models.drill import DRILL_FACT
from models.steps import Step
from models.waits import Change

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef, DBInstanceTypeDef

SETTING_PASSWORD = "setting the master password"  # noqa: S105 - what the step waits for, no password


class RestoredClusterActivities:
    """Completes a restored cluster: instances, maintenance window, master password."""

    def __init__(self, aws: AwsClients, closer: DatabaseCloser | None = None) -> None:
        """`closer` closes the database before there is a reader; None leaves that to setup-db-users."""
        self._aws = aws
        self._closer = closer

    @step_activity(Step.CHECK_RESTORE_STATUS)
    def check_restore_status(self, step_input: CheckRestoreInput) -> CheckRestoreOutcome:
        """Poll the restored cluster, and make the next change that it needs before it can be used.

        Cluster, then writer and master password, then the database is closed, then readers; done when all of it is
        available. If only the worker reaches the cluster, the readers come up beside the writer.
        Raises `StepFailed` if the cluster or an instance ended in a terminal status, or is gone; `Refused` if another
        cluster has the target's name.
        Run twice: instances have fixed names and are created once; the master password may be set twice, to the same
        value from its secret; a login that is locked already is not locked again.
        """
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        shared = SharedPolls(self._aws, step_input.target, step_input.operation_id)
        if creating := still_creating(step_input, target, shared, may_have_readers=_may_have_readers(step_input)):
            return _not_done(step_input, target, creating, step_input.closed, has_instances=True)
        cluster = shared.find_cluster() or target.find()
        if cluster is None:
            return _wait_until_visible(step_input)
        check_resource_id(cluster, step_input.cluster_resource_id, "restored by this operation")
        instances = list_instances(target, cluster, shared)
        pending = self._bring_up(step_input, target, cluster, instances)
        closed = step_input.closed if pending else self._close_database(step_input, target, cluster)
        pending = pending or _bring_up_the_rest(step_input, target, cluster, instances)
        around = put_back_surroundings(target, step_input.configuration) if not pending else Surroundings(None)
        if around.waiting_for:
            pending = [Pending(Change.OTHER, around.waiting_for)]
        if not pending and (endpoint := find_endpoint(step_input.target, cluster, step_input.engine)):
            compared = _compare(step_input, cluster, target.read_settings(cluster, instances))
            differences = _require_settings(step_input, cluster, compared, around.refusals)
            return CheckRestoreOutcome(
                details="Restore completed",
                percent=100,
                resource_arns=(cluster["DBClusterArn"],),
                endpoint=endpoint,
                closed=closed,
                differences=differences,
                facts=_facts(cluster, differences)
                | ({DRILL_FACT: target.name} if step_input.target.drills else {})
                | checks_fact(compared),
                warnings=(
                    *around.refusals,
                    *(f"Changed: {difference}" for difference in differences),
                    *secret_warnings(cluster),
                ),
            )
        # An instance that is being created is in progress, also while the step waits for something else first.
        pending = [*(pending or [Pending(Change.OTHER, "endpoint not listed yet")]), *creations(cluster, instances)]
        return _not_done(step_input, target, pending, closed, has_instances=bool(instances)).model_copy(
            update={"percent": _percent(cluster), "warnings": unknown_statuses(cluster, instances)}
        )

    def _bring_up(
        self,
        step_input: CheckRestoreInput,
        target: TargetCluster,
        cluster: DBClusterTypeDef,
        instances: list[DBInstanceTypeDef],
    ) -> list[Pending]:
        """Make the changes that AWS takes now, up to a writer with a master password of its own; returns what it waits for.

        The writer first, which takes longest; beside it the readers, if only the worker reaches them, and the password.
        """
        if pending := wait_for_cluster(cluster, instances, partial(_quote_events, step_input, target)):
            return pending
        quote = partial(_quote_events, step_input, target)
        pending = bring_up(Change.WRITER_CREATION, step_input, target, instances, quote)
        if pending and _may_have_readers(step_input) and is_writer_known(step_input, target, cluster, instances):
            pending += bring_up(Change.READER_CREATION, step_input, target, instances, quote)
        # At once: production's master password opens nothing for longer than it must.
        try:
            text = self._replace_master_password(step_input, target, cluster)
        except ClientError as error:
            # AWS does not say whether it takes a password before there is an instance: with the writer it must.
            if not pending or not is_unknown_refusal(error):
                raise
            text = f"master password not changed yet: {pipeline_error_for(error).fault.short}"
        return [*pending, *([Pending(Change.MASTER_PASSWORD, text)] if text else [])]

    def _close_database(
        self, step_input: CheckRestoreInput, target: TargetCluster, cluster: DBClusterTypeDef
    ) -> ClosedDatabase | None:
        """Close the database once. None if it is not closed; setup-db-users does that in any case, or fails."""
        endpoint, closer = find_endpoint(step_input.target, cluster, step_input.engine), self._closer
        if step_input.closed or step_input.closing is None or endpoint is None or closer is None:
            return step_input.closed
        check_cluster = partial(check_still_restored, target, step_input.target.arn, step_input.cluster_resource_id)
        return closer.try_to_close(step_input, step_input.closing, endpoint, check_cluster)

    def _replace_master_password(
        self, step_input: CheckRestoreInput, target: TargetCluster, cluster: DBClusterTypeDef
    ) -> str | None:
        secret_id = step_input.target.master_user_secret_id
        if secret_id is None:
            return _let_rds_manage_password(step_input, target, cluster)
        if tags.tags_of(cluster.get("TagList", [])).get(tags.MASTER_PASSWORD_SET_BY) != target.operation_tag:
            self._set_master_password(step_input, target, cluster, secret_id)
            return SETTING_PASSWORD
        return SETTING_PASSWORD if is_pending(cluster) else None

    def _set_master_password(
        self, step_input: CheckRestoreInput, target: TargetCluster, cluster: DBClusterTypeDef, secret_id: str
    ) -> None:
        password = read_password(self._aws.secretsmanager(step_input.target, step_input.operation_id), secret_id)
        if not _modify_unless_busy(step_input, target, MasterUserPassword=password):
            return
        # Tagged only after RDS accepted the password: a crash in between sets the same password once more.
        target.add_tags(cluster["DBClusterArn"], {tags.MASTER_PASSWORD_SET_BY: target.operation_tag})


def _not_done(
    step_input: CheckRestoreInput,
    target: TargetCluster,
    pending: list[Pending],
    closed: ClosedDatabase | None,
    *,
    has_instances: bool,
) -> CheckRestoreOutcome:
    """Raises `StepFailed` at the step's deadline."""
    advice = "RDS continues, but the master password and the users are not set. Retry, or allow a longer wait."
    end_wait_if_final(step_input, f"Restore at: {pending[0].text}", advice, lambda: _quote_events(step_input, target))
    return CheckRestoreOutcome(
        done=False,
        details=pending[0].text,
        in_progress=tuple(dict.fromkeys(each.change for each in pending)),
        # From the moment at which the writer is up, production's logins work until the database is closed.
        urgent=not _may_have_readers(step_input) and closed is None and has_instances,
        closed=closed,
    )


def _may_have_readers(step_input: CheckRestoreInput) -> bool:
    """Whether readers may come up before the database is closed: nobody else reaches them, or it is not to be closed."""
    return step_input.in_quarantine or step_input.closing is None


def _bring_up_the_rest(
    step_input: CheckRestoreInput,
    target: TargetCluster,
    cluster: DBClusterTypeDef,
    instances: list[DBInstanceTypeDef],
) -> list[Pending]:
    """Make the next change after the database is closed; returns what the step waits for."""
    quote = partial(_quote_events, step_input, target)
    if pending := bring_up(Change.READER_CREATION, step_input, target, instances, quote):
        return pending
    text = put_back(target, cluster, step_input.configuration)
    return [Pending(Change.OTHER, text)] if text else []


def _compare(step_input: CheckRestoreInput, cluster: DBClusterTypeDef, actual: ClusterSettings) -> list[Comparison]:
    compared = compare_settings(step_input.configuration, actual, step_input.target.cluster)
    version, requested = cluster.get("EngineVersion", "nothing"), step_input.target.engine_version
    if requested is not None:
        compared.append(Comparison("engine_version", str(requested), version, met=version == str(requested)))
    return compared


def _require_settings(
    step_input: CheckRestoreInput, cluster: DBClusterTypeDef, compared: list[Comparison], refusals: tuple[str, ...]
) -> tuple[str, ...]:
    """How it differs from its configuration; `refusals` are AWS's reasons. Raises `StepFailed` if the request says so."""
    differences = summarize_differences(list_differences(compared))
    if differences and step_input.on_difference is OnDifference.FAIL:
        raise StepFailed(
            "Restored cluster differs",
            f"{cluster['DBClusterArn']} is not as configured: {'; '.join((*differences, *refusals))}. Change it in AWS, then "
            "retry.",
        )
    return differences


def _facts(cluster: DBClusterTypeDef, differences: tuple[str, ...]) -> dict[str, str]:
    """What is new by nature and others must follow, and what is not as configured."""
    secret = cluster.get("MasterUserSecret", {}).get("SecretArn")
    return {
        "cluster_resource_id": cluster["DbClusterResourceId"],
        **({"master_user_secret": secret} if secret else {}),
        **({"changed": "; ".join(differences)} if differences else {}),
    }


def _wait_until_visible(step_input: CheckRestoreInput) -> CheckRestoreOutcome:
    if step_input.resource_seen or time_in_step(step_input) > NOT_FOUND_GRACE:
        raise StepFailed(
            "Restored cluster not found",
            f"{step_input.target.arn} is gone. Find out who deleted it, then retry from restore-snapshot.",
        )
    end_wait_if_final(step_input, "Cluster not visible yet", "Check in RDS whether it exists, then retry.")
    return CheckRestoreOutcome(done=False, details="not visible yet")


def _quote_events(step_input: CheckRestoreInput, target: TargetCluster, instance: str | None = None) -> str:
    """What RDS reported since the step began, of an instance or of the cluster: why it does not come up."""
    within = time_in_step(step_input) + NOT_FOUND_GRACE
    if instance is not None:
        return quote_events(target, "db-instance", instance, within)
    return quote_events(target, "db-cluster", target.name, within)


def _let_rds_manage_password(
    step_input: CheckRestoreInput, target: TargetCluster, cluster: DBClusterTypeDef
) -> str | None:
    """Have RDS create the master password's secret; returns what the step waits for, None if it can be used."""
    secret = cluster.get("MasterUserSecret")
    if not secret:
        # The key can be chosen only now: RDS changes the key of no secret that it manages already.
        key = step_input.configuration.master_user_secret_kms_key_id
        managed = {"ManageMasterUserPassword": True} | ({"MasterUserSecretKmsKeyId": key} if key else {})
        try:
            _modify_unless_busy(step_input, target, **managed)
        except ClientError:
            # If an answer is lost, botocore repeats the call, and RDS refuses a key for a secret that exists by then.
            again = target.find()
            if again is None or "MasterUserSecret" not in again:
                raise
        return SETTING_PASSWORD
    return secret_wait(cluster)


def _modify_unless_busy(step_input: CheckRestoreInput, target: TargetCluster, **change: object) -> bool:
    """Modify the cluster; returns False if RDS is busy with it and refuses for now."""
    # What a restore has no parameter for goes along with the change that every cluster needs.
    settings = modification_parameters(step_input.configuration)
    try:
        target.modify(**settings, **change)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return False
    return True


def _percent(cluster: DBClusterTypeDef) -> int | None:
    text = cluster.get("PercentProgress", "")
    return int(text) if text.isdigit() else None
