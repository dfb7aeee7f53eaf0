"""Who can log in to the restored database, and when: a poll through whole restores, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from audit.plugin import AuroraRestorePlugin
from audit.rows import Phase
from devstack.demo_environment import DATABASE, MASTER, USERS, DemoEnvironment
from models.steps import Status, Step
from tests.rigs.login_poll import ELSEWHERE, LoginPoll, connect, connections_from, poll_logins
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts
from waiting.pace import URGENT

OF_PRODUCTION = "of-production"
PRODUCTION_LOGINS = ("billing", "rds_reporting")
APPLICATION = "orders_report"


@pytest.fixture(scope="module")
def demo(demo_with_databases: DemoEnvironment) -> DemoEnvironment:
    """Production has logins of its own, one of them with a name like RDS's."""
    for login in PRODUCTION_LOGINS:
        demo_with_databases.write_to_source(f"CREATE ROLE {login} LOGIN PASSWORD '{OF_PRODUCTION}'")
    demo_with_databases.take_automated_snapshot()
    return demo_with_databases


@pytest.fixture(scope="module")
async def rig(demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    parts = worker_parts(demo, "quarantine")
    async with (
        time_skipping_client(AuroraRestorePlugin(), real_databases=True) as client,
        run_worker(client, demo, parts) as rig,
    ):
        yield rig


def password_of_user(demo: DemoEnvironment) -> str:
    secret = demo.client("secretsmanager").get_secret_value(SecretId=USERS[APPLICATION])
    return str(json.loads(secret["SecretString"])["password"])


def logins(demo: DemoEnvironment) -> dict[str, Any]:
    """Production's master user and logins with production's passwords, and a user of the target."""
    of_production = {name: (lambda: OF_PRODUCTION) for name in PRODUCTION_LOGINS}
    return {
        MASTER: lambda: demo.master_password,
        **of_production,
        APPLICATION: lambda: password_of_user(demo),
    }


async def test_nobody_reaches_a_database_in_quarantine_but_the_worker(rig: RestoreRig) -> None:
    """At no moment before the end of archive-snapshot; then the target's own users do."""
    demo = rig.demo
    quarantine = demo.make_security_group("quarantine", "127.0.0.1/32", outbound=False)
    target = {"quarantine": {"vpc_security_group_ids": [quarantine]}}
    rig.hooks.after[Step.SETUP_DB_USERS] = lambda: before_it_leaves.append(set(poll.names()))
    before_it_leaves: list[set[str]] = []
    with poll_logins(LoginPoll(demo, logins(demo), DATABASE)) as poll:
        state = await (await rig.start(request(target=target))).result()
    assert before_it_leaves == [set()]
    assert poll.names() <= {APPLICATION}
    assert poll.attempts > len(poll.logins) * 5
    archived = next(step for step in state.steps if step.step is Step.ARCHIVE_SNAPSHOT)
    assert (archived.status, archived.details) == (Status.SUCCESS, "Snapshot archived, quarantine left")
    cluster = demo.client("rds").describe_db_clusters(DBClusterIdentifier="orders-staging")["DBClusters"][0]
    assert [group["VpcSecurityGroupId"] for group in cluster["VpcSecurityGroups"]] == ["sg-0123456789abcdef0"]
    with (
        connections_from(ELSEWHERE, cluster["Port"]) as elsewhere,
        connect(elsewhere, APPLICATION, password_of_user(demo), DATABASE) as connection,
    ):
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)


async def test_without_a_quarantine_productions_logins_work_until_the_master_password_is_new(rig: RestoreRig) -> None:
    """The window that cannot be avoided, in time of AWS: the next poll after the writer is up closes the database.

    The reader is created after that. Not even the window is open to the target's own users.
    """
    demo = rig.demo
    instances = [{"instance_class": "db.r6g.large"}] * 2
    rig.hooks.real_seconds[Step.CHECK_RESTORE_STATUS] = 0.5
    with poll_logins(LoginPoll(demo, logins(demo), DATABASE)) as poll:
        state = await (await rig.start(request(target={"instances": instances}))).result()
    events = {
        (event["SourceIdentifier"], event["Message"]): event["Date"]
        for event in demo.client("rds").describe_events(SourceType="db-instance", Duration=120)["Events"]
    }
    writer_up = events["orders-staging-1", "DB instance created"]
    of_production = [at for name, at in poll.succeeded if name != APPLICATION]
    assert {name for name, _ in poll.succeeded} >= set(PRODUCTION_LOGINS), "the poll can get in"
    window = max(of_production) - writer_up
    reader = demo.client("rds").describe_db_instances(DBInstanceIdentifier="orders-staging-2")["DBInstances"][0]
    assert max(of_production) < reader["InstanceCreateTime"]
    assert window <= URGENT + timedelta(seconds=20)
    users_set = next(step for step in state.steps if step.step is Step.SETUP_DB_USERS)
    assert all(at >= users_set.started_at for name, at in poll.succeeded if name == APPLICATION and at > writer_up)
    assert state.operation_id is not None
    [row] = [
        row
        for row in rig.table.list_rows(state.operation_id)
        if row.step is Step.SETUP_DB_USERS and row.phase is Phase.OUTCOME
    ]
    assert set(PRODUCTION_LOGINS) <= set(row.facts["locked_logins"].split(", ")), "locked by check-restore-status"
