"""restores.toml: defaults beneath each entry, and every mistake with its file, its entry and its field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from temporalio.client import ScheduleActionStartWorkflow
from temporalio.common import TypedSearchAttributes

from models.fleet_file import Fleet, read_fleet
from models.fleet_schema import fleet_schema, fleet_schema_text
from models.fleet_summary import SummaryInput
from models.request_file import UnreadableRequest, as_json_value, read_request, read_toml
from runs.restores import DisplayMetadata
from runs.summary_schedules import summary_schedule
from tests.rigs.documents import ROOT, text

EXAMPLE = ROOT / "examples" / "restores.toml"
DEFAULTS = text("examples", "restores.toml").partition("# The most urgent")[0]
ONE = DEFAULTS + "[restores.a]\ntarget.cluster = 'a'\n"

SIDE_BY_SIDE = (
    ONE + "[restores.rehearsal]\ntarget = { cluster = 'a', replacement = 'drill' }\nschedule.at = '12:05'\n"
    "[restores.b]\ntarget = { cluster = 'b', replacement = 'drill' }\n"
)


def read(folder: Path, **files: str) -> Fleet:
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content)
    return read_fleet(folder if len(files) > 1 else folder / f"{next(iter(files))}.toml")


def mistakes(folder: Path, **files: str) -> list[str]:
    """The lines of the refusal, without the folder's name."""
    with pytest.raises(UnreadableRequest) as refused:
        read(folder, **files)
    return str(refused.value).replace(f"{folder}/", "").splitlines()[1:]


def test_the_example_declares_three_targets() -> None:
    """Its first entry is the request of examples/restore.toml with one instance, one user, and the default archive."""
    fleet = read_fleet(EXAMPLE)
    assert fleet.name == "laptop"
    staging, analytics, training = (each.entry for each in fleet.restores)
    same = {"source", "notification", "waits"}
    alone = read_request(ROOT / "examples" / "restore.toml")
    assert staging.request.model_dump(include=same) == alone.model_dump(include=same)
    assert (staging.schedule_id, staging.schedule.priority) == ("aurora-restore-orders-staging", 1)
    assert (analytics.schedule.at, analytics.schedule.time_zone, analytics.target.missing) == (
        "05:30",
        "Europe/Berlin",
        "create",
    )
    assert training.schedule.at == "04:05"
    assert "schedule" not in training.request.model_dump()


def test_tables_are_merged_and_lists_are_replaced(tmp_path: Path) -> None:
    """An entry's instances are its own; what it leaves out is the defaults'."""
    instances = "target.instances = [{ instance_class = 'db.r6g.xlarge' }, { instance_class = 'db.r6g.large' }]\n"
    [declared] = read(tmp_path, one=f"{ONE}{instances}").restores
    assert [each.instance_class for each in declared.entry.target.instances or ()] == ["db.r6g.xlarge", "db.r6g.large"]
    assert declared.entry.target.region == "eu-central-1"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (ONE + "target.clustr = 'b'\n", "one.toml: restores.a.target.clustr: unknown field; did you mean `cluster`?"),
        (ONE + "schedule.att = '04:05'\n", "one.toml: restores.a.schedule.att: unknown field; did you mean `at`?"),
        (ONE + "shedule.at = '04:05'\n", "one.toml: restores.a.shedule: unknown field; did you mean `schedule`?"),
        (ONE.replace("[defaults.", "[default."), "one.toml: default: unknown field; did you mean `defaults`?"),
        (ONE.replace("kms_key_id", "kms_key"), "one.toml: defaults.target.kms_key: unknown field; did you mean"),
        (ONE + "schedule.at = '4:05'\n", "one.toml: restores.a.schedule.at: must be a time of day such as 04:05"),
        (
            ONE + "schedule.time_zone = 'Europe/Belin'\n",
            (
                "one.toml: restores.a.schedule.time_zone: must be a time zone such as Europe/Berlin or UTC; did you mean "
                "`Europe/Berlin`?"
            ),
        ),
        (ONE + "schedule.priority = 6\n", "one.toml: restores.a.schedule.priority: must be at most 5"),
        (ONE + "schedule.catch_up = 'PT25H'\n", "one.toml: restores.a.schedule.catch_up: must be at most 1 day"),
        (DEFAULTS + "[restores.a]\n", "one.toml: restores.a.target.cluster: is required"),
        (DEFAULTS + "[restores]\na = 5\n", "one.toml: restores.a: must be an object"),
        (
            ONE + "[restores.'a b']\n",
            "one.toml: restores: each key must be 1 to 63 letters, digits, underscores and hyphens",
        ),
        (
            ONE + "[restores.b]\ntarget.cluster = 'A'\n",
            (
                "one.toml: restores.b.target: arn:aws:rds:eu-central-1:111122223333:cluster:a is also the target of "
                "one.toml: restores.a"
            ),
        ),
        (
            ONE + "[restores.b]\ntarget = { cluster = 'a', region = 'eu-north-1' }\n",
            (
                "one.toml: restores.b.schedule.id: aurora-restore-a is also the schedule of one.toml: restores.a; set another "
                "one, because two clusters have the same name, or one has the other's name with -drill"
            ),
        ),
        (
            SIDE_BY_SIDE.replace("schedule.at = '12:05'", ""),
            "one.toml: restores.rehearsal.schedule.at: 04:05 Europe/Berlin is also the time of ",
        ),
        (
            SIDE_BY_SIDE.replace("\n[restores.rehearsal]", "\narchive = { keep = 7 }\n[restores.rehearsal]"),
            "one.toml: restores.rehearsal.archive: keeps 2 copies of the target's snapshots, ",
        ),
        (
            SIDE_BY_SIDE.replace(
                "\n[restores.rehearsal]",
                "\narchive.masked = true\nsql_files = [{ file = 'm.sql', database = 'd' }]\n[restores.rehearsal]",
            ),
            "one.toml: restores.rehearsal.archive: keeps 2 copies of the target's snapshots, ",
        ),
    ],
)
def test_a_mistake_names_file_entry_and_field(tmp_path: Path, written: str, expected: str) -> None:
    """One line for it, in the words of a request's mistakes."""
    [line] = mistakes(tmp_path, one=written)
    assert line.startswith(expected)


