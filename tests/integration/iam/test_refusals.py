"""What the roles may not do, tried for real: the call is refused by the statement that is meant to, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import pytest
from botocore.exceptions import ClientError

from clients import read_guard
from clients.aws import AwsClients
from models.request import Location
from tests.integration.iam.conftest import Policed
from tests.rigs.activities import ENGINE
from tests.rigs.iam.deployments import SOURCE_CLUSTER, Site
from tests.rigs.iam.evaluation import Ask, decide, statements
from tests.rigs.iam.restores import OPT_IN, PolicedNight
from tests.rigs.iam.template import ROLES, document

NO_STATEMENT = "no statement allows it"
OPERATION, COPY_FOR = "aurora-restore:operation", "aurora-restore:copy-for"


@pytest.fixture(autouse=True)
def _looks_do_not_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is IAM that is asked here, without a look before, and not the worker's own holding back."""
    looked = dict.fromkeys(read_guard.REQUIRED_READS.values(), read_guard._read_clocks())
    monkeypatch.setattr(read_guard, "_reads_started_at", ContextVar("looked", default=looked))
    monkeypatch.setattr(read_guard, "MAX_READ_AGE_SECONDS", float("inf"))


def client(site: Site, role: str, service: str) -> Any:
    """A client with the credentials of a role, in the target's region (the source's, for the source)."""
    place = site.place
    region = place.source_region if role == "source" else place.target_region
    aws: AwsClients = site.session(role)
    where = Location(account_id=place.account_of[role], region=region)
    made: Callable[..., Any] = getattr(aws, service)
    return made(region) if service == "dynamodb" else made(where, "none")


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    """The text with which IAM refuses a call."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    code = refused.value.response["Error"]["Code"]
    assert code in ("AccessDenied", "AccessDeniedException")
    return str(refused.value)


def denied_by(sid: str, call: Callable[..., Any], **parameters: Any) -> None:
    """The call is refused, by this statement."""
    assert f"its statement {sid} denies it" in refusal(call, **parameters)


def tags(**of: str) -> list[dict[str, str]]:
    """Tags of the pipeline by their last word."""
    return [{"Key": f"aurora-restore:{key.replace('_', '-')}", "Value": value} for key, value in of.items()]


@pytest.fixture
def rds(night: PolicedNight) -> Any:
    """RDS, as the target's role."""
    return client(night.site, "target", "rds")


@pytest.fixture
def source_arn(night: PolicedNight) -> str:
    """The source that a target's opt-in names."""
    return night.request.source.arn


def make_cluster(night: PolicedNight, name: str, **opted_in: str) -> str:
    """Somebody's cluster with an instance, in the target's account and region; returns its ARN."""
    rds = night.site.owner("rds")
    master = {"MasterUsername": "boss", "MasterUserPassword": "long-enough"}
    made = rds.create_db_cluster(DBClusterIdentifier=name, Engine=ENGINE, Tags=tags(**opted_in), **master)
    night.later()
    rds.create_db_instance(
        DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass="db.r6g.large", Engine=ENGINE
    )
    night.later()
    return str(made["DBCluster"]["DBClusterArn"])


def make_snapshot(night: PolicedNight, name: str, **given: str) -> str:
    """Somebody's manual snapshot in the target's account and region; returns its ARN."""
    make_cluster(night, f"of-{name}")
    rds = night.site.owner("rds")
    made = rds.create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=name, DBClusterIdentifier=f"of-{name}", Tags=tags(**given)
    )
    night.later()
    return str(made["DBClusterSnapshot"]["DBClusterSnapshotArn"])


@pytest.mark.parametrize("opted_in", [{}, {"replaced_by": "arn:aws:rds:eu-west-1:610000000002:cluster:another"}])
def test_no_cluster_is_deleted_or_changed_that_did_not_opt_in(
    night: PolicedNight, rds: Any, opted_in: dict[str, str]
) -> None:
    """Under the target's very name: without the tag, or with one for another source, nothing happens to it."""
    make_cluster(night, night.cluster, **opted_in)
    denied_by("OnlyWhatOptedIn", rds.delete_db_cluster, DBClusterIdentifier=night.cluster, SkipFinalSnapshot=True)
    denied_by("OnlyWhatOptedIn", rds.modify_db_cluster, DBClusterIdentifier=night.cluster, DeletionProtection=False)


