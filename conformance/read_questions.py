"""The questions that change nothing: refusals of names that nothing has, and members and values of what exists.

The claims are the emulator's (devstack/aws/README.md); tests/integration/conformance/ asks it the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from conformance import members
from conformance.account import Account, answer_of, refusal
from conformance.anonymiser import Json
from conformance.engine_questions import ENGINE, ENGINE_QUESTIONS
from conformance.expectations import Contains, Expectation, Members, Only, Refusal, Value
from conformance.questions import API, GUIDE, MODEL, ReadQuestion, existing
from conformance.surroundings_questions import SURROUNDINGS_QUESTIONS

NOT_FOUND, BAD_REQUEST = 404, 400
ABSENT = "ABSENT"
"""In a question's parameters, in place of a name that nothing has."""


def _refused(
    name: str,
    operation: str,
    parameters: dict[str, Any],
    code: str,
    text: str,
    *,
    status: int = NOT_FOUND,
    source: str,
    about: str | None = None,
) -> ReadQuestion:
    """A question whose call AWS refuses."""

    def ask(account: Account) -> Json:
        call = partial(account.ask, operation, _with_absent(parameters, account))
        return answer_of(call, account.anonymiser)

    shown = about or ", ".join(f"{key} {value}" for key, value in parameters.items())
    asked = f"{_api_name(operation)} with {shown.replace(ABSENT, 'a name that nothing has')}"
    return ReadQuestion(name, asked, Refusal(code, status, text), source, ask)


def _with_absent(value: Any, account: Account) -> Any:
    if isinstance(value, dict):
        return {key: _with_absent(each, account) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_absent(each, account) for each in value]
    if isinstance(value, str) and ABSENT in value:
        arn = f"arn:{account.partition()}:rds:{account.region}:{account.identity()}"
        replaced = value.replace("ARN", arn).replace(ABSENT, account.absent)
        if replaced != account.absent:
            account.anonymiser.add_name(replaced, "arn-of-absent")
        return replaced
    return value


def _api_name(operation: str) -> str:
    words = operation.replace("db_", "DB_").split("_")
    return "".join(word if word == "DB" else word.capitalize() for word in words)


def _is_empty(name: str, operation: str, key: str, parameters: dict[str, Any], source: str) -> ReadQuestion:
    """A question whose answer is an empty list, and no refusal."""

    def ask(account: Account) -> Json:
        try:
            return len(account.ask(operation, _with_absent(parameters, account))[key])
        except ClientError as error:
            return refusal(error, account.anonymiser)

    filters = [f"the filter {each['Name']}" for each in parameters.get("Filters", [])]
    by = " and ".join(filters or parameters)
    about = f"how many {key} {_api_name(operation)} lists by {by} for a name that nothing has"
    return ReadQuestion(name, about, Value(0), source, ask)


