"""A plan lists what a restore would do and every check that would stop it, makes only reading calls, and a worker makes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from activities.preflight.plan import plan_restore
from activities.rds.tags import COPY_FOR, OPERATION
from audit.intents import TrailIntents
from audit.numbers import OperationNumbersTable
from audit.table import AuditTable
from clients.aws import AwsClients
from commands.plan_page import page
from commands.terminal import print_result
from devstack.demo_environment import REPLACED_BY, TARGET
from devstack.stack import Stack
from models.request_file import read_request
from settings import TrailSettings, load_settings
from tests.integration.cli.test_restores import wait_until
from tests.rigs.cli import CommandResult

Operator = Callable[..., CommandResult]


Planner = Callable[..., CommandResult]


READS = re.compile(r"(Describe|List|Get|Simulate)\w+|AssumeRole|Query")


@pytest.fixture
def plan_here(operator: Operator, capsys: pytest.CaptureFixture[str]) -> Planner:
    """Makes the plan in this process, as a worker would with these names, and prints its page."""

    def plan(request_file: Path, sql_directory: Path | None = None, audit_table: str | None = None) -> CommandResult:
        settings = load_settings(TrailSettings)
        aws = AwsClients(environment=settings.environment)
        dynamodb = aws.dynamodb(settings.audit_region)
        numbers = OperationNumbersTable(dynamodb, settings.operations_table)
        intents = TrailIntents(AuditTable(dynamodb, audit_table or settings.audit_table), numbers)
        planned = plan_restore(aws, intents, read_request(request_file), datetime.now(UTC), sql_directory)
        capsys.readouterr()
        print_result(page(planned))
        return CommandResult(int(bool(planned.failed_checks)), capsys.readouterr().out, "")

    return plan


def change_target(path: Path, **values: Any) -> Path:
    """Write other values into the request's target; None leaves a field out."""
    request = json.loads(path.read_text())
    target = request["target"] | values
    request["target"] = {key: value for key, value in target.items() if value is not None}
    path.write_text(json.dumps(request))
    return path


def change_source(path: Path, **values: Any) -> Path:
    """Write other values into the request's source."""
    request = json.loads(path.read_text())
    request["source"] |= values
    path.write_text(json.dumps(request))
    return path


def is_available(rds: Any, snapshot: str) -> bool:
    """Whether a snapshot in the target's region can be used."""
    answer = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)
    return bool(answer["DBClusterSnapshots"][0]["Status"] == "available")


def section(page: str, title: str) -> list[str]:
    """The lines under a title, without their indentation and with " | " between cells."""
    lines = page.split(f"\n{title}\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    return [re.sub(r" {2,}", " | ", line.strip()) for line in lines]


def failed_rules(page: str) -> list[str]:
    """The names of the rules whose checks failed."""
    return [line.removeprefix("✗ ").partition(":")[0] for line in section(page, "Checks") if line.startswith("✗")]


def test_a_plan_without_failed_checks_lists_everything_that_the_restore_would_do(
    worker: Stack, operator: Operator, target: str, request_file: Path
) -> None:
    """Snapshot, copy, deletion, settings with their origin, users, pruning, topics, checks; exit 0."""
    said = operator("plan", change_target(request_file, db_subnet_group_name=None))
    page = said.out
    assert (said.code, page.splitlines()[-1]) == (0, "No check failed. The restore would run.")
    assert page.splitlines()[1] == f"The restore would replace {target}"
    assert re.search(r"^name \| rds:orders-.* \(automated\)$", section(page, "Source snapshot")[0])
    assert any(re.fullmatch(r"created \| .* UTC, \d+ h \d+ min ago", line) for line in section(page, "Source snapshot"))
    copy = section(page, "Copy")
    assert copy[0].startswith("name | aurora-restore-orders-staging-")
    assert copy[1] == "exists | no; the restore would make it"
    to_delete = section(page, "Cluster to delete")
    assert f"cluster | {target}" in to_delete
    assert any(line.startswith("resource id | cluster-") for line in to_delete)
    assert "instance | orders-staging-1 (db.r6g.large, available)" in to_delete
    kept = section(page, "Kept: the restored cluster gets the live target's")
    assert "db_subnet_group_name | staging" in kept
    assert any(line.startswith("not set, and stays so | db_cluster_parameter_group_name") for line in kept)
    assert "instances.orders-staging-2 | absent → present" in section(page, "Changed by the request")
    assert any("RDS deletes them with it" in line for line in section(page, "Cannot be kept"))
    assert section(page, "Database")[0] == "users | orders_app, orders_report"
    topic = "arn:aws:sns:eu-central-1:111122223333:aurora-restore"
    assert f"notified of failure | {topic}" in section(page, "Afterwards")
    # The devstack's identity is no role, whose policies IAM could be asked about.
    assert [line for line in section(page, "Checks") if not line.startswith("✓")] == [
        f"– {whose}-permissions: skipped, because the permissions of the worker were not checked: IAM answered NoSuchEntity"
        for whose in ("target", "worker")
    ]
    assert "staging/orders" not in page  # names of users, not of their secrets


def test_a_plan_names_the_copies_that_the_restore_would_delete(
    plan_here: Planner, target: str, set_up: Stack, request_file: Path
) -> None:
    """Of two older copies and this operation's, two are kept: the oldest is deleted, and no snapshot of anybody else."""
    rds, tags = set_up.demo.client("rds"), [{"Key": COPY_FOR, "Value": target}]
    tags.append({"Key": OPERATION, "Value": "aurora-restore/op-000"})
    names = [f"aurora-restore-{TARGET}-2024010{day}-0123456789" for day in (1, 2)]
    for name, own in [*((name, tags) for name in names), ("somebodys-own", [])]:
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=TARGET, Tags=own)
        wait_until(partial(is_available, rds, name))
    try:
        said = plan_here(request_file)
    finally:
        for name in (*names, "somebodys-own"):
            rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    assert section(said.out, "Afterwards")[:2] == [
        "copies to keep | 2, with production's data unmasked",
        f"copies to delete | {names[0]}",
    ]


