"""What a restore request may contain for users, SQL files and checks."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from errors import StepFailed
from models.request import RestoreRequest
from models.users import DatabaseUser, OtherLogins, SqlFile, is_reserved_name
from tests.rigs.databases import Database, Postgres
from tests.rigs.requests import request


def test_other_logins_are_locked_by_default() -> None:
    """The safer of the two choices."""
    assert request().other_logins is OtherLogins.LOCK
    assert request(other_logins="keep").other_logins is OtherLogins.KEEP


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"users": [{"name": "app"}]}, "secret_id"),
        ({"users": [{"name": "app", "secret_id": "s", "authentication": "iam"}]}, "remove secret_id"),
        ({"users": [{"name": "rdsadmin", "authentication": "iam"}]}, "belongs to RDS"),
        ({"users": [{"name": "mysql.sys", "authentication": "iam"}]}, "belongs to RDS"),
        ({"other_logins": "keep", "keep_logins": ["app"]}, "keep_logins"),
        ({"keep_logins": ["orders_app"]}, "keep_logins: orders_app .* in users"),
        ({"sql_files": [{"file": "a.sql", "database": "d"}, {"file": "a.sql", "database": "d"}]}, "more than once"),
        ({"checks": [{"database": "d", "query": "SELECT 1"}]}, "expected"),
    ],
)
def test_a_contradictory_request_is_refused(fields: dict[str, Any], reason: str) -> None:
    """Before anything is started, with what to change."""
    with pytest.raises(ValidationError, match=reason):
        request(**fields)


@pytest.mark.parametrize(
    "file", ["../a.sql", "/a.sql", "a/../b.sql", ".a.sql", "a", "a.sql\n", "a//b.sql", "a\\b.sql", "a.sh", ""]
)
def test_a_file_name_that_is_not_a_path_below_the_directory_is_refused(file: str) -> None:
    """Absolute, upwards, hidden, or not SQL."""
    with pytest.raises(ValidationError):
        SqlFile(file=file, database="orders")
    assert SqlFile(file="deep/er/mask-2.v1.sql", database="orders").file


def test_a_request_survives_json() -> None:
    """Temporal stores it as JSON."""
    original = request(
        users=[{"name": "app", "authentication": "iam", "grants": [{"database": "d" * 64, "access": "read-only"}]}],
        keep_logins=["exporter"],
        sql_files=[{"file": "mask.sql", "database": "orders"}],
        checks=[{"database": "orders", "query": "SELECT 1", "expected": [[True, 1, 0.5, "x", None]]}],
    )
    assert RestoreRequest.model_validate_json(original.model_dump_json()) == original
    assert original.checks[0].expected == ((True, 1, 0.5, "x", None),)


def test_the_names_that_no_user_may_have_are_recognised() -> None:
    """RDS's own and the engines' own, and no name that merely begins like them."""
    assert all(map(is_reserved_name, ["rdsadmin", "RDS_superuser", "pg_monitor", "mysql.sys", "rdsproxyadmin"]))
    assert not any(map(is_reserved_name, ["rdsomething", "app", "page"]))
    assert DatabaseUser(name="rdsomething", secret_id="s")


def test_a_field_of_the_other_engine_is_refused_before_anything_is_changed(database: Database) -> None:
    """PostgreSQL has no hosts, MySQL has no SET ROLE for a file or a check."""
    login = database.unique("production")
    database.make_login(login, "of-production")
    user = database.user(database.unique("app"), "p").model_copy(update={"host": "%"})
    file = database.file("mask.sql", "SELECT 1").model_copy(update={"run_as": "app_owner"})
    check = database.check("SELECT 2", (2,)).model_copy(update={"run_as": "app_owner"})
    expected = "host" if isinstance(database, Postgres) else "mask.sql, the check SELECT 2 has run_as"
    with pytest.raises(StepFailed, match=f"Field of another engine: .*{expected}"):
        database.set_up(user, sql_files=(file,), checks=(check,))
    assert database.as_user(login, "of-production", "SELECT 1", database.login_database) == [(1,)]