def test_no_instance_is_deleted_that_is_not_the_targets(night: PolicedNight, rds: Any) -> None:
    """An instance that neither opted in nor was made by the pipeline stays, whatever its name."""
    make_cluster(night, night.cluster)
    text = refusal(rds.delete_db_instance, DBInstanceIdentifier=f"{night.cluster}-1", SkipFinalSnapshot=True)
    assert NO_STATEMENT in text
    mark = {"ResourceName": f"arn:aws:rds:eu-central-1:{night.site.place.target}:db:elsewhere-1"}
    assert NO_STATEMENT in refusal(rds.add_tags_to_resource, **mark, Tags=tags(operation="op-001"))


def test_no_cluster_of_another_name_is_deleted(night: PolicedNight, rds: Any, source_arn: str) -> None:
    """One that opted in, but is none of those that the role is for."""
    name = f"analytics-{night.number}"
    make_cluster(night, name, replaced_by=source_arn)
    assert NO_STATEMENT in refusal(rds.delete_db_cluster, DBClusterIdentifier=name, SkipFinalSnapshot=True)


def test_the_source_is_never_touched(together: Site) -> None:
    """In one account, with the opt-in tag on the source itself: whatever changes it is denied."""
    rds, arn = client(together, "target", "rds"), PolicedNight(together).request.source.arn
    together.owner("rds").add_tags_to_resource(ResourceName=arn, Tags=tags(replaced_by=arn))
    denied_by("NeverTheSource", rds.delete_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, SkipFinalSnapshot=True)
    denied_by("NeverTheSource", rds.modify_db_cluster, DBClusterIdentifier=SOURCE_CLUSTER, DeletionProtection=False)
    denied_by("NeverTheSource", rds.add_tags_to_resource, ResourceName=arn, Tags=tags(replaced_by=arn))


def test_no_snapshot_is_deleted_that_is_not_a_copy_of_the_pipelines(
    night: PolicedNight, rds: Any, source_arn: str
) -> None:
    """A colleague's, one that only looks like a copy, one for another target, and one that took a copy's tags along."""
    target = night.request.target.arn
    for name, given in (
        (f"keep-{night.number}", {}),
        (f"aurora-restore-{night.number}", {}),
        (f"aurora-restore-other-{night.number}", {"copy_for": source_arn}),
    ):
        make_snapshot(night, name, **given)
        denied_by("OnlyOwnCopies", rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=name)
    taken_along = f"mine-{night.number}"
    make_snapshot(night, taken_along, copy_for=target)
    assert NO_STATEMENT in refusal(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier=taken_along)


def test_no_snapshot_is_made_a_copy_of_the_pipelines(night: PolicedNight, rds: Any) -> None:
    """A tag does not turn somebody's snapshot into one that may be pruned."""
    arn = make_snapshot(night, f"keep-{night.number}")
    text = refusal(rds.add_tags_to_resource, ResourceName=arn, Tags=tags(copy_for=night.request.target.arn))
    assert NO_STATEMENT in text


@pytest.mark.parametrize("role", ["source", "target", "worker", "operator"])
def test_nobody_opts_in_for_an_owner(night: PolicedNight, role: str) -> None:
    """No role adds the opt-in tag to a cluster that is there, the target's name or any other."""
    given = tags(replaced_by=night.request.source.arn)
    rds = client(night.site, role, "rds")
    for name in (night.cluster, f"analytics-{night.number}"):
        arn = make_cluster(night, name)
        refusal(rds.add_tags_to_resource, ResourceName=arn, Tags=given)
        assert night.site.owner("rds").list_tags_for_resource(ResourceName=arn)["TagList"] == []


def test_the_opt_in_is_the_owners(night: PolicedNight, rds: Any, source_arn: str) -> None:
    """It comes with a restore or not at all, on the target's own name only, and is taken away by nobody."""
    arn = make_cluster(night, night.cluster)
    other = make_cluster(night, f"analytics-{night.number}")
    given = tags(replaced_by=source_arn)
    denied_by("OptInComesWithTheRestore", rds.add_tags_to_resource, ResourceName=arn, Tags=given)
    as_if_restored = tags(replaced_by=source_arn, operation="op-001", restored_from="-")
    denied_by("NobodyElseOptsIn", rds.add_tags_to_resource, ResourceName=other, Tags=as_if_restored)
    denied_by("NoTagIsRemoved", rds.remove_tags_from_resource, ResourceName=arn, TagKeys=[OPT_IN])


