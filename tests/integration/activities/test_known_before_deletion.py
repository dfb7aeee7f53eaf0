"""What would fail after the deletion is refused before it: each row is a request, its one refusal, and no change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.preflight import settings_size
from activities.snapshots import SnapshotActivities
from errors import Refused
from models.archive import Archive
from models.masking import Masking
from models.users import DatabaseUser, SqlFile
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import CHANGING
from tests.rigs.known_before_deletion import ROWS
from tests.rigs.refused_targets import (
    LARGE,
    TAGS,
    Arrange,
    an_instance,
    in_two_zones,
    make_all,
    requesting,
    take_snapshot,
    with_master,
    with_user,
    without_target,
)


def check(rig: ActivityRig, sql_directory: Path | None = None, **changes: Any) -> Any:
    """Run snapshot-check with these changes of the request."""
    target = rig.target.model_copy(update=changes.pop("target", {}))
    activities = SnapshotActivities(rig.aws, rig.intents, sql_directory)
    return rig.run(activities.snapshot_check, rig.check_input(target=target, **changes))


def refusal(rig: ActivityRig, sql_directory: Path | None = None, **changes: Any) -> tuple[list[str], str]:
    """The rules of the refusal and its text, after checking that nothing was changed."""
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        check(rig, sql_directory, **changes)
    calls = [call for call in rig.emulator.calls if call.operation != "CreateTopic"]
    assert [call.operation for call in calls if call.operation.startswith(CHANGING)] == []
    message = refused.value.fault.message
    return [line.split("]")[0].removeprefix("[") for line in message.splitlines() if line.startswith("[")], message


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_before_anything_is_changed(rig: ActivityRig, row: str) -> None:
    """One cause is one reason, and no call changed anything."""
    arrange, rule, text = ROWS[row]
    rules, message = refusal(rig, **arrange(rig))
    assert rules == [rule]
    assert text in message


def test_settings_that_no_row_of_the_trail_can_hold_are_refused(
    rig: ActivityRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB would refuse the intent at delete-rds, after hours of copying, and with every retry."""
    make_all(rig)
    monkeypatch.setattr(settings_size, "MAX_SETTINGS_BYTES", 100)
    rules, message = refusal(rig)
    assert rules == ["settings-size"]
    assert f"the settings of {rig.target.arn} are" in message


@pytest.mark.parametrize(
    "arrange",
    [
        with_user('{"username": "app", "password": "fine-1234"}'),
        with_user('{"password": "any / password @ of a user"}'),
        with_master('{"username": "boss", "password": "fine-1234"}'),
        requesting({"PreferredBackupWindow": "10:00-10:30"}, preferred_maintenance_window="fri:10:30-fri:11:00"),
        requesting(cloudwatch_logs_exports=("postgresql", "instance")),
        requesting(instances=an_instance(tags={tag["Key"]: "-" for tag in TAGS[:49]})),
        in_two_zones(LARGE, "eu-central-1b"),
        without_target(clusters=2, storage_gib=2, instances=2),
    ],
)
def test_what_aws_accepts_passes(rig: ActivityRig, arrange: Arrange) -> None:
    """The other side of each limit."""
    assert check(rig, **arrange(rig)).done


