"""A plan that the owner of a target would sign: nothing of the live target is missing from the page."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from activities.preflight.plan import plan_restore
from activities.rds.members import CLUSTER, INSTANCE, Fate
from commands.plan_page import page
from models.archive import Notification
from models.plan import Plan
from models.request import RequestedInstance, RestoreRequest
from models.users import Authentication, DatabaseUser
from tests.integration.activities.test_carried_over import bare_target
from tests.integration.activities.test_what_is_kept import make_rich_target
from tests.rigs.activities import ActivityRig

LIVE = {"kms_key_id": None, "master_user_secret_id": None}


@pytest.fixture
def rich(rig: ActivityRig) -> ActivityRig:
    """A source with a snapshot, and a target whose every setting is unusual."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    return rig


def plan(rig: ActivityRig, users: tuple[DatabaseUser, ...] = (), **target: Any) -> Plan:
    """The plan of a request that names only the two clusters, unless more is given."""
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    topic = rig.aws.sns(rig.target, "owner", "arn:aws:sns:eu-central-1:1:x").create_topic(Name="outcomes")["TopicArn"]
    request = RestoreRequest(
        source=rig.source.model_copy(update={"snapshot": selector}),
        target=bare_target(rig).model_copy(update=LIVE | target),
        users=users,
        notification=Notification(topic_arn=topic),
    )
    return plan_restore(rig.aws, rig.intents, request, rig.now)


def lines(planned: Plan, width: int = 400) -> list[str]:
    """The page's lines, with one blank between cells."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(page(planned))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def section(planned: Plan, title: str) -> list[str]:
    """The lines below a title."""
    below = lines(planned)
    below = below[below.index(title) + 1 :]
    return below[: below.index("")]


def test_everything_that_the_target_has_is_on_the_page(rich: ActivityRig) -> None:
    """Each setting that the tables call kept, with the live value, of the cluster and of each instance."""
    planned = plan(rich)
    assert not planned.failed_checks
    kept = section(planned, "Kept: the restored cluster gets the live target's")
    settings = [member.setting for member in CLUSTER.values() if member.fate is Fate.KEPT and member.setting]
    assert "not set, and stays so db_cluster_parameter_group_name, backtrack_window_seconds" in kept
    named = {line.split()[0] for line in kept}
    assert set(settings) - named == {"instances", "db_cluster_parameter_group_name", "backtrack_window_seconds"}
    assert "storage_type aurora-iopt1" in kept
    assert "serverless_v2_scaling 0 to 4 ACU, paused after 3600 s without connections" in kept
    of_instances = {member.setting for member in INSTANCE.values() if member.fate is Fate.KEPT and member.setting}
    assert of_instances - named == {"identifier", "db_parameter_group_name"}
    blue, green = (kept.index(f"instance blue-{rich.target.cluster}-{colour}") for colour in ("blue", "green"))
    assert kept[green + 1 :] == ["instance_class db.serverless", "promotion_tier 15", "tags schedule=green"]
    assert "monitoring_interval_seconds 15" in kept[kept.index("all 2 instances") : blue]
    assert section(planned, "Changed by the request") == ["nothing the request changes no setting of the target"]


def test_what_the_request_changes_is_shown_before_and_after(rich: ActivityRig) -> None:
    """And it is no longer among what is kept."""
    green = RequestedInstance(identifier=f"blue-{rich.target.cluster}-green", instance_class="db.r6g.large")
    planned = plan(rich, port=6000, storage_type="aurora", engine_version="16.8", instances=(green,))
    changed = section(planned, "Changed by the request")
    blue = f"blue-{rich.target.cluster}-blue"
    assert {
        f"port {(rich.cluster() or {})['Port']} → 6000",
        "storage_type aurora-iopt1 → aurora",
        "engine_version the snapshot's → 16.8",
        f"instances.{green.identifier}.instance_class db.serverless → db.r6g.large",
        f"instances.{blue} db.r6g.large → not restored",
    } <= set(changed)
    assert f"No instance is named {blue} any more" in " ".join(section(planned, "Cannot be kept"))
    kept = section(planned, "Kept: the restored cluster gets the live target's")
    assert not [line for line in kept if line.startswith(("port ", "storage_type ", f"instance {blue}"))]


def test_what_cannot_be_kept_is_said_with_what_it_means(rich: ActivityRig) -> None:
    """Before the deletion, while its owner can still do something about it."""
    cluster = rich.cluster() or {}
    user = DatabaseUser(name="report", authentication=Authentication.IAM)
    lost = " ".join(section(plan(rich, users=(user,)), "Cannot be kept"))
    for expected in (
        "The data of the target",
        "The automated backups of the target: RDS deletes them with it",
        f"DbClusterResourceId {cluster['DbClusterResourceId']}: a restored cluster has a new one",
        f"The logins by IAM of report: a policy for rds-db:connect that names {cluster['DbClusterResourceId']}",
        f"The secret of the master password, {cluster['MasterUserSecret']['SecretArn']}",
        "DbiResourceId db-",
    ):
        assert expected in lost, expected
    assert "The logins by IAM" not in " ".join(lines(plan(rich)))


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_fits_its_terminal(rich: ActivityRig, width: int) -> None:
    """No line is longer, and no value is cut."""
    out = io.StringIO()
    planned = plan(rich)
    Console(file=out, width=width, color_system=None).print(page(planned))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