REFUSALS = (
    _refused("cluster-not-found", "describe_db_clusters", {"DBClusterIdentifier": ABSENT},
             "DBClusterNotFoundFault", "DBCluster <absent> not found.", source=API),
    _refused("instance-not-found", "describe_db_instances", {"DBInstanceIdentifier": ABSENT},
             "DBInstanceNotFound", "DBInstance <absent> not found.", source=API),
    _refused("snapshot-not-found", "describe_db_cluster_snapshots", {"DBClusterSnapshotIdentifier": ABSENT},
             "DBClusterSnapshotNotFoundFault", "DBClusterSnapshot <absent> not found.", source=API),
    _refused("snapshot-attributes-not-found", "describe_db_cluster_snapshot_attributes",
             {"DBClusterSnapshotIdentifier": ABSENT},
             "DBClusterSnapshotNotFoundFault", "DBClusterSnapshot <absent> not found.", source=API),
    _refused("cluster-parameter-group-not-found", "describe_db_cluster_parameter_groups",
             {"DBClusterParameterGroupName": ABSENT},
             "DBParameterGroupNotFound", "DBParameterGroup not found: <absent>", source=API),
    _refused("parameter-group-not-found", "describe_db_parameter_groups", {"DBParameterGroupName": ABSENT},
             "DBParameterGroupNotFound", "DBParameterGroup not found: <absent>", source=API),
    _refused("global-cluster-not-found", "describe_global_clusters", {"GlobalClusterIdentifier": ABSENT},
             "GlobalClusterNotFoundFault", "Global cluster <absent> not found.", source=API),
    _refused("subnet-group-not-found", "describe_db_subnet_groups", {"DBSubnetGroupName": ABSENT},
             "DBSubnetGroupNotFoundFault", "DB subnet group '<absent>' does not exist.", source=API),
    _refused("proxy-not-found", "describe_db_proxies", {"DBProxyName": ABSENT},
             "DBProxyNotFoundFault", "DBProxy <absent> not found.", source=MODEL),
    _refused("tags-of-a-missing-snapshot", "list_tags_for_resource", {"ResourceName": f"ARN:cluster-snapshot:{ABSENT}"},
             "DBSnapshotNotFound", "DBClusterSnapshot <arn-of-absent> not found.", source=MODEL,
             about="the ARN of a snapshot that does not exist"),
    _refused("snapshots-by-two-names", "describe_db_cluster_snapshots",
             {"DBClusterIdentifier": ABSENT, "DBClusterSnapshotIdentifier": ABSENT}, "InvalidParameterCombination",
             "DBClusterIdentifier and DBClusterSnapshotIdentifier cannot be specified at the same time.",
             status=BAD_REQUEST, source=API),
    _refused("unknown-filter", "describe_db_clusters", {"Filters": [{"Name": "colour", "Values": ["red"]}]},
             "InvalidParameterValue", "Unrecognized filter name: colour", status=BAD_REQUEST, source=API,
             about="a filter named colour"),
    _refused("page-too-small", "describe_db_clusters", {"MaxRecords": 19}, "InvalidParameterValue",
             "Invalid value 19 for MaxRecords. Must be between 20 and 100", status=BAD_REQUEST, source=API),
    _refused("page-too-large", "describe_db_clusters", {"MaxRecords": 101}, "InvalidParameterValue",
             "Invalid value 101 for MaxRecords. Must be between 20 and 100", status=BAD_REQUEST, source=API),
    _refused("events-without-source-type", "describe_events", {"SourceIdentifier": ABSENT},
             "InvalidParameterCombination", "SourceType must be supplied together with SourceIdentifier.",
             status=BAD_REQUEST, source=API),
)  # fmt: skip
"""What AWS refuses to describe. The codes are botocore's model's, the texts the emulator's, from field reports."""

EMPTY = (
    _is_empty("snapshots-of-a-missing-cluster", "describe_db_cluster_snapshots", "DBClusterSnapshots",
              {"DBClusterIdentifier": ABSENT}, API),
    _is_empty("clusters-by-a-filter", "describe_db_clusters", "DBClusters",
              {"Filters": [{"Name": "db-cluster-id", "Values": [ABSENT]}]}, API),
    _is_empty("clusters-by-a-resource-id", "describe_db_clusters", "DBClusters",
              {"Filters": [{"Name": "db-cluster-resource-id", "Values": [ABSENT]}]}, API),
    _is_empty("instances-of-a-missing-cluster", "describe_db_instances", "DBInstances",
              {"Filters": [{"Name": "db-cluster-id", "Values": [ABSENT]}]}, API),
)  # fmt: skip


# What exists


def _clusters(account: Account) -> list[dict[str, Any]]:
    """The account's Aurora clusters that are available."""
    filters = [{"Name": "engine", "Values": ["aurora-postgresql", "aurora-mysql"]}]
    listed = account.resources("describe_db_clusters", "DBClusters", Filters=filters)
    return [each for each in listed if each.get("Status") == "available"]


