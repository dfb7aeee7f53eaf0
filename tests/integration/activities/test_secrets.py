"""No error has a secret: neither its text nor anything else that Temporal stores of it.

Each test puts a password where a step reads one, makes the step fail, and searches the failure as it enters the history:
message, details, causes, stack traces.
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
from activities.databases.connectors import DatabaseConnectors
from clients.mysql import MysqlConnector
from clients.postgres import PostgresConnector
from devstack.processes import free_port
from errors import PipelineError
from models.clusters import Endpoint
from models.database_users import SetupUsersInput
from models.users import DatabaseUser
from tests.rigs.activities import ActivityRig

PLANT = "plant-5up3r"


def stored_failure(error: BaseException) -> bytes:
    """What Temporal stores of an error."""
    failure = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    return failure.SerializeToString()


def error_of(step: Callable[[], Any]) -> BaseException:
    with pytest.raises(PipelineError) as failed:
        step()
    return failed.value


def users_input(rig: ActivityRig, secret: str) -> SetupUsersInput:
    endpoint = Endpoint(
        host="127.0.0.1",
        port=free_port(),
        engine="aurora-postgresql",
        master_username="boss",
        master_user_secret_id=rig.make_secret("master", json.dumps({"password": PLANT})),
        database_name=None,
    )
    users = (DatabaseUser(name="app", secret_id=secret),)
    return SetupUsersInput(
        operation_id=rig.operation_id,
        step_started_at=rig.now,
        target=rig.target,
        endpoint=endpoint,
        users=users,
    )


def set_up(rig: ActivityRig, secret: str) -> Any:
    postgres, mysql = PostgresConnector("disable", None, 2), MysqlConnector(tls=False, ca_file=None, connect_seconds=2)
    activities = DatabaseUserActivities(rig.aws, DatabaseConnectors(rig.aws, postgres, mysql))
    return rig.run(activities.setup_db_users, users_input(rig, secret))


def set_master_password(rig: ActivityRig, secret: str) -> Any:
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    restored: Any = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    step_input = rig.check_restore_input(restored.cluster_resource_id)
    return rig.poll_until_done(rig.restored.check_restore_status, step_input)


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
def test_a_bad_secret_is_not_quoted(rig: ActivityRig, step: Callable[[ActivityRig, str], Any], value: str) -> None:
    """Whatever is wrong with a secret, the error has nothing of its value."""
    secret = rig.make_secret("bad", value)
    error = error_of(lambda: step(rig, secret))
    assert PLANT.encode() not in stored_failure(error)


def test_a_password_that_rds_refuses_is_not_quoted(rig: ActivityRig) -> None:
    """RDS accepts 8 to 41 characters; it refuses a longer one."""
    secret = rig.make_secret("long", json.dumps({"password": PLANT * 8}))
    assert PLANT.encode() not in stored_failure(error_of(lambda: set_master_password(rig, secret)))


def test_a_connection_error_has_no_password(rig: ActivityRig) -> None:
    """Neither the user's nor the master's."""
    secret = rig.make_secret("user", json.dumps({"password": PLANT}))
    assert PLANT.encode() not in stored_failure(error_of(lambda: set_up(rig, secret)))


def test_a_value_that_botocore_refuses_is_not_quoted(rig: ActivityRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore's report quotes it; neither the report nor a cause with it is kept."""
    monkeypatch.setattr("activities.clusters.restored.read_password", lambda *_: [PLANT])
    secret = rig.make_secret("master", json.dumps({"password": "fine"}))
    error = error_of(lambda: set_master_password(rig, secret))
    assert b"MasterUserPassword" in stored_failure(error)
    assert PLANT.encode() not in stored_failure(error)


@pytest.mark.parametrize("kind", [psycopg.errors.SyntaxError, psycopg.errors.AdminShutdown])
def test_a_refused_statement_is_not_quoted(
    rig: ActivityRig, monkeypatch: pytest.MonkeyPatch, kind: type[psycopg.Error]
) -> None:
    """PostgreSQL quotes the statement that it refuses, and with it the verifier of the password."""
    secret = rig.make_secret("user", json.dumps({"password": PLANT}))

    def connect(*_: Any, **__: Any) -> Any:
        raise kind(f"syntax error\nLINE 1: ALTER ROLE app PASSWORD '{PLANT}'")

    monkeypatch.setattr(PostgresConnector, "connect", connect)
    assert PLANT.encode() not in stored_failure(error_of(lambda: set_up(rig, secret)))


def test_no_call_is_logged_with_a_password(rig: ActivityRig, caplog: pytest.LogCaptureFixture) -> None:
    """At the levels that the worker allows for botocore and its connection pool."""
    with caplog.at_level(logging.INFO):
        secret = rig.make_secret("master", json.dumps({"password": PLANT}))
        set_master_password(rig, secret)
    assert PLANT not in caplog.text


def test_no_outcome_has_a_password(rig: ActivityRig) -> None:
    """An outcome enters the history as it is."""
    secret = rig.make_secret("master", json.dumps({"password": PLANT}))
    outcome = set_master_password(rig, secret)
    assert PLANT not in outcome.model_dump_json()
    assert outcome.endpoint.master_user_secret_id == secret
