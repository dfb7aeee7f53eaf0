"""The operator's request files: the examples are valid, and everything wrong with another is said at once."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest

from devstack import demo_environment
from models.request import RestoreRequest
from models.request_file import UnreadableRequest, read_request
from models.waits import Waits

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_example_is_a_request(path: Path) -> None:
    """Whoever copies an example begins with one that works."""
    assert read_request(path).target.cluster == "orders-staging"


def test_json_and_toml_say_the_same() -> None:
    """The two forms are a matter of taste."""
    assert read_request(EXAMPLES / "restore.json") == read_request(EXAMPLES / "restore.toml")


def test_the_example_is_of_the_devstacks_world() -> None:
    """`make demo` and the README's commands restore what is really there."""
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


def test_the_commented_lines_of_the_production_example_are_fields_too() -> None:
    """A line that the operator uncomments is accepted: fields that were renamed do not linger in a comment."""
    text = (EXAMPLES / "restore-production.toml").read_text()
    commented = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ") and " = " in line]
    names = {line.split(" = ")[0] for line in commented}
    fields = {
        name for model in RestoreRequest.model_json_schema()["$defs"].values() for name in model.get("properties", ())
    }
    assert names <= fields
    assert all(tomllib.loads(line) for line in commented)


def test_the_production_example_has_the_default_waits() -> None:
    """It says that it does."""
    assert read_request(EXAMPLES / "restore-production.toml").waits == Waits()


def test_a_date_of_toml_is_a_date(tmp_path: Path) -> None:
    """TOML has dates of its own; nobody has to quote them."""
    text = (EXAMPLES / "restore.toml").read_text()
    path = tmp_path / "night.toml"
    path.write_text(f'{text}\n[source.snapshot]\nprefix = "daily-backup"\ndate = 2024-03-20\nmax_age = "PT26H"\n')
    snapshot = read_request(path).source.snapshot
    assert (snapshot.date, snapshot.max_age) == (date(2024, 3, 20), timedelta(hours=26))


def test_every_fault_is_listed_with_its_place_and_without_its_value(tmp_path: Path) -> None:
    """One look at the file is enough to put all of it right; a password in the wrong field is not repeated."""
    path = tmp_path / "night.json"
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
    ("name", "content", "said"),
    [
        ("night.json", b'{"source": ', "is not valid JSON"),
        ("night.toml", b"source = ", "is not TOML"),
        ("night.toml", b"\xff\xfe", "is not UTF-8"),
        ("night.yaml", b"source: {}", "ends in .json or .toml"),
        ("night.json", b"", "is not valid JSON"),
        ("night.json", b"[]", "night.json is not a restore request"),
        ("night.toml", b"a = 1979-05-27T07:32:00Z\nb = 07:32:00\nc = nan\nd = inf", "a: unknown field"),
    ],
)
def test_a_file_that_is_no_request_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """Whatever is in the file, the operator gets a sentence about it."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableRequest, match=said):
        read_request(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or a directory: the path and the reason."""
    with pytest.raises(UnreadableRequest, match="missing.json: cannot be read: No such file"):
        read_request(tmp_path / "missing.json")
    with pytest.raises(UnreadableRequest, match="cannot be read: Is a directory"):
        read_request(tmp_path)