def test_a_mistake_in_the_defaults_is_listed_once(tmp_path: Path) -> None:
    """However many entries have it; what an entry replaces is the entry's."""
    entries = "".join(f"[restores.e{number}]\ntarget.cluster = 'e{number}'\n" for number in range(100))
    wrong = DEFAULTS.replace('"111122223333"', '"1111"')
    own = "[restores.own]\ntarget = { cluster = 'own', account_id = '2' }\n"
    assert mistakes(tmp_path, one=wrong + entries + own) == [
        "one.toml: defaults.source.account_id: must be 12 digits",
        "one.toml: defaults.target.account_id: must be 12 digits",
        "one.toml: restores.own.target.account_id: must be 12 digits",
    ]


def test_the_list_of_mistakes_ends(tmp_path: Path) -> None:
    """Fifty lines, then how many follow."""
    entries = "".join(f"[restores.e{number}]\ntarget.nothing = 1\n" for number in range(60))
    lines = mistakes(tmp_path, one=DEFAULTS + entries)
    assert (len(lines), lines[-1]) == (51, "and 70 more")


def test_a_restore_and_a_drill_of_one_target_stand_side_by_side(tmp_path: Path) -> None:
    """Each with a schedule of its own; the summary has the target once, and none that is only drilled."""
    fleet = read(tmp_path, one=SIDE_BY_SIDE)
    assert [each.entry.schedule_id for each in fleet.restores] == [
        "aurora-restore-a",
        "aurora-restore-a-drill",
        "aurora-restore-b-drill",
    ]
    schedule = summary_schedule(fleet, "queue", DisplayMetadata("-", "-", TypedSearchAttributes.empty))
    assert schedule is not None
    assert isinstance(schedule.action, ScheduleActionStartWorkflow)
    [summary] = schedule.action.args
    assert isinstance(summary, SummaryInput)
    assert [arn.rpartition(":")[2] for arn in summary.target_arns] == ["a"]


def test_a_folder_is_read_as_one_file(tmp_path: Path) -> None:
    """The defaults of one file are beneath the entries of all."""
    fleet = read(
        tmp_path, defaults=DEFAULTS, b="[restores.b]\ntarget.cluster = 'b'\n", a="[restores.a]\ntarget.cluster = 'a'\n"
    )
    assert [(each.name, each.file.name) for each in fleet.restores] == [("a", "a.toml"), ("b", "b.toml")]
    assert fleet.name == "laptop"


def test_what_a_folder_may_have_once(tmp_path: Path) -> None:
    """Two files with defaults, or with one entry's name, would be one file or the other's."""
    assert mistakes(tmp_path, a=ONE, b=ONE) == [
        "b.toml: name: is also in a.toml; expected it in one file of the folder",
        "b.toml: defaults: is also in a.toml; expected it in one file of the folder",
        "b.toml: summary: is also in a.toml; expected it in one file of the folder",
        "b.toml: restores.a: is also in a.toml; give one of them another name",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"one": DEFAULTS}, "restores: has no entry; expected at least one [restores.NAME]"),
        ({"one": "x = "}, "is not TOML"),
        ({"one": "x = " + "[" * 5000}, "is nested too deeply"),
        ({"one": ONE + "# " + "x" * (4 * 1024 * 1024)}, "has more than 4,194,304 bytes"),
    ],
)
def test_a_file_that_declares_nothing_is_refused(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """An empty fleet would delete every schedule."""
    with pytest.raises(UnreadableRequest, match=re.escape(expected)):
        read(tmp_path, **files)


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """They are no empty fleet either."""
    with pytest.raises(UnreadableRequest, match="has 0 files"):
        read_fleet(tmp_path)
    with pytest.raises(UnreadableRequest, match="cannot be read: No such file"):
        read_fleet(tmp_path / "none.toml")


def test_the_published_schema_is_the_models() -> None:
    """docs/reference has what `starter.py schema` prints; the example's first line points to it."""
    assert text("docs", "reference", "restores.schema.json") == fleet_schema_text()
    pointed = text("examples", "restores.toml").splitlines()[0].removeprefix("#:schema ")
    assert (EXAMPLE.parent / pointed).resolve() == ROOT / "docs" / "reference" / "restores.schema.json"


@pytest.mark.parametrize(
    ("changed", "mistakes"),
    [
        ({}, 0),
        ({"restores": {"a": {"target": {"clustr": "a"}}}}, 1),
        ({"defaults": {"schedule": {"priority": 6}}}, 1),
        ({"defaults": {"schedule": {"at": "4:05"}}}, 1),
    ],
)
def test_an_editor_checks_the_file_by_the_schema(changed: dict[str, object], mistakes: int) -> None:
    """The example is valid, and neither defaults nor an entry must be complete, since the other may have the rest."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = fleet_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    written = as_json_value(read_toml(EXAMPLE)) | changed
    assert len(list(jsonschema.Draft7Validator(schema).iter_errors(written))) == mistakes
