"""What a request may say of users, files and checks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models.request import RestoreRequest
from models.users import DatabaseUser, OtherLogins, SqlFile, belongs_to_the_service
from tests.rigs.documents import text

PLAIN = json.loads(text("examples", "restore.json"))


def request(**more: Any) -> RestoreRequest:
    return RestoreRequest.model_validate_json(json.dumps(PLAIN | more))


def test_productions_logins_are_locked_unless_it_says_otherwise() -> None:
    """The safer of the two is what silence means."""
    assert request().other_logins is OtherLogins.LOCK
    assert request(other_logins="keep").other_logins is OtherLogins.KEEP


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"users": [{"name": "app"}]}, "secret_id"),
        ({"users": [{"name": "app", "secret_id": "s", "authentication": "iam"}]}, "leave out secret_id"),
        ({"users": [{"name": "rdsadmin", "authentication": "iam"}]}, "belongs to RDS"),
        ({"users": [{"name": "mysql.sys", "authentication": "iam"}]}, "belongs to RDS"),
        ({"other_logins": "keep", "keep_logins": ["app"]}, "keep_logins"),
        ({"keep_logins": ["orders_app"]}, "stands in users too"),
        ({"sql_files": [{"file": "a.sql", "database": "d"}, {"file": "a.sql", "database": "d"}]}, "more than once"),
        ({"checks": [{"database": "d", "query": "SELECT 1"}]}, "expected"),
    ],
)
def test_a_contradiction_is_refused(more: dict[str, Any], what: str) -> None:
    """Before anything is started, with what to change."""
    with pytest.raises(ValidationError, match=what):
        request(**more)


@pytest.mark.parametrize(
    "file", ["../a.sql", "/a.sql", "a/../b.sql", ".a.sql", "a", "a.sql\n", "a//b.sql", "a\\b.sql", "a.sh", ""]
)
def test_a_file_is_named_below_the_directory(file: str) -> None:
    """Neither absolute nor upwards nor hidden, and SQL."""
    with pytest.raises(ValidationError):
        SqlFile(file=file, database="orders")
    assert SqlFile(file="deep/er/mask-2.v1.sql", database="orders").file


def test_the_whole_of_it_travels() -> None:
    """Through JSON and back, as Temporal keeps it."""
    whole = request(
        users=[{"name": "app", "authentication": "iam", "grants": [{"database": "d" * 64, "access": "read-only"}]}],
        keep_logins=["exporter"],
        sql_files=[{"file": "mask.sql", "database": "orders"}],
        checks=[{"database": "orders", "query": "SELECT 1", "expected": [[True, 1, 0.5, "x", None]]}],
    )
    assert RestoreRequest.model_validate_json(whole.model_dump_json()) == whole
    assert whole.checks[0].expected == ((True, 1, 0.5, "x", None),)


def test_what_belongs_to_the_service() -> None:
    """RDS's own and the engines' own, and nobody who merely begins like them."""
    assert all(map(belongs_to_the_service, ["rdsadmin", "RDS_superuser", "pg_monitor", "mysql.sys", "rdsproxyadmin"]))
    assert not any(map(belongs_to_the_service, ["postgres", "rdsomething", "app", "page"]))
    assert DatabaseUser(name="rdsomething", secret_id="s")
