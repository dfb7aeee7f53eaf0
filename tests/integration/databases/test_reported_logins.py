"""The outcome and every failure name the logins that all attempts have changed; heartbeats carry them over."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import worker
from activities.database_users import DatabaseUserActivities
from activities.databases.connectors import DatabaseConnectors
from devstack.demo_environment import DemoEnvironment, environment
from devstack.temporal_server import TemporalServer
from errors import AwsUnavailable, DatabaseUnreachable, StepFailed
from heartbeat import HeartbeatInterceptor
from models.database_users import SetupUsersInput, SetupUsersOutcome
from settings import DatabaseTls
from tests.rigs.activities import temporal_environment
from tests.rigs.databases import Database, Postgres
from tests.rigs.emulator import environment_variables
from tests.rigs.restores import worker_parts
from workflows.policies import DATABASE_CALL

WELL_BEFORE_THE_TIMEOUT = 6
"""Seconds; by default the SDK sends a heartbeat only after 80 % of the timeout, here twelve seconds."""
ADA_LOCKED = {"created": [], "altered": [], "locked": ["ada"]}
"""As a worker of an older version sent it."""


def fail_on_call(number: int, work: Callable[..., Any], seconds: float = 0) -> Callable[..., Any]:
    """Call `work`, except on the call with this number, which waits and then finds the database busy."""
    calls = itertools.count(1)

    def call(*arguments: Any) -> Any:
        if next(calls) == number:
            time.sleep(seconds)
            raise DatabaseUnreachable("Database busy", "A lock was in the way.")
        return work(*arguments)

    return call


def fail_after_first_login(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Yield the first result of `work`, then find the database busy."""

    def call(*arguments: Any) -> Iterator[Any]:
        yield next(work(*arguments))
        raise DatabaseUnreachable("Database busy", "A lock was in the way.")

    return call


def run_attempt(database: Database, step_input: SetupUsersInput, heartbeat_details: list[Any]) -> Any:
    """Run an attempt that receives the details of the last heartbeat, and replaces them with its own."""
    environment = temporal_environment(database.rig.now)
    environment.info = replace(environment.info, heartbeat_details=list(heartbeat_details))
    environment.on_heartbeat = lambda *details: heartbeat_details.__setitem__(slice(None), details)
    return environment.run(database.activities.setup_db_users, step_input)


# What a failure says


def test_a_failure_names_the_logins_that_were_locked(database: Database) -> None:
    """The next run of the step finds them locked and names only its own; MariaDB does not show which are locked."""
    login = database.unique("production")
    database.make_login(login, "of-production")
    file = database.file("mask.sql", "SELECT nothing FROM nowhere")
    with pytest.raises(StepFailed, match=f"mask.sql.*Logins locked so far: .*{login}") as failure:
        database.set_up(sql_files=(file,))
    assert failure.value.fault.code
    if isinstance(database, Postgres):
        with pytest.raises(StepFailed) as second_failure:
            database.set_up(sql_files=(file,))
        assert "Logins locked" not in str(second_failure.value)


def test_a_failure_before_the_session_lock_names_the_logins_of_earlier_attempts(database: Database) -> None:
    """An earlier attempt locked one and its worker died; this attempt fails at the cluster, or at AWS."""
    step_input = database.step_input(database.user(database.unique("app"), "p"), cluster_resource_id="cluster-1")
    details: list[Any] = [ADA_LOCKED]
    with pytest.raises(StepFailed, match="Restored cluster not found.*Logins locked so far: ada"):
        run_attempt(database, step_input, details)
    database.rig.emulator.faults.add("rds", "DescribeDBClusters", "error", code="AccessDenied", message="no")
    with pytest.raises(StepFailed, match="DescribeDBClusters answered AccessDenied.*Logins locked so far: ada"):
        run_attempt(database, step_input, details)


def test_a_network_failure_names_the_logins_of_earlier_attempts(database: Database) -> None:
    """RDS cannot be reached, which is an error of botocore's own."""
    step_input = database.step_input(cluster_resource_id="cluster-1")
    database.rig.emulator.faults.add("rds", "DescribeDBClusters", "reset-before", count=None)
    with pytest.raises(AwsUnavailable, match="Logins locked so far: ada"):
        run_attempt(database, step_input, [ADA_LOCKED])


