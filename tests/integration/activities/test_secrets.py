"""No secret in any error: neither in its text nor in anything else that Temporal keeps of it.

Passwords are planted wherever a step reads one, the step is made to fail, and the failure is looked at as it goes into
the history: message, details, causes, stack traces.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.database_users import DatabaseUserActivities
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.processes import free_port
from errors import PipelineError
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.users import DatabaseUser
from tests.rigs.activities import Night

PLANT = "plant-5up3r"


def kept_of(error: BaseException) -> bytes:
    """What Temporal keeps of an error."""
    failure = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    return failure.SerializeToString()


def error_of(step: Callable[[], Any]) -> BaseException:
    with pytest.raises(PipelineError) as failed:
        step()
    return failed.value


def users_input(night: Night, secret: str) -> SetupUsersInput:
    endpoint = Endpoint(
        host="127.0.0.1",
        port=free_port(),
        engine="aurora-postgresql",
        master_username="boss",
        master_user_secret_id=night.make_secret("master", json.dumps({"password": PLANT})),
        database_name=None,
    )
    users = (DatabaseUser(name="app", secret_id=secret),)
    return SetupUsersInput(
        operation_id=night.operation_id,
        step_started_at=night.now,
        target=night.target,
        endpoint=endpoint,
        users=users,
    )


def set_up(night: Night, secret: str) -> Any:
    activities = DatabaseUserActivities(
        night.aws, PostgresConnector("disable", None, 2), MysqlConnector(tls=False, ca_file=None, connect_seconds=2)
    )
    return night.run(activities.setup_db_users, users_input(night, secret))


def set_master_password(night: Night, secret: str) -> Any:
    night.target = night.target.model_copy(update={"master_user_secret_id": secret})
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    restored: Any = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    of = night.check_restore_input(restored.cluster_resource_id)
    return night.until_done(night.restored.check_restore_status, of)


BAD = [
    PLANT,
    f'{{"password": "{PLANT}',
    f'{{"passwort": "{PLANT}"}}',
    f'["{PLANT}"]',
    f'{{"password": ["{PLANT}"]}}',
    f'{{"password": "{PLANT}\\u0000"}}',
    f'{{"password": "{PLANT}\\ud800"}}',
    f'{{"password": {{"{PLANT}": 1}}}}',
]


@pytest.mark.parametrize("step", [set_up, set_master_password])
@pytest.mark.parametrize("value", BAD)
def test_a_bad_secret_is_not_quoted(night: Night, step: Callable[[Night, str], Any], value: str) -> None:
    """Whatever is wrong with a secret, it is not told what is in it."""
    secret = night.make_secret("bad", value)
    error = error_of(lambda: step(night, secret))
    assert PLANT.encode() not in kept_of(error)


def test_a_password_that_rds_refuses_is_not_quoted(night: Night) -> None:
    """RDS takes 8 to 41 characters; a longer one is refused, not told."""
    secret = night.make_secret("long", json.dumps({"password": PLANT * 8}))
    assert PLANT.encode() not in kept_of(error_of(lambda: set_master_password(night, secret)))


def test_a_database_that_does_not_answer_is_told_no_password(night: Night) -> None:
    """Neither the user's nor the master's."""
    secret = night.make_secret("user", json.dumps({"password": PLANT}))
    assert PLANT.encode() not in kept_of(error_of(lambda: set_up(night, secret)))


def test_a_value_that_botocore_refuses_is_not_quoted(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's report quotes it; neither that nor the report as a cause is kept."""
    monkeypatch.setattr("activities.restored_cluster.read_password", lambda *_: [PLANT])
    secret = night.make_secret("master", json.dumps({"password": "fine"}))
    error = error_of(lambda: set_master_password(night, secret))
    assert b"MasterUserPassword" in kept_of(error)
    assert PLANT.encode() not in kept_of(error)


@pytest.mark.parametrize("kind", [psycopg.errors.SyntaxError, psycopg.errors.AdminShutdown])
def test_a_statement_is_not_quoted(night: Night, monkeypatch: pytest.MonkeyPatch, kind: type[psycopg.Error]) -> None:
    """PostgreSQL quotes the statement that it refuses, and with it the verifier of the password."""
    secret = night.make_secret("user", json.dumps({"password": PLANT}))

    def connect(*_: Any, **__: Any) -> Any:
        raise kind(f"syntax error\nLINE 1: ALTER ROLE app PASSWORD '{PLANT}'")

    monkeypatch.setattr(PostgresConnector, "connect", connect)
    assert PLANT.encode() not in kept_of(error_of(lambda: set_up(night, secret)))


def test_no_call_is_logged_with_a_password(night: Night, caplog: pytest.LogCaptureFixture) -> None:
    """At the levels that the worker allows for botocore and its connection pool."""
    with caplog.at_level(logging.INFO):
        secret = night.make_secret("master", json.dumps({"password": PLANT}))
        set_master_password(night, secret)
    assert PLANT not in caplog.text


def test_no_outcome_holds_a_password(night: Night) -> None:
    """What a step answers goes into the history as it is."""
    secret = night.make_secret("master", json.dumps({"password": PLANT}))
    answer = set_master_password(night, secret)
    assert PLANT not in answer.model_dump_json()
    assert answer.endpoint.master_user_secret_id == secret
