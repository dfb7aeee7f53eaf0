"""What an operator reads about a mistake in a request."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from models.request import RestoreRequest
from models.setting_values import LIFECYCLES
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
        (
            {"target": {"tags": {f"key-{number}": "" for number in range(41)}}},
            "target.tags: must have at most 40 entries",
        ),
        ({"source": {"account_id": "1"}}, "source.account_id: must be 12 digits"),
        ({"source": {"region": "Ireland"}}, "source.region: must be an AWS region such as eu-west-1"),
        ({"users": [{"name": "", "secret_id": "s"}]}, "users.0.name: must not be empty"),
        ({"target": {"port": 80}}, "target.port: must be at least 1150"),
        ({"target": {"storage_type": "gp3"}}, "target: storage_type must be aurora or aurora-iopt1"),
        ({"target": {"network_type": "IPV6"}}, "target: network_type must be IPV4 or DUAL"),
        ({"target": {"database_insights_mode": "x"}}, "target: database_insights_mode must be standard or advanced"),
        (
            {"target": {"database_insights_mode": "advanced", "performance_insights_retention_days": 93}},
            "target: performance_insights_retention_days must be at least 465 with database_insights_mode advanced",
        ),
        (
            {"target": {"performance_insights_retention_days": 94}},
            "target: performance_insights_retention_days must be 7, 731, or 31 times 1 to 23 months",
        ),
        (
            {"target": {"engine_lifecycle_support": "paid"}},
            f"target: engine_lifecycle_support must be {' or '.join(LIFECYCLES)}",
        ),
        (
            {"target": {"instances": [{"instance_class": "db.r6g.large", "monitoring_interval_seconds": 7}]}},
            "target.instances.0: monitoring_interval_seconds must be 0, 1, 5, 10, 15, 30 or 60",
        ),
        (
            {"target": {"instances": [{"instance_class": "db.r6g.large", "monitoring_interval_seconds": 60}]}},
            "target.instances.0: monitoring_interval_seconds other than 0 and monitoring_role_arn need each other",
        ),
        (
            {"target": {"instances": [{"instance_class": "db.r6g.large", "performance_insights_retention_days": 7}]}},
            (
                "target.instances.0: performance_insights_kms_key_id and performance_insights_retention_days need "
                "performance_insights: true"
            ),
        ),
        ({"target": {"missing": "wait"}}, "target.missing: must be 'fail' or 'create'"),
        (
            {"target": {"iam_database_authentication": "yes"}},
            "target.iam_database_authentication: must be true or false",
        ),
        (
            {"waits": {"copy_snapshot": {"deadline": "12h"}}},
            "waits.copy_snapshot.deadline: must be an ISO 8601 duration such as PT30M",
        ),
        (
            {"source": {"snapshot": {"prefix": "daily", "date": "1 May"}}},
            "source.snapshot.date: must be a date such as 2024-03-20",
        ),
        ({"source": 5}, "source: must be an object"),
        ({"users": "app"}, "users: must be a list"),
        ({"target": {"tags": []}}, "target.tags: must be an object"),
        (
            {"target": {"tags": {"%": "x"}}},
            "target.tags: each key must be 1 to 128 letters, digits, spaces and the characters _.:/=+@-",
        ),
        ({"target": {"port": 5432.5}}, "target.port: must be a whole number"),
        (
            {"target": {"vpc_security_group_ids": []}},
            "target.vpc_security_group_ids: list at least one vpc security group id",
        ),
        (
            {"target": {"vpc_security_group_ids": ["default"]}},
            "target.vpc_security_group_ids.0: must be a security group id such as sg-0123456789abcdef0",
        ),
        (
            {"target": {"instances": [{"instance_class": "db.r6g.large", "clas": ""}]}},
            "target.instances.0.clas: unknown field",
        ),
        (
            {"target": {"serverless_v2_scaling": {"min_capacity": 0.3, "max_capacity": 1}}},
            "target.serverless_v2_scaling.min_capacity: must be a multiple of 0.5",
        ),
        ({"waits": {"delete_rds": {"deadline": "PT0S"}}}, "waits.delete_rds.deadline: must be greater than 0 seconds"),
        (
            {"waits": {"delete_rds": {"deadline": "PT1H", "first_interval": "PT0S"}}},
            "waits.delete_rds.first_interval: must be at least 0.1 seconds",
        ),
        (
            {"waits": {"delete_rds": {"deadline": "PT1H", "maximum_interval": "PT2H"}}},
            "waits.delete_rds.maximum_interval: must be at most 1 hour",
        ),
        (
            {"checks": [{"database": "orders", "query": "SELECT 1", "expected": [[{}]]}]},
            "checks.0.expected.0.0: must be a string, a number, true, false or null",
        ),
        ({"users": [{"name": "app", "secret_id": "s"}] * 2}, "request: users: app is listed more than once"),
        (
            {"archive": {"masked": True}},
            "request: archive.masked needs masking or sql_files: without them the snapshot would have production's data",
        ),
        (
            {"archive": {"masked": True, "keep": 0}},
            "archive: masked needs keep to be at least 1: this restore's masked snapshot is one of those kept",
        ),
        (
            {"archive": {"share_with": ["444455556666"]}},
            "archive: share_with needs masked: copies of production's data are shared with nobody",
        ),
        (
            {
                "archive": {"masked": True, "share_with": ["222233334444"]},
                "sql_files": [{"file": "mask.sql", "database": "orders"}],
                "source": {"account_id": "222233334444"},
                "target": {"account_id": "222233334444"},
            },
            "request: archive.share_with: 222233334444 is the target's own account",
        ),
        (
            {"notification": {"topic_arn": None}},
            "notification: give topic_arn or webhook_secret_id: every outcome is published",
        ),
        (
            {
                "notification": {
                    "topic_arn": None,
                    "webhook_secret_id": "s",
                    "success_topic_arn": "arn:aws:sns:eu-central-1:111122223333:x",
                }
            },
            "notification: success_topic_arn needs topic_arn, to which failures go",
        ),
        (
            {"keep_logins": ["orders_app"]},
            "request: keep_logins: orders_app is also listed in users, where its password is set",
        ),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_a_mistake_has_a_line_that_says_what_is_expected(changes: dict[str, Any], line: str) -> None:
    """The path of the field, and what to write there."""
    assert describe(**changes) == [line]


def test_every_mistake_has_a_line() -> None:
    """One reading of the errors is enough to fix them all."""
    lines = describe(source={"region": 1}, archive={"keep": -1}, notification=None)
    assert lines == ["source.region: must be a string", "archive.keep: must be at least 0", "notification: is required"]


@pytest.mark.parametrize("text", ["5", '"text"', "[]", "null"])
def test_what_is_no_object_is_refused_as_a_whole(text: str) -> None:
    """There is no field to name."""
    with pytest.raises(ValidationError) as refused:
        RestoreRequest.model_validate_json(text)
    assert describe_validation_errors(refused.value) == "request: must be an object"


def test_an_error_of_an_unknown_type_keeps_the_text_of_pydantic() -> None:
    """A field of a new kind is not described wrongly, only less well."""

    class Price(BaseModel):
        amount: Decimal = Field(decimal_places=2)

    with pytest.raises(ValidationError) as refused:
        Price.model_validate({"amount": "1.234"})
    text = "amount: Decimal input should have no more than 2 decimal places"
    assert describe_validation_errors(refused.value, Price) == text


def test_a_value_is_never_repeated() -> None:
    """It could be a secret in the wrong field."""
    assert not [line for line in describe(users=[{"name": "app", "secret_id": "hunter2 hunter2"}]) if "hunter2" in line]


def test_text_that_is_no_json_says_where_it_ends() -> None:
    """The line and the column."""
    with pytest.raises(ValidationError) as refused:
        RestoreRequest.model_validate_json('{"source": ')
    assert describe_validation_errors(refused.value).startswith("request: is not valid JSON: EOF while parsing")
