"""swap-clusters and swap-back: the restored cluster takes the target's name, or the old one gets it back.

The old cluster answers under the target's name until the first rename. Each poll reads which cluster has which name and
makes the one change that is due, so a worker that dies anywhere in between is followed by one that goes on.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.databases.connectors import DatabaseConnectors
from activities.databases.passwords import read_password
from activities.preflight import guards
from activities.preflight.blockers import refuse_unless_deletable
from activities.preflight.guards import ObservedTarget
from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.endpoints import find_endpoint
from activities.rds.fault_table import Action
from activities.rds.quarantine import leave_quarantine
from activities.rds.renames import NamedCluster, list_names, next_to_rename, rename
from activities.rds.statuses import Meaning, cluster_meaning
from activities.rds.stops import start_if_stopped
from activities.rds.target import TargetCluster
from activities.step import Intents, end_wait_if_final, named_activity, step_activity, time_in_step
from clients.aws import AwsClients
from clients.certificates import WRONG_NAME
from clients.loopback import accepts_connections
from errors import DatabaseUnreachable, Refused, StepFailed
from models.clusters import Endpoint, SwapClustersInput, SwapClustersOutcome
from models.steps import AuditedStep, Housekeeping, Step
from models.swap import OLD_KEPT
from models.waits import Change

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

NOT_SWAPPED, NOT_SWAPPED_BACK = "Clusters not swapped", "Clusters not swapped back"
VISIBLE_WITHIN = timedelta(minutes=1)
"""For how long a rename that RDS has accepted may not show yet; AWS promises no time."""
RETRY = "The old cluster gets its name back. Retry, or allow a longer swap.deadline."
BY_HAND = "Rename them by hand: aws rds modify-db-cluster --apply-immediately --new-db-cluster-identifier."


class SwapActivities:
    """Gives the target's name from the old cluster to the restored one, and back."""

    def __init__(self, aws: AwsClients, intents: Intents, connectors: DatabaseConnectors) -> None:
        """`intents` is the trail; without a row in it nothing is renamed. `connectors` prove that the users get in."""
        self._aws = aws
        self._intents = intents
        self._connectors = connectors

    @step_activity(Step.SWAP_CLUSTERS)
    def swap_clusters(self, step_input: SwapClustersInput) -> SwapClustersOutcome:
        """Rename the old cluster, then the restored one, and log in as each user under the target's name.

        The restored cluster leaves its quarantine first, so that its users get in as soon as it has the name. If only its
        certificate still has the other name, it is stopped and started, where the request allows that.
        Raises `Refused` if a guard of delete-rds refuses or someone renamed a cluster, `StepFailed` if one of the two is
        gone, or if a user cannot log in.
        Source: RDS API Reference, ModifyDBCluster, StopDBCluster; Aurora User Guide, "Modifying an Amazon Aurora DB cluster".
        Run twice: a cluster that has its name is not renamed again; the proof only reads.
        """
        target = step_input.target
        clusters = self._read(step_input, old=target.replaced.cluster, new=target.cluster)
        if len(clusters) < _expected(step_input):
            return _not_visible(step_input, clusters, NOT_SWAPPED)
        _require_known_names(step_input, clusters)
        if text := _renaming(clusters):
            return _waiting(step_input, text, clusters, Change.CLUSTER_RENAME)
        due = next_to_rename(clusters)
        if due is None:
            return self._prove(step_input, clusters[-1].cluster, clusters)
        if all(each.name != each.wanted for each in clusters) and (text := self._prepare(step_input, clusters)):
            return _waiting(step_input, text, clusters, Change.OTHER)
        return self._rename(Step.SWAP_CLUSTERS, step_input, due, clusters)

    @named_activity(Housekeeping.SWAP_BACK.value)
    def swap_back(self, step_input: SwapClustersInput) -> SwapClustersOutcome:
        """Give the old cluster the target's name back, and the restored one the name that it was restored with.

        Done when the old one is available and accepts connections. Raises `StepFailed` if one of them is gone, `Refused` if
        someone renamed it.
        Source: RDS API Reference, ModifyDBCluster.
        Run twice: a cluster that has its name is not renamed again.
        """
        target, renamed = step_input.target, self._intents.has_intent(Step.SWAP_CLUSTERS, step_input.operation_id)
        if not renamed:
            return SwapClustersOutcome(details="Nothing was renamed")
        clusters = self._read(step_input, old=target.cluster, new=target.beside.cluster)
        if len(clusters) < _expected(step_input):
            return _not_visible(step_input, clusters, NOT_SWAPPED_BACK)
        _require_known_names(step_input, clusters)
        due = next_to_rename(clusters)
        text = _renaming(clusters) or (None if due else _waits_for_answer(step_input, clusters[0].cluster))
        if text:
            return _waiting(step_input, text, clusters, Change.CLUSTER_RENAME, NOT_SWAPPED_BACK)
        if due is None:
            return SwapClustersOutcome(details="Old cluster has its name again")
        if text := start_if_stopped(self._named(step_input, due.name), due.cluster):
            return _waiting(step_input, text, clusters, Change.CLUSTER_START, NOT_SWAPPED_BACK)
        return self._rename(Housekeeping.SWAP_BACK, step_input, due, clusters)

    def _read(self, step_input: SwapClustersInput, *, old: str, new: str) -> list[NamedCluster]:
        """The old cluster, if there was one, and the new one, as far as RDS lists them; with the names that they are to have."""
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        # Another account has neither cluster, which proves nothing about ours.
        target.check_account()
        wanted = ((step_input.old_resource_id, old), (step_input.new_resource_id, new))
        return [
            NamedCluster(cluster, name)
            for resource_id, name in wanted
            if resource_id and (cluster := target.find_by_resource_id(resource_id))
        ]

    def _named(self, step_input: SwapClustersInput, name: str) -> TargetCluster:
        named = step_input.target.model_copy(update={"cluster": name})
        return TargetCluster(self._aws, named, step_input.operation_id)

    def _prepare(self, step_input: SwapClustersInput, clusters: list[NamedCluster]) -> str | None:
        """What must be before the first rename; returns what is waited for."""
        *olds, new = clusters
        for old in olds:
            self._check_guards(step_input, old.cluster)
            if text := start_if_stopped(self._named(step_input, old.name), old.cluster):
                return text
        for each in clusters:
            if cluster_meaning(each.cluster["Status"]) is not Meaning.READY:
                return f"cluster {each.name} {each.cluster['Status']}"
        if step_input.own_network:
            return leave_quarantine(self._named(step_input, new.name), step_input.own_network)
        return None

    def _check_guards(self, step_input: SwapClustersInput, old: DBClusterTypeDef) -> None:
        """A cluster that may not be deleted, or that RDS would not delete, is not renamed either."""
        target = TargetCluster(self._aws, step_input.target, step_input.operation_id)
        no_sources, caller = guards.known_resource_ids(), target.caller_account()
        observed = ObservedTarget(step_input.source, step_input.target, old, no_sources, caller, target.environment)
        refuse_unless_deletable(observed, target.reader)

    def _rename(
        self, step: AuditedStep, step_input: SwapClustersInput, due: NamedCluster, clusters: list[NamedCluster]
    ) -> SwapClustersOutcome:
        """Declare, then rename: no row, no call."""
        short = NOT_SWAPPED if step is Step.SWAP_CLUSTERS else NOT_SWAPPED_BACK
        _end_if_final(step_input, clusters, short)
        arns = (due.cluster["DBClusterArn"],)
        self._intents.declare(step, step_input, f"Renaming {due.name} to {due.wanted}", arns, step_input.facts)
        try:
            text = rename(self._named(step_input, due.name), due.wanted)
        except ClientError as error:
            if action_for(error) is Action.RETRY:
                raise
            raise pipeline_error_for(error).with_more(f"{list_names(clusters)}. {_advice(short)}") from error
        return _waiting(step_input, text, clusters, Change.CLUSTER_RENAME, short)

    def _prove(
        self, step_input: SwapClustersInput, new: DBClusterTypeDef, clusters: list[NamedCluster]
    ) -> SwapClustersOutcome:
        """Done once every user has logged in under the target's name."""
        target, status = TargetCluster(self._aws, step_input.target, step_input.operation_id), new["Status"]
        if text := start_if_stopped(target, new):
            waiting = _waiting(step_input, text, clusters, Change.CLUSTER_START)
            return waiting.model_copy(update={"restarted": True})
        endpoint = find_endpoint(step_input.target, new, step_input.endpoint.engine)
        if cluster_meaning(status) is not Meaning.READY or endpoint is None:
            return _waiting(step_input, f"cluster {status}", clusters, Change.CLUSTER_RENAME)
        try:
            self._log_in(step_input, endpoint)
        except DatabaseUnreachable as error:
            if error.fault.short != WRONG_NAME:
                return _waiting(step_input, f"waiting for logins: {error.fault.short}", clusters, Change.OTHER)
            return self._restart(step_input, target, clusters, error)
        limits, text = step_input.target.swap_limits, f"{step_input.target.cluster} is the restored cluster"
        if step_input.old_resource_id:
            text += f", {step_input.target.replaced.cluster} the old one"
        return SwapClustersOutcome(
            details=f"Clusters swapped: {text}",
            resource_arns=tuple(each.cluster["DBClusterArn"] for each in clusters),
            cluster_arn=new["DBClusterArn"],
            endpoint=endpoint,
            facts={OLD_KEPT: f"for {limits.keep_old}"} if limits.keeps_old else {},
        )

    def _log_in(self, step_input: SwapClustersInput, endpoint: Endpoint) -> None:
        if not step_input.logs_in:
            return
        database = self._connectors.database(step_input.target, step_input.operation_id, endpoint)
        database.verify_master_login()
        read = partial(read_password, self._aws.secretsmanager(step_input.target, step_input.operation_id))
        for user in step_input.users:
            database.verify_login(user, read(user.secret_id, user.name) if user.secret_id else None)

    def _restart(
        self,
        step_input: SwapClustersInput,
        target: TargetCluster,
        clusters: list[NamedCluster],
        error: DatabaseUnreachable,
    ) -> SwapClustersOutcome:
        """Stop the cluster, which the next poll starts: RDS issues a certificate of the new name then."""
        if step_input.restarted or not step_input.target.swap_limits.restart:
            after = " after it was stopped and started" if step_input.restarted else ""
            advice = "Set target.swap.restart to true in the request, or let clients not verify the name; start a new restore."
            raise StepFailed(
                WRONG_NAME,
                f"{step_input.target.arn} has the certificate of another name{after}, so clients that verify the name are "
                f"refused. The old cluster gets its name back. {advice}",
            ) from error
        _end_if_final(step_input, clusters, NOT_SWAPPED)
        target.stop()
        return _waiting(step_input, "stopping, for a certificate of its new name", clusters, Change.CLUSTER_START)