def test_a_transient_failure_names_few_logins(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal keeps 4 KiB of it; the heartbeat has all logins."""
    many = [f"production_{number}" for number in range(500)]
    monkeypatch.setattr(database.locked_session_class, "grant", fail_on_call(1, database.locked_session_class.grant))
    with pytest.raises(DatabaseUnreachable, match="Logins locked so far: production_0, ") as failure:
        run_attempt(database, database.step_input(), [{"created": [], "altered": [], "locked": many}])
    assert len(str(failure.value)) < 500


def test_the_logins_of_a_large_database_are_counted(database: Database) -> None:
    """Heartbeats, outcome, trail and failure name 500 and say how many more; Temporal would refuse 100,000 names."""
    names = [f"named_{number}" for number in range(500)]
    details: list[Any] = [{"created": [], "altered": [], "locked": names, "more_locked": 99_999}]
    database.make_login(database.unique("production"), "of-production")
    outcome = run_attempt(database, database.step_input(), details)
    assert outcome.locked == tuple(names)
    assert outcome.more_locked >= 100_000
    assert outcome.facts["locked_logins"].startswith("named_0, ")
    assert outcome.facts["locked_logins"].endswith(" more")
    assert details[0]["more_locked"] == outcome.more_locked


# What the next attempt knows


def test_the_outcome_names_the_logins_that_an_earlier_attempt_changed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locked ones, and the user that it created, which this attempt only alters."""
    login, details = database.unique("production"), list[Any]()
    database.make_login(login, "of-production")
    step_input = database.step_input(database.user(database.unique("app"), "p"))
    monkeypatch.setattr(database.locked_session_class, "grant", fail_on_call(1, database.locked_session_class.grant))
    with pytest.raises(DatabaseUnreachable):
        run_attempt(database, step_input, details)
    outcome = run_attempt(database, step_input, details)
    assert login in [name.removesuffix("@%") for name in outcome.locked]
    assert len(set(outcome.locked)) == len(outcome.locked)
    assert login in outcome.facts["locked_logins"]
    assert (outcome.created, outcome.altered) == ((step_input.users[0].name,), ())


@pytest.mark.parametrize("work", ["lock_logins", "create_users"])
def test_each_login_is_in_the_heartbeat_before_the_next_is_changed(
    database: Database, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """The attempt fails between two logins."""
    details = list[Any]()
    for number in (1, 2):
        database.make_login(database.unique(f"production{number}"), "of-production")
    users = tuple(database.user(database.unique(f"app{number}"), "p") for number in (1, 2))
    session_class = database.locked_session_class
    with monkeypatch.context() as patch:
        patch.setattr(session_class, work, fail_after_first_login(getattr(session_class, work)))
        with pytest.raises(DatabaseUnreachable):
            run_attempt(database, database.step_input(*users), details)
    locked = len(details[0]["locked"])
    assert locked == 1 if work == "lock_logins" else locked > 1
    assert details[0]["created"] == ([] if work == "lock_logins" else [users[0].name])
    outcome = run_attempt(database, database.step_input(*users), details)
    assert outcome.created == tuple(user.name for user in users)


# On a real Temporal server


@workflow.defn(name="UsersElsewhere")
class UsersElsewhere:
    """The step as a restore calls it, on the task queue that is named like the workflow."""

    @workflow.run
    async def run(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        policy = DATABASE_CALL | {"task_queue": workflow.info().workflow_id}
        return await workflow.execute_activity_method(DatabaseUserActivities.setup_db_users, step_input, **policy)


def test_temporal_has_the_locked_logins_while_the_attempt_still_runs(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the heartbeat timeout, so that they survive the worker; the SDK's default would be too late."""
    login, finish = postgres.unique("production"), threading.Event()
    postgres.make_login(login, "of-production")
    step_input = postgres.step_input(postgres.user(postgres.unique("app"), "p"))
    grant = postgres.locked_session_class.grant
    monkeypatch.setattr(
        postgres.locked_session_class, "grant", lambda *arguments: finish.wait(60) and grant(*arguments)
    )

    async def read_heartbeat(handle: WorkflowHandle[Any, Any]) -> str:
        pending = (await handle.describe()).raw_description.pending_activities
        return str(pending[0].heartbeat_details.payloads) if pending else ""

    async def run_and_read_heartbeat(address: str) -> str:
        plugin, table, settings, aws = worker_parts(DemoEnvironment(postgres.rig.emulator), postgres.unique("killed"))
        client = await Client.connect(address, plugins=[plugin])
        # This server has no certificate.
        settings = settings.model_copy(update={"database_tls": DatabaseTls.DISABLE})
        built = worker.build_worker(client, settings, aws, table)
        runner = UnsandboxedWorkflowRunner()
        async with built, Worker(client, task_queue="users", workflows=[UsersElsewhere], workflow_runner=runner):
            handle = await client.start_workflow(
                UsersElsewhere.run, step_input, id=settings.task_queue, task_queue="users"
            )
            try:
                async with asyncio.timeout(WELL_BEFORE_THE_TIMEOUT):
                    while step_input.users[0].name not in (heartbeat := await read_heartbeat(handle)):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.2)
            finally:
                finish.set()
            await handle.result()
        return heartbeat

    with (
        TemporalServer(headless=True) as server,
        environment_variables(environment(postgres.rig.emulator.endpoint_url)),
    ):
        assert login in asyncio.run(run_and_read_heartbeat(server.address))


@workflow.defn(name="UsersOnly")
class UsersOnly:
    """One step, with a heartbeat timeout."""

    @workflow.run
    async def run(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        return await workflow.execute_activity_method(
            DatabaseUserActivities.setup_db_users,
            step_input,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=1.5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50)),
        )


def test_temporal_carries_the_logins_over_an_attempt_that_changed_none(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's own heartbeats during that attempt do not replace the details of the one before."""
    login = postgres.unique("production")
    postgres.make_login(login, "of-production")
    step_input = postgres.step_input(postgres.user(postgres.unique("app"), "p"))
    session_class = postgres.locked_session_class
    monkeypatch.setattr(session_class, "grant", fail_on_call(1, session_class.grant, seconds=2))
    monkeypatch.setattr(DatabaseConnectors, "database", fail_on_call(2, DatabaseConnectors.database, seconds=2))

    async def run_step(address: str) -> SetupUsersOutcome:
        client = await Client.connect(address, data_converter=pydantic_data_converter)
        with ThreadPoolExecutor(2) as threads:
            async with Worker(
                client,
                task_queue="users",
                workflows=[UsersOnly],
                activities=[postgres.activities.setup_db_users],
                activity_executor=threads,
                interceptors=[HeartbeatInterceptor()],
                workflow_runner=UnsandboxedWorkflowRunner(),
            ):
                return await client.execute_workflow(UsersOnly.run, step_input, id="users", task_queue="users")

    with TemporalServer(headless=True) as server:
        outcome = asyncio.run(run_step(server.address))
    assert login in outcome.locked
    assert (outcome.created, outcome.altered) == ((step_input.users[0].name,), ())
