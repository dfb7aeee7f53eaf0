"""The operator's request files: the examples are valid, and every mistake in another is listed at once."""

from __future__ import annotations

import re
import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest

from devstack import demo_environment
from models.archive import Archive
from models.configuration import ClusterSettings
from models.request import RestoreRequest, Target
from models.request_file import UnreadableRequest, read_request
from models.waits import Waits

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("restore[.-]*")), ids=lambda path: path.name)
def test_every_example_is_a_request(path: Path) -> None:
    """A copy of an example works."""
    assert read_request(path).target.cluster == "orders-staging"


def test_the_json_and_the_toml_example_are_equal() -> None:
    """An operator may choose either."""
    assert read_request(EXAMPLES / "restore.json") == read_request(EXAMPLES / "restore.toml")


def test_the_example_names_what_the_devstack_creates() -> None:
    """`make demo` and the commands of the documents can restore it."""
    request = read_request(EXAMPLES / "restore.json")
    assert (request.source.account_id, request.source.region, request.source.cluster) == (
        demo_environment.ACCOUNT,
        demo_environment.SOURCE_REGION,
        demo_environment.SOURCE,
    )
    assert (request.target.region, request.target.cluster) == (demo_environment.TARGET_REGION, demo_environment.TARGET)
    assert request.target.db_subnet_group_name == demo_environment.SUBNET_GROUP
    assert request.target.vpc_security_group_ids == (demo_environment.SECURITY_GROUP,)
    assert request.target.kms_key_id == demo_environment.KMS_ALIAS
    assert {user.name: user.secret_id for user in request.users} == demo_environment.USERS


def test_the_commented_lines_of_the_production_example_are_fields() -> None:
    """An operator can remove the # of each; a field that is renamed has to be renamed in the comments."""
    text = (EXAMPLES / "restore-production.toml").read_text()
    commented = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and " = " in line]
    names = {line.split(" = ")[0] for line in commented}
    fields = {
        name for model in RestoreRequest.model_json_schema()["$defs"].values() for name in model.get("properties", ())
    }
    assert names <= fields
    assert all(tomllib.loads(line) for line in commented)


def test_the_production_example_has_every_part_of_a_request() -> None:
    """Set, or in a comment that shows it; the settings that are carried over from the live target need none."""
    text = (EXAMPLES / "restore-production.toml").read_text()
    carried_over = set(ClusterSettings.model_fields)
    parts = {*RestoreRequest.model_fields, *(set(Target.model_fields) - carried_over), *Archive.model_fields}
    assert not [
        name for name in sorted(parts) if not re.search(rf"^(# )?(\[*.*\b{name}\]*$|{name} = )", text, re.MULTILINE)
    ]


def test_the_production_example_has_the_default_waits() -> None:
    """Its comment says so."""
    assert read_request(EXAMPLES / "restore-production.toml").waits == Waits()


def test_a_toml_date_needs_no_quotes(tmp_path: Path) -> None:
    """TOML has a type for dates."""
    text = (EXAMPLES / "restore.toml").read_text()
    path = tmp_path / "restore.toml"
    path.write_text(f'{text}\n[source.snapshot]\nprefix = "daily-backup"\ndate = 2024-03-20\nmax_age = "PT26H"\n')
    snapshot = read_request(path).source.snapshot
    assert (snapshot.date, snapshot.max_age) == (date(2024, 3, 20), timedelta(hours=26))


def test_every_mistake_is_listed_with_its_field_and_without_its_value(tmp_path: Path) -> None:
    """One edit of the file can fix all of them; a password in the wrong field is not repeated."""
    path = tmp_path / "restore.json"
    path.write_text(
        '{"source": {"account_id": "hunter2", "region": "eu-west-1", "cluster": "orders"}, "users": "hunter2"}'
    )
    with pytest.raises(UnreadableRequest) as refused:
        read_request(path)
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{path} is not a restore request:"
    assert {line.split(":")[0] for line in lines[1:]} == {"source.account_id", "target", "users", "notification"}
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("restore.json", b'{"source": ', "is not valid JSON"),
        ("restore.toml", b"source = ", "is not TOML"),
        ("restore.toml", b"\xff\xfe", "is not UTF-8"),
        ("restore.yaml", b"source: {}", "ends in .json or .toml"),
        ("restore.json", b"", "is not valid JSON"),
        ("restore.json", b"[]", "restore.json is not a restore request"),
        ("restore.toml", b"a = 1979-05-27T07:32:00Z\nb = 07:32:00\nc = nan\nd = inf", "a: unknown field"),
    ],
)
def test_a_file_that_is_not_a_request_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    """Whatever the file contains, the operator reads a sentence."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableRequest, match=sentence):
        read_request(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or a directory: the path and the reason."""
    with pytest.raises(UnreadableRequest, match="missing.json: cannot be read: No such file"):
        read_request(tmp_path / "missing.json")
    with pytest.raises(UnreadableRequest, match="cannot be read: Is a directory"):
        read_request(tmp_path)