def _expected(step_input: SwapClustersInput) -> int:
    return 2 if step_input.old_resource_id else 1


def _require_known_names(step_input: SwapClustersInput, clusters: list[NamedCluster]) -> None:
    """Raise `Refused` if one has a name that no swap gives: a user who renames a cluster wants to keep it."""
    target = step_input.target
    known = (target.cluster, target.beside.cluster, target.replaced.cluster)
    if any(each.name not in known for each in clusters):
        raise Refused(
            "Cluster was renamed",
            f"{list_names(clusters)}, expected {', '.join(known)}. The pipeline renames none of them. Find out who renamed "
            "it; give it its name back, then retry.",
        )


def _not_visible(step_input: SwapClustersInput, clusters: list[NamedCluster], short: str) -> SwapClustersOutcome:
    """RDS may list a cluster under neither name while it is renamed; one that was never listed in this step is gone."""
    if short == NOT_SWAPPED_BACK and time_in_step(step_input) > VISIBLE_WITHIN:
        raise StepFailed(
            NOT_SWAPPED_BACK,
            f"the old cluster {step_input.old_resource_id} and the restored one {step_input.new_resource_id} are to have "
            f"their names back, but {list_names(clusters) or 'neither exists'}. Find out who deleted the other one. {BY_HAND}",
        )
    if not step_input.resource_seen and step_input.poll == 1 and short == NOT_SWAPPED:
        found = list_names(clusters) or "neither exists"
        raise StepFailed(
            "Cluster not found",
            f"the old cluster {step_input.old_resource_id} and the restored one {step_input.new_resource_id} are to be "
            f"swapped, but {found}. Nothing was renamed. Find out who deleted the other one, then start a new restore.",
        )
    return _waiting(step_input, "a cluster is not visible yet", clusters, Change.CLUSTER_RENAME, short)