def test_a_plan_lists_every_failed_check_at_once(
    plan_here: Planner, target: str, set_up: Stack, request_file: Path
) -> None:
    """An untagged target, a missing subnet group and a window of no length: none hides another; exit 1."""
    rds = set_up.demo.client("rds")
    rds.remove_tags_from_resource(ResourceName=target, TagKeys=[REPLACED_BY])
    change_target(request_file, db_subnet_group_name="nowhere", preferred_backup_window="03:00-03:00")
    said = plan_here(request_file)
    assert (said.code, failed_rules(said.out)) == (1, ["opt-in-tag", "subnet-group", "window"])
    assert said.out.splitlines()[-1] == "3 checks failed. The restore would stop."


def test_a_wrong_account_or_region_is_the_only_failed_check(
    plan_here: Planner, target: str, request_file: Path
) -> None:
    """Everything else is skipped: it would only say again that nothing is there."""
    said = plan_here(change_target(request_file, region="eu-north-1"))
    assert failed_rules(said.out) == ["target-region"]
    assert "– subnet-group: skipped, because the target's region is wrong" in section(said.out, "Checks")
    change_source(request_file, account_id="999999999999")
    said = plan_here(change_target(request_file, account_id="999999999999"))
    assert (said.code, failed_rules(said.out)) == (1, ["source-account", "target-account"])
    skipped = section(said.out, "Checks")
    reason = "the credentials are not those of the request's accounts"
    assert f"– account-quota: skipped, because {reason}" in skipped


def test_the_sql_files_are_checked_where_they_are(
    plan_here: Planner, target: str, request_file: Path, tmp_path: Path
) -> None:
    """In the worker's directory; a worker without one fails the check."""
    request = json.loads(request_file.read_text())
    request["sql_files"] = [{"file": "mask.sql", "database": "orders"}]
    request_file.write_text(json.dumps(request))
    assert failed_rules(plan_here(request_file).out) == ["sql-files"]
    (tmp_path / "mask.sql").write_text("\\set x 1")
    assert failed_rules(plan_here(request_file, tmp_path).out) == ["sql-syntax"]


def test_the_command_that_opts_the_target_in_is_a_line_of_its_own(
    plan_here: Planner, target: str, set_up: Stack, request_file: Path
) -> None:
    """The owner copies the line out of the page; what it does makes the plan pass."""
    rds = set_up.demo.client("rds")
    rds.remove_tags_from_resource(ResourceName=target, TagKeys=[REPLACED_BY])
    [command] = [line for line in section(plan_here(request_file).out, "Checks") if line.startswith("aws ")]
    arguments = dict(re.findall(r"--(\S+) (\S+)", command))
    assert command.startswith("aws rds add-tags-to-resource ")
    assert arguments["resource-name"] == target
    tag = dict(part.split("=", maxsplit=1) for part in arguments["tags"].split(","))
    rds.add_tags_to_resource(ResourceName=arguments["resource-name"], Tags=[tag])
    assert plan_here(request_file).code == 0


