"""A later attempt undoes nothing that an SQL file did, and answers for what the earlier ones did."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from activities.databases.postgres import session_lock
from activities.databases.postgres.roles import grant_access
from activities.databases.sql_files import read_sql_file
from devstack.demo_environment import DemoEnvironment, environment
from devstack.temporal_server import TemporalServer
from errors import AwsUnavailable, DatabaseUnreachable, StepFailed
from heartbeat import HeartbeatInterceptor
from models.database_users import SetupUsersInput, SetupUsersOutcome
from models.users import SqlFile
from tests.rigs.activities import temporal_environment
from tests.rigs.databases import MASTER, MASTER_PASSWORD, Database, Mysql, Postgres
from tests.rigs.restores import environment_variables, parts
from workflows.policies import DATABASE_CALL

WELL_BEFORE_THE_TIMEOUT = 6
"""Seconds; by default nothing is told before twelve have passed."""
INSERT = "INSERT INTO orders VALUES (2, 'Eve')"


def anywhere(database: Database) -> str:
    return "postgres" if isinstance(database, Postgres) else "information_schema"


def opening(database: Database, login: str, writer: str) -> SqlFile:
    """A file of the operator's that opens a login of production's and lets a reader write."""
    if isinstance(database, Mysql):
        text = f"GRANT INSERT ON orders TO {writer}; ALTER USER {login} ACCOUNT UNLOCK;"
    else:
        text = f"GRANT INSERT ON orders TO {writer}; ALTER ROLE {login} LOGIN;"
    return database.file("open.sql", text)


def test_what_a_file_did_to_logins_and_grants_is_not_undone(database: Database) -> None:
    """A check failed, the operator mended the data and had the step taken again."""
    user, login = database.user(database.unique("app"), "p"), database.unique("production")
    database.make_login(login, "of-production")
    files = (opening(database, login, user.name),)
    with pytest.raises(StepFailed, match="Check failed"):
        database.set_up(user, sql_files=files, checks=(database.check("SELECT count(*) FROM orders", (9,)),))
    answer = database.set_up(user, sql_files=files, checks=(database.check("SELECT count(*) FROM orders", (1,)),))
    assert database.as_user(login, "of-production", "SELECT 1", anywhere(database)) == [(1,)]
    with database.session(user.name, "p") as session:
        session.cursor().execute(INSERT)
    assert (answer.created, answer.altered, answer.locked, answer.warnings) == ((), (), (), ())


def test_logins_are_proven_again_and_one_that_a_file_closed_is_a_warning(database: Database) -> None:
    """It logged in before the file; what the file wants is the operator's affair."""
    open_user, closed = database.user(database.unique("open"), "p"), database.user(database.unique("closed"), "p")
    close = f"ALTER USER {closed.name} {'ACCOUNT LOCK' if isinstance(database, Mysql) else 'NOLOGIN'}"
    files = (database.file("close.sql", close),)
    assert database.set_up(open_user, closed, sql_files=files).warnings == ()
    [warning] = database.set_up(open_user, closed, sql_files=files).warnings
    assert warning.startswith(f"{closed.name} could log in before the SQL files")


def test_a_mark_that_came_with_the_snapshot_counts_for_nothing(database: Database) -> None:
    """Not even that of a night with the same number, of whoever made the snapshot: users are set, the file is run."""
    user = database.user(database.unique("app"), "old")
    file = database.file("mask.sql", "UPDATE orders SET id = id + 10")
    first = database.rig.make_target(instances=0)
    database.set_up(user, sql_files=(file,), cluster_resource_id=first)
    database.rig.rds().delete_db_cluster(DBClusterIdentifier=database.rig.target.cluster, SkipFinalSnapshot=True)
    database.rig.advance_clock()
    second = database.rig.make_target(instances=0)
    again = database.user(user.name, "new")
    assert database.set_up(again, sql_files=(file,), cluster_resource_id=second).altered == (user.name,)
    assert database.as_user(user.name, "new", "SELECT id FROM orders") == [(21,)]


def test_the_mark_of_another_file_lets_users_be_set(database: Database) -> None:
    """What the request does not have is not looked for."""
    user = database.user(database.unique("app"), "old")
    database.set_up(user, sql_files=(database.file("mask.sql", "SELECT 1"),))
    assert database.set_up(database.user(user.name, "new")).altered == (user.name,)
    assert database.as_user(user.name, "new", "SELECT 1") == [(1,)]


def test_logins_are_locked_also_when_the_files_database_is_not_there(database: Database) -> None:
    """Looking for its mark fails nothing: production's passwords open the copy for as short as possible."""
    login = database.unique("production")
    database.make_login(login, "of-production")
    file = database.file("mask.sql", "SELECT 1").model_copy(update={"database": "misspelt"})
    with pytest.raises(DatabaseUnreachable, match="misspelt"):
        database.set_up(sql_files=(file,))
    with pytest.raises(DatabaseUnreachable):
        database.session(login, "of-production", anywhere(database))


