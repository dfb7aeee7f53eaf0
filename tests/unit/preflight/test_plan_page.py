"""The page of a plan says what the plan holds, and "unknown" for what AWS did not return."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from commands.plan_page import page, verdict
from models.configuration import Instance, ServerlessV2Scaling
from models.plan import CheckResult, CheckStatus, ClusterToDelete, InstanceToDelete, Plan, Setting
from models.quarantine import Quarantine
from models.request import RestoreRequest
from models.setting_texts import describe_value
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.requests import request

ACCOUNT = "111122223333"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:restores"
NOW = datetime(2024, 3, 20, 22, tzinfo=UTC)
REQUEST: dict[str, Any] = {
    "source": {"account_id": ACCOUNT, "region": "eu-west-1", "cluster": "orders"},
    "target": {"account_id": ACCOUNT, "region": "eu-central-1", "cluster": "staging", "kms_key_id": "alias/staging"},
    "notification": {"topic_arn": TOPIC},
}
SNAPSHOT = SourceSnapshot(
    arn=f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster-snapshot:nightly",
    identifier="nightly",
    created_at=NOW - timedelta(hours=25, minutes=7),
    engine="aurora-postgresql",
    engine_version="16.6",
    encrypted=False,
)
COPY = SnapshotCopy(
    arn=f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster-snapshot:the-copy", identifier="the-copy", copied=True
)


def a_plan(request: dict[str, Any] | None = None, **fields: Any) -> Plan:
    asked = RestoreRequest.model_validate_json(json.dumps({**REQUEST, **(request or {})}))
    return Plan(request=asked, at=NOW, **fields)


def lines_of(plan: Plan) -> list[str]:
    """The page's lines, with one blank between cells."""
    out = io.StringIO()
    Console(file=out, width=300, color_system=None).print(page(plan))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_an_empty_plan_knows_nothing_and_says_so() -> None:
    """Nothing that AWS did not return is called absent: the owner must not read "nothing to delete"."""
    lines = lines_of(a_plan())
    for title in ("Source snapshot", "Copy", "Cluster to delete"):
        assert lines[lines.index(title) + 1] == "unknown see the failed checks"
    assert "copies to delete unknown, see the failed checks" in lines


def test_the_age_of_the_snapshot_counts_hours_and_minutes() -> None:
    """Also beyond a day; the owner compares it with the time of the backup."""
    assert "created 2024-03-19 20:53 UTC, 25 h 7 min ago" in lines_of(a_plan(snapshot=SNAPSHOT))


def test_the_page_of_a_swap_says_when_the_old_cluster_goes() -> None:
    """And what the certificate means for clients."""
    asked = request(target={"replacement": "swap"})
    cluster = ClusterToDelete(arn="arn", resource_id="cluster-1", status="available")
    lines = lines_of(Plan(request=asked, at=NOW, target_described=True, cluster_to_delete=cluster))
    assert "when last, as orders-staging-old, when orders-staging-next has taken its name" in lines
    assert any(line.endswith("may not be restarted: such a swap is taken back") for line in lines)


def test_the_page_names_every_instance_of_the_cluster_to_delete() -> None:
    """Each is deleted before the cluster."""
    instances = tuple(
        InstanceToDelete(identifier=name, instance_class="db.r6g.large", status="available")
        for name in ("writer", "reader")
    )
    arn = a_plan().request.target.arn
    cluster = ClusterToDelete(arn=arn, resource_id="cluster-1", status="available", instances=instances)
    plan = a_plan(target_described=True, cluster_to_delete=cluster)
    lines = lines_of(plan)
    assert f"cluster {plan.request.target.arn}" in lines
    assert "resource id cluster-1" in lines
    assert [line for line in lines if line.startswith("instance ")] == [
        "instance writer (db.r6g.large, available)",
        "instance reader (db.r6g.large, available)",
    ]


def test_a_target_that_does_not_exist_is_not_deleted() -> None:
    """The page names the ARN, so that the owner sees a misspelt name."""
    plan = a_plan(target_described=True)
    assert f"none {plan.request.target.arn} does not exist" in lines_of(plan)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("available", "exists yes (available); the restore would adopt it"),
        ("copying", "exists yes (copying); the restore would adopt it"),
        (None, "exists no; the restore would make it"),
    ],
)
def test_a_copy_that_exists_is_adopted(status: str | None, expected: str) -> None:
    """Whatever its status is."""
    lines = lines_of(a_plan(snapshot=SNAPSHOT, snapshot_copy=COPY, copy_status=status))
    assert "name the-copy" in lines
    assert expected in lines


def test_in_one_region_no_copy_is_named() -> None:
    """The restore uses the source snapshot itself."""
    source_itself = SnapshotCopy(arn=SNAPSHOT.arn, identifier="nightly", copied=False)
    lines = lines_of(a_plan(snapshot=SNAPSHOT, snapshot_copy=source_itself))
    assert lines[lines.index("Copy") + 1].startswith("none the target is in the source's account and region")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        ((), "none"),
        (("sg-1", "sg-2"), "sg-1, sg-2"),
        ({"team": "shop"}, "team=shop"),
        (Instance(instance_class="db.x", db_parameter_group_name="tuned"), "db.x with tuned"),
        (ServerlessV2Scaling(min_capacity=0.5, max_capacity=16), "0.5 to 16 ACU"),
    ],
)
def test_a_setting_is_formatted(value: object, expected: str) -> None:
    """With where it comes from."""
    setting = Setting(name="a_setting", value=describe_value(value), origin="from the request")
    assert f"a_setting {expected} from the request" in lines_of(a_plan(settings=(setting,)))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "other logins locked"),
        ({"keep_logins": ["reporting", "etl"]}, "other logins locked, except reporting, etl"),
        ({"other_logins": "keep"}, "other logins unchanged, as in the source"),
    ],
)
def test_the_page_says_who_may_still_log_in(request_: dict[str, Any], expected: str) -> None:
    """Whether production's logins are locked is what the owner signs for."""
    assert expected in lines_of(a_plan(request_))


