"""The instances of the restored cluster: their classes, where RDS offers these, and their names."""

from __future__ import annotations

from collections.abc import Iterator

from activities.preflight.context import RestoreContext
from activities.preflight.guards import PreflightCheck, Violation
from activities.preflight.network import zones_of
from activities.rds.restore_parameters import identifier_of
from activities.rds.statuses import BEING_DELETED
from models.configuration import SERVERLESS, Instance


class InstanceChecks:
    """Checked in the target's account and region."""

    def __init__(self, context: RestoreContext) -> None:
        """`context` is the planned restore."""
        self._context = context
        self._settings = context.settings

    def checks(self) -> list[PreflightCheck]:
        """Classes and names."""
        return [
            PreflightCheck(("instance-class", "serverless-scaling"), self._check_classes),
            PreflightCheck(("instance-name",), self._check_names),
        ]

    def _check_classes(self) -> Iterator[Violation]:
        instances = self._settings.instances or ()
        is_serverless = any(instance.instance_class == SERVERLESS for instance in instances)
        if is_serverless and self._settings.serverless_v2_scaling is None:
            yield Violation(
                "serverless-scaling",
                "Serverless scaling needed",
                f"an instance has the class {SERVERLESS}, but no scaling is set. Set target.serverless_v2_scaling.",
            )
        for name in dict.fromkeys(instance.instance_class for instance in instances):
            yield from self._check_class(name, [instance for instance in instances if instance.instance_class == name])

    def _check_class(self, name: str, instances: list[Instance]) -> Iterator[Violation]:
        """Whether RDS offers the class at all, and in a zone where its instances can be.

        Source: RDS API Reference, OrderableDBInstanceOption, AvailabilityZones; absent means that RDS does not say.
        """
        snapshot, region = self._context.snapshot, self._context.step_input.target.region
        options = self._context.target.reader.describe_orderable_db_instance_options(
            Engine=snapshot.engine, EngineVersion=self._context.version, DBInstanceClass=name
        )["OrderableDBInstanceOptions"]
        where = region
        if options:
            offered = {zone.get("Name", "") for option in options for zone in option.get("AvailabilityZones", [])}
            impossible = [zones for zones in self._zones_wanted(instances) if offered and not offered & zones]
            if not impossible:
                return
            where = ", ".join(sorted(impossible[0]))
        yield Violation(
            "instance-class",
            "Instance class not available",
            f"RDS does not offer {name} for {snapshot.engine} {self._context.version} in {where}. "
            "Choose another class in target.instances.",
        )

    def _zones_wanted(self, instances: list[Instance]) -> Iterator[frozenset[str]]:
        """For each instance the zones in which it can be, as far as they are known."""
        covered = zones_of(self._context.known_subnet_group)
        for instance in instances:
            if instance.availability_zone:
                yield frozenset({instance.availability_zone})
            elif covered:
                yield covered

    def _check_names(self) -> Iterator[Violation]:
        """An instance keeps its name when its cluster is renamed; one that is being deleted frees its name in time.

        Those of the target free theirs too, unless the restored cluster is made beside it.
        """
        target = self._context.step_input.target
        instances = enumerate(self._settings.instances or (), start=1)
        names = [identifier_of(target.cluster, number, instance) for number, instance in instances]
        for instance in self._context.target.find_instances(names):
            cluster = instance.get("DBClusterIdentifier")
            of_target = target.restored_as(self._context.step_input.operation_id).cluster
            if cluster != of_target and instance["DBInstanceStatus"] not in BEING_DELETED:
                yield Violation(
                    "instance-name",
                    "Instance name is taken",
                    f"{instance['DBInstanceArn']} belongs to {cluster or 'no cluster'}, but the restored "
                    f"{target.cluster} needs that name for an instance of its own. Rename or delete the instance.",
                )