def test_an_attempt_that_is_lost_within_a_file_is_ended_before_users_are_set(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its file could end well in the middle of the locking, which would undo what it did."""
    lock = (
        "SELECT pg_advisory_lock(1635086962, 1)"
        if isinstance(database, Postgres)
        else "SELECT GET_LOCK('aurora-restore', 0)"
    )
    earlier = database.session(MASTER, MASTER_PASSWORD)
    earlier.cursor().execute(lock)

    def finding_nobody(*_: object) -> Iterator[str]:
        with pytest.raises(Exception, match="terminat|Lost connection|closed the connection"):
            earlier.cursor().execute("SELECT 1")
        yield "somebody"

    monkeypatch.setattr(database.turns, "lock_others", finding_nobody)
    assert database.set_up(sql_files=(database.file("mask.sql", "SELECT 1"),)).locked == ("somebody",)


def test_a_worker_that_wakes_in_its_turn_changes_nothing_any_more(database: Database) -> None:
    """A later attempt has set the users and run the file, which closed the one's login and opened the other's."""
    user, login = database.user(database.unique("app"), "p"), database.unique("production")
    database.make_login(login, "of-production")
    lock = "ACCOUNT LOCK" if isinstance(database, Mysql) else "NOLOGIN"
    unlock = "ACCOUNT UNLOCK" if isinstance(database, Mysql) else "LOGIN"
    file = database.file("swap.sql", f"ALTER USER {user.name} {lock}; ALTER USER {login} {unlock};")
    stays = frozenset({user.name})
    with database.restored().turn("cluster-1", ()) as stale:
        database.set_up(user, sql_files=(file,))
        for work in (
            lambda: list(stale.lock_others(stays)),
            lambda: list(stale.set_users((user,), {user.name: "p"})),
            lambda: stale.grant((user,)),
        ):
            with pytest.raises(DatabaseUnreachable, match="Database busy"):
                work()
    assert database.as_user(login, "of-production", "SELECT 1", anywhere(database)) == [(1,)]
    with pytest.raises(DatabaseUnreachable, match="Login refused|Connection refused"):
        database.session(user.name, "p")


def test_a_worker_that_wakes_before_its_file_leaves_it_to_a_later_attempt(database: Database) -> None:
    """It would run between that one's look for marks and its users."""
    script = read_sql_file(database.directory, database.file("mask.sql", "UPDATE orders SET id = id + 10"))
    with (
        database.restored().turn("cluster-1", (script,)) as stale,
        database.restored().turn("cluster-1", (script,)) as later,
    ):
        assert not later.files_begun
        with pytest.raises(DatabaseUnreachable, match="another attempt has taken its turn"):
            stale.run_once(script)
        assert later.run_once(script)
    assert database.as_master("SELECT id FROM orders") == [(11,)]


def test_a_worker_that_wakes_within_its_grants_gives_none(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their session is not the one that has the turn, and is ended with it."""
    user = postgres.user(postgres.unique("app"), "p")

    def late(*arguments: Any) -> None:
        with postgres.restored().turn("cluster-1", ()):
            grant_access(*arguments)

    monkeypatch.setattr(session_lock, "grant_access", late)
    with postgres.restored().turn("cluster-1", ()) as stale:
        assert list(stale.set_users((user,), {user.name: "p"})) == [(user.name, True)]
        with pytest.raises(DatabaseUnreachable, match="Database busy"):
            stale.grant((user,))


def test_a_file_is_not_run_on_another_server_than_the_turn_was_taken_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads to another cluster since: nobody there has the number that the turn's session has."""
    script = read_sql_file(database.directory, database.file("mask.sql", "UPDATE orders SET id = id + 10"))
    with database.restored().turn("cluster-1", ()) as turn:
        monkeypatch.setattr(turn, "_pid" if isinstance(database, Postgres) else "_id", 1)
        with pytest.raises(DatabaseUnreachable, match="another attempt has taken its turn"):
            turn.run_once(script)
    assert database.as_master("SELECT id FROM orders") == [(1,)]


def test_a_turn_outlasts_files_that_run_longer_than_a_session_may_be_idle(database: Database) -> None:
    """Its session waits all the while; the server would end it, and the second file would be another attempt's."""
    sleep = "pg_sleep" if isinstance(database, Postgres) else "sleep"
    files = (database.file("slow.sql", f"SELECT {sleep}(2.5)"), database.file("next.sql", INSERT))
    with impatient(database):
        database.set_up(sql_files=files)
    assert database.orders() == [("Ada",), ("Eve",)]


@contextmanager
def impatient(database: Database) -> Iterator[None]:
    """A server that ends sessions which are idle for a second."""
    if isinstance(database, Mysql):
        before, after = (f"SET GLOBAL wait_timeout = {seconds}" for seconds in (1, 28800))
        database.host.as_rdsadmin("restored", before)
    else:
        before, after = f"ALTER ROLE {MASTER} SET idle_session_timeout = '1s'", f"ALTER ROLE {MASTER} RESET ALL"
        database.as_master(before)
    try:
        yield
    finally:
        if isinstance(database, Mysql):
            database.host.as_rdsadmin("restored", after)
        else:
            database.as_master(after)


def test_passwords_are_those_of_the_turn(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stood still before it has none in hand that was changed meanwhile."""
    user, turn = database.user(database.unique("app"), "old"), database.kind.turn

    def late(*arguments: Any) -> Any:
        manager = database.rig.shared.owner("secretsmanager")
        manager.put_secret_value(SecretId=user.secret_id, SecretString=json.dumps({"password": "new"}))
        return turn(*arguments)

    monkeypatch.setattr(database.kind, "turn", late)
    database.set_up(user)
    assert database.as_user(user.name, "new", "SELECT 1") == [(1,)]


# What the trail is told


def test_a_failure_says_whose_login_was_closed(database: Database) -> None:
    """The next call finds it closed, and would never tell; MariaDB does not show who is."""
    login = database.unique("production")
    database.make_login(login, "of-production")
    file = database.file("mask.sql", "SELECT nothing FROM nowhere")
    with pytest.raises(StepFailed, match=f"mask.sql.*Logins closed by then: .*{login}") as failed:
        database.set_up(sql_files=(file,))
    assert failed.value.fault.code
    if isinstance(database, Postgres):
        with pytest.raises(StepFailed) as again:
            database.set_up(sql_files=(file,))
        assert "Logins closed" not in str(again.value)


def failing_once(work: Callable[..., Any], seconds: float = 0) -> Callable[..., Any]:
    """The database is busy at the first call."""
    calls: list[None] = []

    def failing(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == 1:
            time.sleep(seconds)
            raise DatabaseUnreachable("Database busy", "a lock was in the way.")
        return work(*arguments)

    return failing


def busy_the_second_time(work: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """Only then the secret is not to be had."""
    calls = itertools.count(1)

    def failing(*arguments: Any) -> Any:
        if next(calls) == 2:
            time.sleep(seconds)
            raise DatabaseUnreachable("Database busy", "a lock was in the way.")
        return work(*arguments)

    return failing


def busy_after_the_first(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The database is busy at the second name."""

    def failing(*arguments: Any) -> Iterator[Any]:
        yield next(work(*arguments))
        raise DatabaseUnreachable("Database busy", "a lock was in the way.")

    return failing


def attempt(database: Database, step_input: SetupUsersInput, told: list[Any]) -> Any:
    """One that is told what the one before it said last."""
    environment = temporal_environment(database.rig.now)
    environment.info = replace(environment.info, heartbeat_details=list(told))
    environment.on_heartbeat = lambda *details: told.__setitem__(slice(None), details)
    return environment.run(database.activities.setup_db_users, step_input)


def test_whose_login_an_earlier_attempt_closed_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whom it made, who would else be one that was there."""
    login, told = database.unique("production"), list[Any]()
    database.make_login(login, "of-production")
    of = database.input(database.user(database.unique("app"), "p"))
    monkeypatch.setattr(database.turns, "grant", failing_once(database.turns.grant))
    with pytest.raises(DatabaseUnreachable):
        attempt(database, of, told)
    answer = attempt(database, of, told)
    assert login in [name.removesuffix("@%") for name in answer.locked]
    assert len(set(answer.locked)) == len(answer.locked)
    assert login in answer.facts["locked_logins"]
    assert (answer.created, answer.altered) == ((of.users[0].name,), ())


@pytest.mark.parametrize("work", ["lock_others", "set_users"])
def test_half_of_a_work_is_told(database: Database, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    """Twenty logins were closed, the next was in use."""
    told = list[Any]()
    for number in (1, 2):
        database.make_login(database.unique(f"production{number}"), "of-production")
    users = tuple(database.user(database.unique(f"app{number}"), "p") for number in (1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(database.turns, work, busy_after_the_first(getattr(database.turns, work)))
        with pytest.raises(DatabaseUnreachable):
            attempt(database, database.input(*users), told)
    locked = len(told[0]["locked"])
    assert locked == 1 if work == "lock_others" else locked > 1
    assert told[0]["created"] == ([] if work == "lock_others" else [users[0].name])
    assert attempt(database, database.input(*users), told).created == tuple(user.name for user in users)


def test_so_does_one_before_the_turn_and_one_of_aws(database: Database) -> None:
    """An earlier attempt closed it and its worker died; this one does not come to the database."""
    of = database.input(database.user(database.unique("app"), "p"), cluster_resource_id="cluster-1")
    told = [{"created": [], "altered": [], "locked": ["ada"]}]
    with pytest.raises(StepFailed, match="Restored cluster not found.*Logins closed by then: ada"):
        attempt(database, of, told)
    database.rig.emulator.faults.add("rds", "DescribeDBClusters", "error", code="AccessDenied", message="no")
    with pytest.raises(StepFailed, match="DescribeDBClusters answered AccessDenied.*Logins closed by then: ada"):
        attempt(database, of, told)


def test_so_does_one_of_the_network(database: Database) -> None:
    """RDS is not to be reached: an error of botocore's own."""
    of = database.input(cluster_resource_id="cluster-1")
    database.rig.emulator.faults.add("rds", "DescribeDBClusters", "reset-before", count=None)
    with pytest.raises(AwsUnavailable, match="Logins closed by then: ada"):
        attempt(database, of, [{"created": [], "altered": [], "locked": ["ada"]}])


def test_what_is_tried_again_says_little_of_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal keeps 4 KiB of such an error; the next attempt is told by the heartbeat."""
    many = [f"production_{number}" for number in range(500)]
    monkeypatch.setattr(database.turns, "grant", failing_once(database.turns.grant))
    with pytest.raises(DatabaseUnreachable, match="Logins closed by then: production_0, ") as failed:
        attempt(database, database.input(), [{"created": [], "altered": [], "locked": many}])
    assert len(str(failed.value)) < 500


@workflow.defn(name="UsersElsewhere")
class UsersElsewhere:
    """The step as the night calls it, by the worker that takes the queue of the workflow's name."""

    @workflow.run
    async def run(self, step_input: SetupUsersInput) -> SetupUsersOutcome:
        policy = DATABASE_CALL | {"task_queue": workflow.info().workflow_id}
        return await workflow.execute_activity_method(DatabaseUserActivities.setup_db_users, step_input, **policy)


def test_temporal_knows_it_before_a_worker_can_be_killed(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before the timeout after which the next attempt comes; by default the worker would keep it to itself."""
    login, go_on = postgres.unique("production"), threading.Event()
    postgres.make_login(login, "of-production")
    of = postgres.input(postgres.user(postgres.unique("app"), "p"))
    grant = postgres.turns.grant
    monkeypatch.setattr(postgres.turns, "grant", lambda *arguments: go_on.wait(60) and grant(*arguments))

    async def told(handle: WorkflowHandle[Any, Any]) -> str:
        pending = (await handle.describe()).raw_description.pending_activities
        return str(pending[0].heartbeat_details.payloads) if pending else ""

    async def rig(address: str) -> str:
        plugin, table, settings, aws = parts(DemoEnvironment(postgres.rig.emulator), postgres.unique("killed"))
        client = await Client.connect(address, plugins=[plugin])
        built = worker.build_worker(client, settings, aws, table)
        runner = UnsandboxedWorkflowRunner()
        async with built, Worker(client, task_queue="nights", workflows=[UsersElsewhere], workflow_runner=runner):
            handle = await client.start_workflow(UsersElsewhere.run, of, id=settings.task_queue, task_queue="nights")
            try:
                async with asyncio.timeout(WELL_BEFORE_THE_TIMEOUT):
                    while login not in (said := await told(handle)):  # noqa: ASYNC110 - it watches another process
                        await asyncio.sleep(0.2)
            finally:
                go_on.set()
            await handle.result()
        return said

    with (
        TemporalServer(headless=True) as server,
        environment_variables(environment(postgres.rig.emulator.endpoint_url)),
    ):
        assert of.users[0].name in asyncio.run(rig(server.address))


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


def test_temporal_carries_it_over(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real server, with a worker that gives signs of life of its own all the while, and an attempt that does nothing."""
    login = postgres.unique("production")
    postgres.make_login(login, "of-production")
    of = postgres.input(postgres.user(postgres.unique("app"), "p"))
    monkeypatch.setattr(postgres.turns, "grant", failing_once(postgres.turns.grant, seconds=2))
    monkeypatch.setattr(DatabaseUserActivities, "_database", busy_the_second_time(DatabaseUserActivities._database, 2))

    async def rig(address: str) -> SetupUsersOutcome:
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
                return await client.execute_workflow(UsersOnly.run, of, id="users", task_queue="users")

    with TemporalServer(headless=True) as server:
        answer = asyncio.run(rig(server.address))
    assert login in answer.locked
    assert (answer.created, answer.altered) == ((of.users[0].name,), ())
