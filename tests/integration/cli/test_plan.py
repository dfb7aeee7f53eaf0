"""`starter.py plan`: what the night would do and everything that would stop it, and not one call that changes anything."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from activities.preflight import guards
from activities.rds.tags import COPY_FOR
from devstack.demo_environment import REPLACED_BY, TARGET
from devstack.stack import Stack
from tests.integration.cli.test_restores import wait_until
from tests.rigs.cli import ROOT, Said, run

Operator = Callable[..., Said]
READS = re.compile(r"(Describe|List|Get)\w+|AssumeRole|Query")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def target(set_up: Stack) -> Iterator[str]:
    """The target's ARN; the cluster is there and has opted in, before and after."""
    demo, rds = set_up.demo, set_up.demo.client("rds")
    if not rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": [TARGET]}])["DBClusters"]:
        demo.make_target()
    opt_in: dict[str, Any] = {
        "ResourceName": demo.target_arn,
        "Tags": [{"Key": REPLACED_BY, "Value": demo.source_arn}],
    }
    rds.add_tags_to_resource(**opt_in)
    yield demo.target_arn
    rds.add_tags_to_resource(**opt_in)


def changed(path: Path, **targets: Any) -> Path:
    """The request with other values in its target; None leaves one out."""
    request = json.loads(path.read_text())
    request["target"] = {key: value for key, value in (request["target"] | targets).items() if value is not None}
    path.write_text(json.dumps(request))
    return path


def is_available(rds: Any, snapshot: str) -> bool:
    """Whether a snapshot in the target's region can be used."""
    found = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=snapshot)["DBClusterSnapshots"]
    return bool(found[0]["Status"] == "available")


def section(page: str, title: str) -> list[str]:
    """The lines under a title, without their indentation and with one blank between cells."""
    lines = page.split(f"\n{title}\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    return [re.sub(r" {2,}", " | ", line.strip()) for line in lines]


def broken(page: str) -> list[str]:
    """The names of the rules that do not hold."""
    return [line.removeprefix("✗ ").partition(":")[0] for line in section(page, "Checks") if line.startswith("✗")]


def test_a_good_plan_says_everything_that_the_night_would_do(
    operator: Operator, target: str, request_file: Path
) -> None:
    """Snapshot, copy, deletion, settings with their origin, users, pruning, topics, checks; exit 0."""
    said = operator("plan", changed(request_file, db_subnet_group_name=None))
    page = said.out
    assert (said.code, page.splitlines()[-1]) == (0, "The night would run.")
    assert target in page.splitlines()[1]
    assert re.search(r"^name \| rds:orders-.* \(automated\)$", section(page, "Source snapshot")[0])
    assert any(re.fullmatch(r"created \| .* UTC, \d+ h \d+ min ago", line) for line in section(page, "Source snapshot"))
    assert section(page, "Copy")[0].startswith("name | aurora-restore-orders-staging-")
    deleted = section(page, "Would be deleted")
    assert f"cluster | {target}" in deleted
    assert any(line.startswith("resource id | cluster-") for line in deleted)
    assert "instance | orders-staging-1 (db.r6g.large, available)" in deleted
    restored = section(page, "Would be restored")
    assert "instances | db.r6g.large, db.r6g.large | request" in restored
    assert "db_subnet_group_name | staging | carried over from the live target" in restored
    assert "db_cluster_parameter_group_name | – | RDS default" in restored
    assert section(page, "Database")[0] == "users | orders_app, orders_report"
    assert "told of failure | arn:aws:sns:eu-central-1:111122223333:aurora-restore" in section(page, "Afterwards")
    assert all(line.startswith("✓") for line in section(page, "Checks"))
    assert "staging/orders" not in page  # names of users, not of their secrets


def test_the_copies_that_would_be_pruned_are_named(
    operator: Operator, target: str, set_up: Stack, request_file: Path
) -> None:
    """Of two older copies and tonight's, two are kept: the older of the two goes, and nobody's else."""
    rds, tags = set_up.demo.client("rds"), [{"Key": COPY_FOR, "Value": target}]
    names = [f"aurora-restore-{TARGET}-2024010{day}-0123456789" for day in (1, 2)]
    for name, own in [*((name, tags) for name in names), ("somebodys-own", [])]:
        rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=TARGET, Tags=own)
        wait_until(partial(is_available, rds, name))
    try:
        said = operator("plan", request_file)
    finally:
        for name in (*names, "somebodys-own"):
            rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)
    assert section(said.out, "Afterwards")[:2] == ["copies kept | 2", f"copies pruned | {names[0]}"]


def test_every_fault_is_listed_at_once(operator: Operator, target: str, set_up: Stack, request_file: Path) -> None:
    """An untagged target, a missing subnet group and a wrong account: none hides another; exit 1."""
    rds = set_up.demo.client("rds")
    rds.remove_tags_from_resource(ResourceName=target, TagKeys=[REPLACED_BY])
    request = json.loads(changed(request_file, db_subnet_group_name="nowhere", account_id="999999999999").read_text())
    request["source"]["account_id"] = "999999999999"
    request_file.write_text(json.dumps(request))
    said = operator("plan", request_file)
    assert said.code == 1
    wanted = ["source-account", "target-account", "target-arn", "opt-in-tag", "subnet-group"]
    assert broken(said.out) == wanted
    assert said.out.splitlines()[-1] == "5 things would stop it."


