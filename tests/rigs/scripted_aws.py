"""AWS for tests of one module: every client, and the target, with the responses that a test writes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from models.source import Location


class ScriptedAws:
    """Every client of `AwsClients` at once, and a `TargetCluster`; a describing call finds an existing resource."""

    def __init__(self, account: str, **responses: Any) -> None:
        """`responses` by the name of a client's method; one that is an exception is raised."""
        self.responses: dict[str, Any] = {
            "describe_db_engine_versions": {"DBEngineVersions": [{"DBParameterGroupFamily": "aurora-postgresql16"}]},
            "describe_db_subnet_groups": {"DBSubnetGroups": [{}]},
            "describe_security_groups": {"SecurityGroups": [{}]},
            "describe_db_cluster_snapshot_attributes": {"DBClusterSnapshotAttributesResult": {}},
            "describe_orderable_db_instance_options": {"OrderableDBInstanceOptions": [{}]},
            "describe_scalable_targets": {"ScalableTargets": []},
            "describe_key": {"KeyMetadata": {"KeyId": "-", "KeyState": "Enabled", "KeyManager": "CUSTOMER"}},
        } | responses
        self.environment = "aurora-restore"
        self.accounts = [account]
        """Those whose credentials exist; for any other one the first answers."""
        self.instances: list[dict[str, str]] = []
        """What `find_instances` finds."""

    def sts(self, location: Location, _: str) -> ScriptedAws:
        """STS with the credentials for this location."""
        account = location.account_id if location.account_id in self.accounts else self.accounts[0]
        self.responses["get_caller_identity"] = {"Account": account}
        return self

    def own_sts(self, _: str) -> ScriptedAws:
        """STS with the worker's own credentials."""
        self.responses["get_caller_identity"] = {"Account": self.accounts[0]}
        return self

    def iam(self, *_: object) -> ScriptedAws:
        """IAM, which is not asked: these credentials have no ARN."""
        return self

    own_iam = iam

    @property
    def reader(self) -> ScriptedAws:
        """See `TargetCluster`."""
        return self

    def find_instances(self, identifiers: list[str]) -> list[dict[str, str]]:
        """See `TargetCluster`."""
        return [instance for instance in self.instances if instance["DBInstanceIdentifier"] in identifiers]

    def get_paginator(self, operation: str) -> Any:
        """One page, empty unless the test has written it."""
        pages = [self._respond(self.responses.get(operation, {}))]
        return SimpleNamespace(paginate=lambda **_: pages)

    def __getattr__(self, name: str) -> Any:
        """A client by the name of its service, or a client's method."""
        if name in ("rds", "ec2", "kms", "scaling", "secretsmanager", "sns"):
            return lambda *_: self
        return lambda **_: self._respond(self.responses.get(name, {}))

    @staticmethod
    def _respond(response: Any) -> Any:
        if isinstance(response, Exception):
            raise response
        return response