def _renaming(clusters: list[NamedCluster]) -> str | None:
    """The rename that is under way, if any: nothing else is changed meanwhile."""
    return next((f"renaming {each.name}" for each in clusters if each.is_renaming), None)


def _waits_for_answer(step_input: SwapClustersInput, old: DBClusterTypeDef) -> str | None:
    """What is waited for until the old cluster, if there was one, serves its users; None if it does.

    RDS may have accepted a rename that it does not show yet.
    """
    if time_in_step(step_input) < VISIBLE_WITHIN:
        return "reading the names again"
    if step_input.old_resource_id is None:
        return None
    if cluster_meaning(old["Status"]) is not Meaning.READY:
        return f"cluster {old['DBClusterIdentifier']} {old['Status']}"
    if not step_input.logs_in:
        return None
    host, port = old.get("Endpoint"), old.get("Port")
    is_up = host is not None and port is not None and accepts_connections(host, port)
    return None if is_up else f"{old['DBClusterIdentifier']} does not accept connections yet"


def _end_if_final(step_input: SwapClustersInput, clusters: list[NamedCluster], short: str) -> None:
    end_wait_if_final(step_input, short, f"{list_names(clusters) or 'RDS lists neither cluster'}. {_advice(short)}")


def _advice(short: str) -> str:
    return RETRY if short == NOT_SWAPPED else BY_HAND


def _waiting(
    step_input: SwapClustersInput,
    text: str,
    clusters: list[NamedCluster],
    change: Change,
    short: str = NOT_SWAPPED,
) -> SwapClustersOutcome:
    """Not done. Raises if this poll is the last one."""
    _end_if_final(step_input, clusters, short)
    arns = tuple(each.cluster["DBClusterArn"] for each in clusters)
    return SwapClustersOutcome(done=False, details=text, in_progress=(change,), urgent=True, resource_arns=arns)