def test_without_a_snapshot_the_plan_assumes_one_of_the_source_cluster(
    plan_here: Planner, target: str, request_file: Path
) -> None:
    """The source cluster is encrypted, and the key is that of the target, which the request leaves out."""
    change_source(request_file, snapshot={"identifier": "no-such-snapshot"})
    change_target(request_file, db_subnet_group_name="nowhere", kms_key_id=None)
    said = plan_here(request_file)
    assert (said.code, failed_rules(said.out)) == (1, ["snapshot", "subnet-group"])
    assert section(said.out, "Source snapshot") == ["unknown | see the failed checks"]
    assert section(said.out, "Copy") == ["unknown | see the failed checks"]
    assert "copies to delete | unknown, see the failed checks" in section(said.out, "Afterwards")
    rows = section(said.out, "Kept: the restored cluster gets the live target's")
    assert [row for row in rows if row.startswith("kms_key_id | arn:aws:kms:")], rows
    assert "– copy-source: skipped, because there is no source snapshot" in section(said.out, "Checks")


def test_without_source_and_snapshot_the_plan_skips_what_depends_on_them(
    plan_here: Planner, target: str, request_file: Path
) -> None:
    """A check that needs the snapshot neither passes nor fails without it."""
    said = plan_here(change_source(request_file, cluster="nobody"))
    assert failed_rules(said.out) == ["snapshot", "opt-in-tag"]
    assert "– engine-version: skipped, because there is no source snapshot" in section(said.out, "Checks")


def test_a_missing_target_is_a_failed_check_unless_the_request_allows_it(
    plan_here: Planner, target: str, request_file: Path
) -> None:
    """A misspelt name stops the restore; with `target.missing` set to `create` there is nothing to delete."""
    said = plan_here(change_target(request_file, cluster="orders-stagin", missing="fail"))
    assert (said.code, failed_rules(said.out)) == (1, ["target-exists"])
    said = plan_here(change_target(request_file, missing="create"))
    assert said.code == 0
    assert section(said.out, "Cluster to delete")[0].endswith(":cluster:orders-stagin does not exist")
    assert "– opt-in-tag: skipped, because there is no cluster to delete" in section(said.out, "Checks")


def test_required_settings_without_a_live_target_must_be_in_the_request(
    plan_here: Planner, target: str, request_file: Path
) -> None:
    """A first restore has no live target to copy settings from."""
    said = plan_here(change_target(request_file, cluster="first", db_subnet_group_name=None))
    assert (said.code, failed_rules(said.out)) == (1, ["settings"])
    assert "db_subnet_group_name | – | missing" in section(said.out, "Cluster to restore")


def test_a_missing_audit_table_is_a_failed_check(plan_here: Planner, target: str, request_file: Path) -> None:
    """Before `setup` the rest of the plan is valid; the message names the command that creates the tables."""
    said = plan_here(request_file, audit_table="no-such-table")
    assert (said.code, failed_rules(said.out)) == (1, ["trail"])
    assert "python starter.py setup" in said.out


def test_a_missing_permission_fails_one_check_and_not_the_plan(
    plan_here: Planner, target: str, set_up: Stack, request_file: Path
) -> None:
    """A role that lacks one permission: the plan reports it together with everything else."""
    set_up.emulator.faults.add("rds", "DescribeDBSubnetGroups", "error", code="AccessDenied", count=None)
    try:
        said = plan_here(request_file)
    finally:
        set_up.emulator.faults.clear()
    assert (said.code, failed_rules(said.out)) == (1, ["subnet-group"])
    assert said.out.splitlines()[-1] == "1 check failed. The restore would stop."


def test_a_target_that_aws_does_not_describe_is_unknown_and_not_missing(
    plan_here: Planner, target: str, set_up: Stack, request_file: Path
) -> None:
    """Without the permission to describe clusters, no page says that there is nothing to delete."""
    set_up.emulator.faults.add("rds", "DescribeDBClusters", "error", code="AccessDenied", count=None)
    try:
        said = plan_here(request_file)
    finally:
        set_up.emulator.faults.clear()
    assert (said.code, failed_rules(said.out)) == (1, ["source-cluster", "target-exists"])
    assert section(said.out, "Cluster to delete") == ["unknown | see the failed checks"]
    assert "– opt-in-tag: skipped, because AWS did not describe the target" in section(said.out, "Checks")


def test_a_plan_changes_nothing(plan_here: Planner, target: str, set_up: Stack, request_file: Path) -> None:
    """Every call of a plan only reads, whether its checks pass or fail."""
    set_up.emulator.calls.clear()
    plan_here(request_file)
    plan_here(change_target(request_file, db_subnet_group_name="nowhere", cluster="nobody", missing="fail"))
    calls = list(set_up.emulator.calls)
    assert {"DescribeDBClusters", "Query"} <= {call.operation for call in calls}
    assert [call for call in calls if not READS.fullmatch(call.operation)] == []
