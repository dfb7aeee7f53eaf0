"""The policies of deploy/ allow whole restores of random targets (1,000 in CI): any valid name, any tags and settings.

The questions to IAM are those of activities/preflight/accesses.py, whose tags and names are the calls' own;
tests/integration/iam/test_permissions.py shows that a real restore asks no others.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.preflight.access import READERS_OF_AUTO_SCALING, Access
from activities.preflight.accesses import RestoreAccesses
from activities.preflight.worker_accesses import worker_accesses
from activities.rds import tags
from activities.rds.settings import RESERVED_TAG_PREFIXES
from devstack.iam.evaluation import AccessRequest, Statement, evaluate, statements
from models.archive import Notification
from models.configuration import AssociatedRole, ClusterSettings, CustomEndpoint, Instance, merge_configuration
from models.identifiers import instance_identifier
from models.request import Target
from models.snapshots import SnapshotCheckInput, SourceSnapshot
from models.source import Source
from models.trail_tables import TrailTables
from models.users import DatabaseUser
from tests.rigs.iam.template import document, template

PROFILE = settings(
    max_examples=1000 if os.environ.get("CI") == "true" else 200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NOW = datetime(2024, 3, 20, 22, 0, tzinfo=UTC)
SOURCE_REGION = "eu-west-1"
KEY = "arn:aws:kms:eu-central-1:333344445555:key/1"
LETTERS, MORE = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789"
IN_TAGS = LETTERS + LETTERS.upper() + "0123456789 _.:/=+@-"
MAX_EXACT_NAME = 60
PARAMETERS: dict[str, Any] = template()["Parameters"]
DEFAULTS = {name: str(each["Default"]) for name, each in PARAMETERS.items() if "Default" in each}


@dataclass(frozen=True)
class RandomTarget:
    """A target as its owner or an earlier operation made it, and the stack that was made for it."""

    environment: str
    pair: str
    source: Source
    target: Target
    live: ClusterSettings
    own_prefix: str
    """Begins the names of the instances that are not named after the cluster: the parameter OtherInstances."""
    restored_before: bool
    readers: int
    """How many readers Application Auto Scaling added."""

    @property
    def parameters(self) -> dict[str, str]:
        """The stack's parameters, as deploy/README.md says."""
        name = self.target.cluster
        return {
            **DEFAULTS,
            "Environment": self.environment,
            "Pair": self.pair,
            "WorkerAccountId": "111122223333",
            "ExternalId": "between-us",
            "SourceAccountId": self.source.account_id,
            "SourceRegion": self.source.region,
            "SourceCluster": self.source.cluster,
            "SourceKeyArn": KEY,
            "TargetAccountId": self.target.account_id,
            "TargetRegion": self.target.region,
            "TargetCluster": name if len(name) <= MAX_EXACT_NAME else f"{name[:MAX_EXACT_NAME]}*",
            "OtherInstances": f"{self.own_prefix}-*",
            "TargetKeyArn": KEY,
            "SecretPrefix": "staging/",
        }

    @property
    def workers_accesses(self) -> list[Access]:
        """What the worker of the environment asks under its own identity."""
        own: Any = SimpleNamespace(get_caller_identity=lambda: {"Account": self.parameters["WorkerAccountId"]})
        names = (f"{self.environment}-audit", f"{self.environment}-operations")
        return list(worker_accesses(TrailTables(self.target.region, names), own))

    @property
    def accesses(self) -> RestoreAccesses:
        """Everything that its next restore asks of IAM."""
        snapshot = SourceSnapshot(
            arn=f"arn:aws:rds:{self.source.region}:{self.source.account_id}:cluster-snapshot:daily",
            identifier="daily",
            created_at=NOW,
            engine="aurora-postgresql",
            engine_version="16.6",
            encrypted=False,
        )
        topic = f"arn:aws:sns:{self.target.region}:{self.target.account_id}:{self.environment}{self.pair}"
        location = (self.source.account_id, self.source.region)
        step_input = SnapshotCheckInput(
            operation_id="op-002",
            step_started_at=NOW,
            source=self.source,
            target=self.target,
            users=(DatabaseUser(name="app", secret_id="staging/app"),),
            notification=Notification(topic_arn=topic),
            copy_needed=location != (self.target.account_id, self.target.region),
        )
        return RestoreAccesses(
            step_input,
            snapshot,
            merge_configuration(self.target, self.live),
            tags.operation_tag(self.environment, "op-002"),
            self._cluster,
            tuple(self._instances),
        )

    @property
    def _cluster(self) -> Any:
        before = {tags.OPERATION: tags.operation_tag(self.environment, "op-001")} if self.restored_before else {}
        return {
            "Status": "available",
            "TagList": tags.tag_list((self.live.tags or {}) | {tags.REPLACED_BY: self.source.arn} | before),
        }

    @property
    def _instances(self) -> list[Any]:
        """An instance that the owner made has the opt-in tag, one that an operation made has its operation's."""
        by_owner = {tags.REPLACED_BY: self.source.arn}
        by_operation = {tags.OPERATION: tags.operation_tag(self.environment, "op-001")}
        own = by_operation if self.restored_before else by_owner
        named = [
            (each.identifier or instance_identifier(self.target.cluster, number), (each.tags or {}) | own)
            for number, each in enumerate(self.live.instances or (), start=1)
        ]
        scaled = {READERS_OF_AUTO_SCALING: f"cluster:{self.target.cluster}"}
        named += [(f"application-autoscaling-{number}", scaled) for number in range(self.readers)]
        return [{"DBInstanceIdentifier": name, "TagList": tags.tag_list(tagged)} for name, tagged in named]