def test_nothing_else_is_restored(night: PolicedNight, rds: Any, source_arn: str) -> None:
    """No cluster of another name, none without the opt-in tag, none from somebody's snapshot."""
    make_snapshot(night, f"keep-{night.number}")
    opted_in = tags(replaced_by=source_arn, operation="op-001", restored_from="-")
    somebodys = {"SnapshotIdentifier": f"keep-{night.number}", "Engine": ENGINE}
    restore = rds.restore_db_cluster_from_snapshot
    for name, given in ((night.cluster, opted_in), (night.cluster, []), ("analytics", opted_in)):
        refusal(restore, DBClusterIdentifier=name, Tags=given, **somebodys)


def test_no_instance_is_public_or_elsewhere(night: PolicedNight, rds: Any, source_arn: str) -> None:
    """Not open to the internet, and not in a cluster that did not opt in."""
    make_cluster(night, night.cluster, replaced_by=source_arn)
    other = f"analytics-{night.number}"
    make_cluster(night, other)
    given = {"DBInstanceClass": "db.r6g.large", "Engine": ENGINE, "Tags": tags(operation="op-001")}
    own = {"DBInstanceIdentifier": f"{night.cluster}-9", **given}
    create = rds.create_db_instance
    denied_by("NeverPublic", create, DBClusterIdentifier=night.cluster, PubliclyAccessible=True, **own)
    assert NO_STATEMENT in refusal(create, DBClusterIdentifier=other, PubliclyAccessible=False, **own)


def test_no_other_secret_is_read(night: PolicedNight) -> None:
    """Neither one of another name, nor the managed master password of another cluster."""
    secrets = client(night.site, "target", "secretsmanager")
    name = f"production/{night.number}"
    night.site.owner("secretsmanager").create_secret(Name=name, SecretString=json.dumps({"password": "x"}))
    made = night.site.owner("rds").create_db_cluster(
        DBClusterIdentifier=f"analytics-{night.number}",
        Engine=ENGINE,
        MasterUsername="boss",
        ManageMasterUserPassword=True,
    )
    for secret in (name, made["DBCluster"]["MasterUserSecret"]["SecretArn"]):
        assert NO_STATEMENT in refusal(secrets.get_secret_value, SecretId=secret)