def _instances(account: Account) -> list[dict[str, Any]]:
    """The account's instances in Aurora clusters that are available."""
    filters = [{"Name": "engine", "Values": ["aurora-postgresql", "aurora-mysql"]}]
    listed = account.resources("describe_db_instances", "DBInstances", Filters=filters)
    return [each for each in listed if each.get("DBInstanceStatus") == "available"]


def _snapshots(account: Account, kind: str | None = None) -> list[dict[str, Any]]:
    """The account's available snapshots of Aurora clusters."""
    listed = account.resources(
        "describe_db_cluster_snapshots", "DBClusterSnapshots", **({"SnapshotType": kind} if kind else {})
    )
    return [each for each in listed if each.get("Status") == "available" and "aurora" in str(each.get("Engine"))]


def _member_names(resources: list[dict[str, Any]]) -> Json:
    return [sorted(each) for each in resources]


def _snapshot_by_name_only(account: Account) -> Json:
    """Automated snapshots are found by their exact name only with SnapshotType."""
    first = existing(_snapshots(account, "automated"), "automated snapshot of an Aurora cluster")[0]
    name = str(first.get("DBClusterSnapshotIdentifier"))
    account.anonymiser.add_name(name, "automated-snapshot")
    call = partial(account.ask, "describe_db_cluster_snapshots", {"DBClusterSnapshotIdentifier": name})
    return answer_of(call, account.anonymiser)


def _quota_names(account: Account) -> Json:
    return sorted(
        str(each.get("AccountQuotaName")) for each in account.ask("describe_account_attributes", {})["AccountQuotas"]
    )


def _read(name: str, about: str, expected: Expectation, source: str, ask: Any) -> ReadQuestion:
    return ReadQuestion(name, about, expected, source, ask)


EXISTING = (
    _read("members-of-a-cluster", "the members of each available Aurora cluster in DescribeDBClusters",
          Members(members.CLUSTER_ALWAYS, members.CLUSTER_SOMETIMES), API,
          lambda account: _member_names(existing(_clusters(account), "available Aurora cluster"))),
    _read("members-of-an-instance", "the members of each available Aurora instance in DescribeDBInstances",
          Members(members.INSTANCE_ALWAYS, members.INSTANCE_SOMETIMES), API,
          lambda account: _member_names(existing(_instances(account), "available Aurora instance"))),
    _read("members-of-a-snapshot", "the members of each available snapshot in DescribeDBClusterSnapshots",
          Members(members.SNAPSHOT_ALWAYS, members.SNAPSHOT_SOMETIMES), API,
          lambda account: _member_names(existing(_snapshots(account), "available snapshot of an Aurora cluster"))),
    _read("port-of-a-snapshot", "the Port of the available Aurora PostgreSQL snapshots",
          Only(frozenset({"0"})), "AWS CLI Command Reference, describe-db-cluster-snapshots",
          lambda account: sorted({
              str(each.get("Port")) for each in existing(
                  [each for each in _snapshots(account) if each.get("Engine") == ENGINE], "Aurora PostgreSQL snapshot")
          })),
    _read("automated-snapshot-by-name", "an automated snapshot by its exact name, without SnapshotType",
          Refusal("DBClusterSnapshotNotFoundFault", NOT_FOUND, "DBClusterSnapshot <automated-snapshot> not found."), API,
          _snapshot_by_name_only),
    _read("names-of-automated-snapshots", "the form of the names of automated snapshots",
          Only(frozenset({members.NAME_AND_MINUTE})), GUIDE,
          lambda account: members.forms_of_automated_names(
              existing(_snapshots(account, "automated"), "automated snapshot of an Aurora cluster"))),
    _read("account-quotas", "the quotas that DescribeAccountAttributes lists", Contains(members.QUOTAS), GUIDE, _quota_names),
)  # fmt: skip
"""What the account has anyway. Only names of members and AWS's own words leave these answers."""

READ_QUESTIONS: tuple[ReadQuestion, ...] = (*REFUSALS, *EMPTY, *EXISTING, *ENGINE_QUESTIONS, *SURROUNDINGS_QUESTIONS)
