"""What an operator reads about a mistake in a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models.request import RestoreRequest
from models.validation_errors import describe_validation_errors
from tests.rigs.requests import request_json


def describe(**changes: Any) -> list[str]:
    """The lines about the default request with these changes."""
    with pytest.raises(ValidationError) as refused:
        RestoreRequest.model_validate_json(json.dumps(request_json(**changes)))
    return describe_validation_errors(refused.value).splitlines()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"notification": None}, "notification: is required"),
        ({"target": {"instnaces": []}}, "target.instnaces: unknown field; did you mean `instances`?"),
        ({"targte": {}}, "targte: unknown field; did you mean `target`?"),
        ({"users": [{"name": "app", "secretid": "s"}]}, "users.0.secretid: unknown field; did you mean `secret_id`?"),
        ({"source": {"xyzzy": 1}}, "source.xyzzy: unknown field"),
        ({"target": {"instances": []}}, "target.instances: list at least one instance"),
        ({"target": {"tags": {f"key-{number}": "" for number in range(41)}}}, "target.tags: must have at most 40 entries"),
        ({"source": {"account_id": "1"}}, "source.account_id: must be 12 digits"),
        ({"source": {"region": "Ireland"}}, "source.region: must be an AWS region such as eu-west-1"),
        ({"users": [{"name": "", "secret_id": "s"}]}, "users.0.name: must not be empty"),
        ({"target": {"port": 80}}, "target.port: must be at least 1150"),
        ({"target": {"missing": "wait"}}, "target.missing: must be 'fail' or 'create'"),
        ({"target": {"iam_database_authentication": "yes"}}, "target.iam_database_authentication: must be true or false"),
        (
            {"waits": {"copy_snapshot": {"deadline": "12h"}}},
            "waits.copy_snapshot.deadline: must be an ISO 8601 duration such as PT30M",
        ),
        ({"source": {"snapshot": {"prefix": "daily", "date": "1 May"}}}, "source.snapshot.date: must be a date such as 2024-03-20"),
        ({"users": [{"name": "app", "secret_id": "s"}] * 2}, "request: users: app is listed more than once"),
        (
            {"keep_logins": ["orders_app"]},
            "request: keep_logins: orders_app is also listed in users, where its password is set",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_mistake_has_a_line_that_says_what_is_expected(changes: dict[str, Any], line: str) -> None:
    """The path of the field, and what to write there."""
    assert describe(**changes) == [line]


def test_every_mistake_has_a_line() -> None:
    """One reading of the errors is enough to fix them all."""
    lines = describe(source={"region": 1}, archive={"keep": 0}, notification=None)
    assert lines == ["source.region: must be a string", "archive.keep: must be at least 1", "notification: is required"]


def test_a_value_is_never_repeated() -> None:
    """It could be a secret in the wrong field."""
    assert not [line for line in describe(users=[{"name": "app", "secret_id": "hunter2 hunter2"}]) if "hunter2" in line]


def test_text_that_is_no_json_says_where_it_ends() -> None:
    """The line and the column."""
    with pytest.raises(ValidationError) as refused:
        RestoreRequest.model_validate_json('{"source": ')
    assert describe_validation_errors(refused.value).startswith("request: is not valid JSON: EOF while parsing")