def names(longest: int) -> st.SearchStrategy[str]:
    """Valid names, often with the greatest length: there RDS's limit and a pattern meet."""
    lengths = st.sampled_from([1, 2, longest - 2, longest - 1, longest]) | st.integers(1, longest)
    return lengths.flatmap(_names_of_length)


def _names_of_length(length: int) -> st.SearchStrategy[str]:
    text = st.text(MORE + "-", min_size=length - 1, max_size=length - 1)
    return st.builds(lambda first, rest: _valid(first + rest), st.sampled_from(LETTERS), text)


def _valid(name: str) -> str:
    """Without two hyphens in a row, and none at the end."""
    joined = re.sub("--+", lambda hyphens: "-" + "x" * (len(hyphens[0]) - 1), name)
    return f"{joined[:-1]}x" if joined.endswith("-") else joined


def owner_tags() -> st.SearchStrategy[dict[str, str]]:
    """The owner's; those of the pipeline and of AWS are not carried over."""
    keys = st.text(IN_TAGS, min_size=1, max_size=128).filter(
        lambda key: not key.lower().startswith(RESERVED_TAG_PREFIXES)
    )
    return st.dictionaries(keys, st.text(IN_TAGS, max_size=20), max_size=4)


def instances(own_prefix: str) -> st.SearchStrategy[Instance]:
    return st.builds(
        Instance,
        identifier=st.none() | names(20).map(lambda name: f"{own_prefix}-{name}"),
        instance_class=st.just("db.r6g.large"),
        db_parameter_group_name=st.none() | st.just("staging-instance"),
        promotion_tier=st.none() | st.integers(0, 15),
        monitoring_interval_seconds=st.sampled_from([None, 0, 60]),
        monitoring_role_arn=st.just("arn:aws:iam::333344445555:role/rds-monitoring"),
        tags=st.none() | owner_tags(),
    )


def live_settings(own_prefix: str) -> st.SearchStrategy[ClusterSettings]:
    role = st.builds(AssociatedRole, role_arn=st.just("arn:aws:iam::333344445555:role/rds-import"))
    endpoint = st.builds(CustomEndpoint, identifier=names(63), tags=owner_tags())
    return st.builds(
        ClusterSettings,
        instances=st.sampled_from([1, 1, 2, 2, 3, 3, 10])
        .flatmap(lambda count: st.lists(instances(own_prefix), min_size=count, max_size=count))
        .map(tuple),
        db_subnet_group_name=st.just("staging"),
        vpc_security_group_ids=st.just(("sg-0123456789abcdef0",)),
        db_cluster_parameter_group_name=st.none() | st.just("staging-cluster"),
        tags=st.none() | owner_tags(),
        associated_roles=st.none() | st.tuples(role),
        domain_iam_role_name=st.none() | st.just("rds-directory"),
        http_endpoint=st.booleans(),
        custom_endpoints=st.none() | st.lists(endpoint, max_size=2).map(tuple),
    )


@st.composite
def random_targets(draw: st.DrawFn) -> RandomTarget:
    """Any valid target, with the source in the same or another account and region."""
    own_prefix = draw(names(20))
    source = Source(
        account_id=draw(st.sampled_from(["222233334444", "333344445555"])),
        region=draw(st.sampled_from([SOURCE_REGION, "eu-central-1"])),
        cluster=draw(names(63)),
    )
    name = draw(names(63).filter(lambda name: name != source.cluster))
    secret = draw(st.none() | st.just("staging/master"))
    return RandomTarget(
        environment=draw(st.just("aurora-restore") | names(20)),
        pair=draw(st.sampled_from(["", "-billing"])),
        source=source,
        target=Target(account_id="333344445555", region="eu-central-1", cluster=name, master_user_secret_id=secret),
        live=draw(live_settings(own_prefix)),
        own_prefix=own_prefix,
        restored_before=draw(st.booleans()),
        readers=draw(st.integers(0, 3)),
    )


POLICIES = {role: json.dumps(document(role)) for role in ("target", "worker")}


def filled_in(role: str, parameters: dict[str, str]) -> list[Statement]:
    """The policies of a role in a stack with these parameters."""
    values = {**parameters, "AWS::Partition": "aws", "AWS::Region": parameters["TargetRegion"]}
    return statements(json.loads(re.sub(r"\$\{([^}]+)\}", lambda placeholder: values[placeholder[1]], POLICIES[role])))


def request_of(access: Access, region: str) -> AccessRequest:
    return AccessRequest(access.action, access.resource, {"aws:RequestedRegion": (region,), **access.context})


@PROFILE
@given(random_targets())
def test_no_call_of_a_restore_is_denied(target: RandomTarget) -> None:
    """Each is allowed by the statement that the preflight would name; the stack accepts the parameters."""
    parameters = target.parameters
    for name, parameter in PARAMETERS.items():
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), parameters[name]), name
    for role, accesses in (("target", target.accesses), ("worker", target.workers_accesses)):
        policy = filled_in(role, parameters)
        for access in accesses:
            decision = evaluate(policy, request_of(access, target.target.region))
            assert decision.allowed, f"{access.text}: {decision.sid or 'no statement allows it'}"
            assert _decides(policy, access, target.target.region), access.text


def _decides(policy: list[Statement], access: Access, region: str) -> bool:
    """Whether the statement that the preflight names allows it; another one may allow it too."""
    [named] = [statement for statement in policy if statement.sid == access.statement]
    return named.applies_to(request_of(access, region))