CHANGES: Mapping[str, Callable[[Any, str], Any]] = {
    "UpdateItem": lambda dynamodb, table: dynamodb.update_item(
        TableName=table, Key={"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}
    ),
    "DeleteItem": lambda dynamodb, table: dynamodb.delete_item(
        TableName=table, Key={"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}
    ),
    "BatchWriteItem": lambda dynamodb, table: dynamodb.batch_write_item(
        RequestItems={table: [{"DeleteRequest": {"Key": {"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}}}]}
    ),
    "TransactWriteItems": lambda dynamodb, table: dynamodb.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": table, "Key": {"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}}}
        ]
    ),
    "PartiQL DELETE": lambda dynamodb, table: dynamodb.execute_statement(
        Statement=f"DELETE FROM \"{table}\" WHERE operation_id='op-001' AND event_key='-'"
    ),
    "PartiQL UPDATE": lambda dynamodb, table: dynamodb.execute_statement(
        Statement=f"UPDATE \"{table}\" SET details='-' WHERE operation_id='op-001' AND event_key='-'"
    ),
    "DeleteTable": lambda dynamodb, table: dynamodb.delete_table(TableName=table),
    "UpdateTable": lambda dynamodb, table: dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["worker", "operator"])
def test_no_row_of_the_trail_is_changed_or_deleted(apart: Site, role: str, change: str) -> None:
    """Neither by the worker nor by the operator, in whichever way DynamoDB offers."""
    dynamodb = client(apart, role, "dynamodb")
    denied_by("NoRowIsChangedOrDeleted", lambda: CHANGES[change](dynamodb, "aurora-restore-audit"))


def test_the_worker_lets_no_row_expire_and_the_operator_writes_none(apart: Site) -> None:
    """Expiry deletes rows too, and a trail that its reader can write proves nothing."""
    expiry = {"Enabled": True, "AttributeName": "date"}
    worker, operator = client(apart, "worker", "dynamodb"), client(apart, "operator", "dynamodb")
    table = {"TableName": "aurora-restore-audit"}
    denied_by("NoRowIsChangedOrDeleted", worker.update_time_to_live, **table, TimeToLiveSpecification=expiry)
    row = {"operation_id": {"S": "op-001"}, "event_key": {"S": "-"}}
    assert NO_STATEMENT in refusal(operator.put_item, **table, Item=row)


def test_the_source_is_only_read(apart: Site) -> None:
    """The source's role copies, shares, changes and deletes nothing, not even with more policies on it."""
    rds = client(apart, "source", "rds")
    cluster = {"DBClusterIdentifier": SOURCE_CLUSTER}
    denied_by("TheSourceIsOnlyRead", rds.delete_db_cluster, **cluster, SkipFinalSnapshot=True)
    denied_by("TheSourceIsOnlyRead", rds.modify_db_cluster, **cluster, DeletionProtection=False)
    denied_by("TheSourceIsOnlyRead", rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier="nightly")


@pytest.mark.parametrize(
    ("becoming", "role", "given"),
    [
        ("worker", "target", {}),
        ("worker", "target", {"ExternalId": "of-somebody-else"}),
        ("operator", "target", {"ExternalId": "aurora-restore-4711"}),
        ("target", "source", {"ExternalId": "aurora-restore-4711"}),
        ("worker", "operator", {"ExternalId": "aurora-restore-4711"}),
    ],
)
def test_only_the_worker_becomes_source_or_target(apart: Site, becoming: str, role: str, given: dict[str, str]) -> None:
    """With the external id of the stack, and no role becomes any other."""
    sts = client(apart, becoming, "sts")
    refusal(sts.assume_role, RoleArn=apart.place.role_arn(role), RoleSessionName="test", **given)


def test_a_call_that_is_new_is_no_call_that_anybody_may_make(rds: Any) -> None:
    """Whoever adds a call to the code is told which files it needs to be written into."""
    text = refusal(rds.reboot_db_instance, DBInstanceIdentifier="orders-1")
    assert "rds:RebootDBInstance is new here" in text
    assert "tests/rigs/iam/authorization.py" in text
    assert "deploy/iam" in text


@pytest.mark.parametrize("role", ROLES)
def test_every_denial_was_tried(role: str, policed: Policed, apart: Site) -> None:
    """Each statement that denies would be missed: without it, somebody with every other right could do its worst."""
    everything = {"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}
    for sid, ask in WORST[role].items():
        policy = [each for each in policed.ids.roles[apart.place.role_arn(role)].policy if not each.allows]
        more = [*policy, *statements({"Statement": [everything]})]
        assert decide(more, ask).sid == sid
        assert decide([each for each in more if each.sid != sid], ask).allowed, f"{sid} is denied by another as well"
    assert set(WORST[role]) == {each["Sid"] for each in document(role)["Statement"] if each["Effect"] == "Deny"}


_RDS = "arn:aws:rds:eu-central-1:610000000003"
_SOURCE = "arn:aws:rds:eu-west-1:610000000002:cluster:orders"
_ROW = Ask("dynamodb:UpdateItem", "arn:aws:dynamodb:eu-central-1:610000000001:table/aurora-restore-audit")
WORST: Mapping[str, Mapping[str, Ask]] = {
    "worker": {"NoRowIsChangedOrDeleted": _ROW},
    "operator": {"NoRowIsChangedOrDeleted": _ROW},
    "source": {"TheSourceIsOnlyRead": Ask("rds:DeleteDBCluster", _SOURCE)},
    "target": {
        "NeverTheSource": Ask("rds:StopDBCluster", _SOURCE),
        "OnlyWhatOptedIn": Ask("rds:DeleteDBCluster", f"{_RDS}:cluster:staging-1"),
        "OnlyOwnCopies": Ask("rds:DeleteDBClusterSnapshot", f"{_RDS}:cluster-snapshot:aurora-restore-1"),
        "NobodyElseOptsIn": Ask(
            "rds:AddTagsToResource",
            f"{_RDS}:cluster:analytics",
            {"aws:TagKeys": (OPT_IN,), "aws:RequestTag/aurora-restore:restored-from": ("-",)},
        ),
        "OptInComesWithTheRestore": Ask(
            "rds:AddTagsToResource", f"{_RDS}:cluster:staging-1", {"aws:TagKeys": (OPT_IN,)}
        ),
        "NoTagIsRemoved": Ask("rds:RemoveTagsFromResource", f"{_RDS}:cluster:staging-1", {"aws:TagKeys": (OPT_IN,)}),
        "NeverPublic": Ask("rds:CreateDBInstance", f"{_RDS}:db:staging-1-1", {"rds:PubliclyAccessible": ("true",)}),
    },
}
"""For each statement that denies, what it stands against."""