def test_the_page_says_what_is_masked() -> None:
    """A line for each database; without masking, what that means."""
    assert "masking none: the users read production's values" in lines_of(a_plan())
    lines = lines_of(a_plan({"masking": {"file": "masking.toml"}}, masking=(("orders", "2 tables by column"),)))
    at = lines.index("masking by masking.toml")
    assert lines[at + 1] == "orders 2 tables by column"


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        ({}, "2, with production's data unmasked"),
        ({"keep": 0}, "none; only the source has the snapshot"),
        (
            {"masked": True, "share_with": ["555566667777"]},
            "none; 2 snapshots of the masked target instead, shared with 555566667777",
        ),
    ],
)
def test_the_page_says_whose_data_is_kept(archive: dict[str, Any], expected: str) -> None:
    """And who else may read it."""
    sql_files = [{"file": "mask.sql", "database": "orders"}]
    assert f"copies to keep {expected}" in lines_of(a_plan({"archive": archive, "sql_files": sql_files}))


def test_it_says_whether_the_target_is_in_quarantine() -> None:
    """And what it means that it is not."""
    assert "quarantine none: production's logins work" in " ".join(lines_of(a_plan()))
    request = a_plan().request
    quarantine = Quarantine(vpc_security_group_ids=("sg-0fedcba9876543210",))
    shut = request.model_copy(update={"target": request.target.model_copy(update={"quarantine": quarantine})})
    text = "quarantine sg-0fedcba9876543210: only the worker gets in until the end"
    assert text in " ".join(lines_of(a_plan().model_copy(update={"request": shut})))


def test_success_has_its_own_topic_only_if_the_request_names_one() -> None:
    """Failures always go to the first topic."""
    quiet = f"{TOPIC}-quiet"
    lines = lines_of(a_plan({"notification": {"topic_arn": TOPIC, "success_topic_arn": quiet}}))
    assert {f"notified of success {quiet}", f"notified of failure {TOPIC}"} <= set(lines)
    assert f"notified of success {TOPIC}" in lines_of(a_plan())
    webhook = "the webhook of the secret staging/hook"
    lines = lines_of(a_plan({"notification": {"webhook_secret_id": "staging/hook"}}))
    assert {f"notified of success {webhook}", f"notified of failure {webhook}"} <= set(lines)


def test_a_missing_key_and_a_named_secret_are_shown() -> None:
    """The key is missing only if its check failed."""
    location = {"account_id": ACCOUNT, "region": "eu-central-1", "cluster": "staging"}
    plan = a_plan({"target": {**location, "master_user_secret_id": "staging/master"}})
    assert "kms_key_id – as in the snapshot" in lines_of(plan)
    assert "master password from the secret staging/master from the request" in lines_of(plan)
    failed = CheckResult(rule="kms-key", status=CheckStatus.FAILED, message="no key")
    assert "kms_key_id – missing" in lines_of(plan.model_copy(update={"results": (failed,)}))


def test_every_check_has_a_line_with_its_mark() -> None:
    """Passed, failed and skipped checks differ without colours too."""
    results = (
        CheckResult(rule="snapshot"),
        CheckResult(rule="opt-in-tag", status=CheckStatus.FAILED, message="no tag"),
        CheckResult(rule="kms-key", status=CheckStatus.SKIPPED, message="there is no source snapshot"),
    )
    lines = lines_of(a_plan(results=results))
    assert lines[lines.index("Checks") + 1 :][:3] == [
        "✓ snapshot",
        "✗ opt-in-tag: no tag",
        "– kms-key: skipped, because there is no source snapshot",
    ]


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (0, "No check failed. The restore would run."),
        (1, "1 check failed. The restore would stop."),
        (2, "2 checks failed. The restore would stop."),
    ],
)
def test_the_verdict_counts_the_failed_checks(failed: int, expected: str) -> None:
    """It is the last line of the page; skipped checks do not count."""
    skipped = CheckResult(rule="kms-key", status=CheckStatus.SKIPPED, message="-")
    plan = a_plan(results=(skipped, *[CheckResult(rule="topic", status=CheckStatus.FAILED, message="-")] * failed))
    assert verdict(plan) == expected
    assert lines_of(plan)[-1] == expected


def test_the_page_of_a_drill_says_that_no_target_is_touched() -> None:
    """What is restored under which name, measured and removed; nothing is deleted or replaced."""
    target = ClusterToDelete(arn="arn:aws:rds:staging", resource_id="cluster-1", status="available")
    drill = {"target": {**REQUEST["target"], "replacement": "drill"}}
    lines = lines_of(a_plan(drill, snapshot=SNAPSHOT, target_described=True, cluster_to_delete=target))
    assert lines[0].startswith("Plan of a drill at 2024-03-20 22:00 UTC")
    assert lines[2].endswith("cluster:staging, and touch no target")
    section = lines[lines.index("Drill") + 1 :]
    assert section[:2] == [
        "target arn:aws:rds:staging (available): not touched",
        "restored as staging-drill-OPERATION",
    ]
    assert section[3] == "removed with its instances, when its users and checks are done; also if the drill fails"
    assert "Cluster to delete" not in lines
    assert lines[-1] == "No check failed. The drill would run."
    absent = lines_of(a_plan(drill, target_described=True))
    assert "target does not exist, and is not made" in absent