def test_the_quotas_count_what_the_restore_frees(rig: ActivityRig) -> None:
    """At the limit of every quota: the target's cluster and instances go, and an old copy of ours makes room."""
    make_all(rig)
    snapshots = [rig.make_snapshot(f"day-{day}-{rig.number}") for day in range(3)]
    for snapshot in snapshots:
        rig.make_copy(snapshot)
    rig.control("rds/quotas", clusters=1, instances=2, storage_gib=1, manual_snapshots=3)
    assert check(rig).done
    assert refusal(rig, archive=Archive(keep=9))[0] == ["account-quota"]
    named = rig.named_source(identifier=snapshots[0].identifier)
    assert check(rig, source=named, archive=Archive(keep=9)).done


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n\\set ON_ERROR_STOP on\n", "mask.sql has a command of a client such as \\set (line 2)"),
        ("DELIMITER //\nSELECT 1//", "mask.sql has DELIMITER, a command of the mysql client (line 1)"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\n" * 5, "COMMIT, which ends the transaction (line 9); and 2 more"),
    ],
)
def test_an_sql_file_that_would_fail_is_refused_with_its_lines(
    rig: ActivityRig, tmp_path: Path, text: str, expected: str
) -> None:
    """Together with a file that cannot be read at all; a file without traps passes."""
    make_all(rig)
    (tmp_path / "mask.sql").write_text(text)
    (tmp_path / "fine.sql").write_text("-- \\set\nSELECT 'COMMIT;';")
    fine, mask, none = (SqlFile(file=f"{name}.sql", database="orders") for name in ("fine", "mask", "none"))
    rules, message = refusal(rig, tmp_path, sql_files=(fine, mask, none))
    assert rules == ["sql-files", "sql-syntax"]
    assert expected in message
    user = DatabaseUser(name="app", secret_id=rig.make_secret("app", '{"password": "p"}'), host="10.%")
    assert refusal(rig, tmp_path, users=(user,))[0] == ["engine-fields"]
    assert check(rig, tmp_path, sql_files=(fine,)).done


def test_a_masking_that_cannot_be_used_is_refused_with_its_mistakes(rig: ActivityRig, tmp_path: Path) -> None:
    """The file, an unknown rule, a missing key, a secret that does not exist or is none."""
    make_all(rig)
    (tmp_path / "masking.toml").write_text('orders.t.c = "hash"\norders.t.id = "keep"')
    (tmp_path / "wrong.toml").write_text('orders.t.c = "hashed"')
    good, bad = rig.make_secret("key", '{"key": "' + "k" * 32 + '"}'), rig.make_secret("no-key", "plant")
    for file, key, expected, text in (
        ("none.toml", good, "masking-file", "none.toml cannot be read"),
        ("wrong.toml", good, "masking-file", "orders.t.c.rule: must be"),
        ("masking.toml", None, "masking-file", "masking.key_secret_id is not set"),
        ("masking.toml", "no-such-secret", "secret", "secret no-such-secret does not exist"),
        ("masking.toml", bad, "masking-key", "at least 32 characters"),
    ):
        rules, message = refusal(rig, tmp_path, masking=Masking(file=file, key_secret_id=key))
        assert rules == [expected]
        assert text in message
        assert "plant" not in message
    assert check(rig, tmp_path, masking=Masking(file="masking.toml", key_secret_id=good)).done


def test_nothing_of_a_secret_leaves_the_check(rig: ActivityRig, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the refusal, nor in the log: neither a value that is no secret's, nor a password that RDS refuses."""
    make_all(rig)
    values = ('{"password": "plant@5up3r"}', "plant@5up3r", '{"password": ["plant@5up3r"]}')
    ids = [rig.make_secret(f"secret-{place}", value) for place, value in enumerate(values)]
    users = tuple(DatabaseUser(name=secret, secret_id=secret) for secret in ids[1:])
    with caplog.at_level("DEBUG"), pytest.raises(Refused) as refused:
        check(rig, users=users, target={"master_user_secret_id": ids[0]})
    assert "[master-password]" in refused.value.fault.message
    error = refused.value
    while error is not None:
        assert "plant" not in repr(error) + str(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    own = [record.getMessage() for record in caplog.records if not record.name.startswith(("botocore", "urllib3"))]
    assert not [text for text in own if "plant" in text]


def test_a_wrong_region_is_the_only_reason(rig: ActivityRig) -> None:
    """Neither cluster, subnet group, security group, key nor secrets exist there: that is one mistake, not eight."""
    rig.make_source()
    take_snapshot(rig)
    users = (DatabaseUser(name="app", secret_id="app/secret"),)
    rules, message = refusal(rig, target={"region": "eu-north-1", "master_user_secret_id": "master"}, users=users)
    assert rules == ["target-region"]
    assert "nothing that the request names exists in eu-north-1" in message


def test_a_misspelt_name_is_not_a_wrong_region(rig: ActivityRig) -> None:
    """Where one of the resources exists, each that does not is named."""
    make_all(rig)
    rules, _ = refusal(rig, target={"cluster": "stagin", "db_subnet_group_name": "none"})
    assert rules == ["target-exists", "subnet-group"]