def test_without_a_snapshot_all_else_is_still_looked_at(operator: Operator, target: str, request_file: Path) -> None:
    """The snapshot is judged by what its cluster is now, so that the key that would be missing is told as well."""
    request = json.loads(changed(request_file, db_subnet_group_name="nowhere", kms_key_id=None).read_text())
    request["source"]["snapshot"] = {"identifier": "no-such-snapshot"}
    request_file.write_text(json.dumps(request))
    said = operator("plan", request_file)
    assert (said.code, broken(said.out)) == (1, ["snapshot", "subnet-group", "kms-key"])


def test_without_source_and_snapshot_nothing_is_made_up(operator: Operator, target: str, request_file: Path) -> None:
    """What depends on a snapshot that nobody can see is neither right nor wrong."""
    request = json.loads(request_file.read_text())
    request["source"]["cluster"] = "nobody"
    request_file.write_text(json.dumps(request))
    said = operator("plan", request_file)
    assert broken(said.out) == ["snapshot", "opt-in-tag"]
    assert "– engine-version: not looked at, there is no snapshot to look at" in section(said.out, "Checks")


def test_a_target_that_is_not_there_is_a_fault_unless_it_is_the_first_night(
    operator: Operator, target: str, request_file: Path
) -> None:
    """A misspelt name stops the night; with `missing: create` there is nothing to delete."""
    said = operator("plan", changed(request_file, cluster="orders-stagin", missing="fail"))
    assert (said.code, broken(said.out)) == (1, ["target-exists"])
    said = operator("plan", changed(request_file, missing="create"))
    assert said.code == 0
    assert "– opt-in-tag: not looked at, there is nothing to delete" in section(said.out, "Checks")


def test_settings_that_nobody_has_are_asked_for(operator: Operator, target: str, request_file: Path) -> None:
    """A first night has no live target to carry settings over from."""
    said = operator("plan", changed(request_file, cluster="first", db_subnet_group_name=None))
    assert (said.code, broken(said.out)) == (1, ["settings"])
    assert "db_subnet_group_name | – | missing" in section(said.out, "Would be restored")


def test_a_trail_that_is_not_there_is_a_finding(
    operator: Operator, target: str, request_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before `setup` the rest of the plan is as good; the line says which command makes the tables."""
    monkeypatch.setenv("AURORA_RESTORE_AUDIT_TABLE", "no-such-table")
    said = operator("plan", request_file)
    assert (said.code, broken(said.out)) == (1, ["trail"])
    assert "python starter.py setup" in said.out


def test_what_aws_does_not_allow_stops_one_rule_and_not_the_plan(
    operator: Operator, target: str, set_up: Stack, request_file: Path
) -> None:
    """A role without one permission learns of it together with everything else."""
    set_up.emulator.faults.add("rds", "DescribeDBSubnetGroups", "error", code="AccessDenied", count=None)
    try:
        said = operator("plan", request_file)
    finally:
        set_up.emulator.faults.clear()
    assert (said.code, broken(said.out)) == (1, ["subnet-group"])


def test_a_plan_changes_nothing(operator: Operator, target: str, set_up: Stack, request_file: Path) -> None:
    """Every call of a plan, good or not, is one that only looks."""
    set_up.emulator.calls.clear()
    operator("plan", request_file)
    operator("plan", changed(request_file, db_subnet_group_name="nowhere", cluster="nobody", missing="fail"))
    calls = list(set_up.emulator.calls)
    assert {"DescribeDBClusters", "Query"} <= {call.operation for call in calls}
    assert [call for call in calls if not READS.fullmatch(call.operation)] == []
    assert "GetSecretValue" not in {call.operation for call in calls}


def test_a_file_that_is_no_request_is_the_users_mistake(operator: Operator, tmp_path: Path) -> None:
    """Exit 2, as for every verb."""
    wrong = tmp_path / "night.json"
    wrong.write_text('{"source": ')
    said = operator("plan", wrong)
    assert (said.code, said.out) == (2, "")


def test_without_aws_there_is_no_plan(operator: Operator, request_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 5 and nothing on stdout: half a plan would be signed."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    said = operator("plan", request_file)
    assert (said.code, said.out) == (5, "")
    assert NOWHERE in said.err


def test_in_a_pipe_a_plan_is_plain_text(target: str, set_up: Stack, request_file: Path) -> None:
    """No colours and no folded lines: the page can be searched, mailed and compared with last week's."""
    said = run(set_up, "plan", request_file)
    assert (said.code, "\x1b" in said.out) == (0, False)
    assert max(map(len, said.out.splitlines())) < 300


def test_every_rule_has_its_line() -> None:
    """A rule that the code can find broken, but no check names, would be missing among those that hold."""
    found: dict[str, set[str]] = {"Violation": set(), "Check": set(), "_not_there": set()}
    for module in ("examination", "guards", "readiness", "sharing"):
        for node in ast.walk(ast.parse((ROOT / "activities" / f"{module}.py").read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in found:
                found[name] |= set(re.findall(r"'([a-z0-9-]+)'", ast.unparse(node.args[0])))
    assert found["Violation"] | found["_not_there"] == found["Check"] | set(guards.GUARDS)
